import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { formatOf } from './cut.js'
import type { CutPiece, Cutter } from './cutter.js'
import { join, readSurely, type PieceParser, type PlacedPiece } from './parse.js'
import type { Manifests, Piece } from './types.js'

const CHUNK_BYTES = 65_536
/** Characters that are parsed together. */
const BATCH = 65_536
/** How often a file is read that changes while it is read. What was parsed once is not parsed again. */
const ATTEMPTS = 3
/** Two changes within this time may leave the same times behind, as some file systems count by two seconds. */
const SETTLED_MS = 3000

/** What a file was when it was read. */
interface Reading {
  /** What tells it from what it is after a change; undefined where it had changed a moment before. */
  readonly state: string | undefined
  readonly content: Manifests
}

/** What a file is: a text that is another one after a change, unless that came within {@link SETTLED_MS} of the last. */
interface FileState {
  readonly text: string
  readonly isSettled: boolean
}

async function stateOf(file: FileHandle): Promise<FileState> {
  const found = await file.stat({ bigint: true })
  // Of a FIFO or a device no end may come.
  if (!found.isFile()) throw new Error('it is no regular file')
  const { dev, ino, size, mtimeNs, ctimeNs, mtimeMs, ctimeMs } = found
  const changedMs = Number(mtimeMs > ctimeMs ? mtimeMs : ctimeMs)
  return { text: [dev, ino, size, mtimeNs, ctimeNs].join(' '), isSettled: changedMs < Date.now() - SETTLED_MS }
}

/** A piece that was read. */
interface ReadPiece extends PlacedPiece {
  readonly digest: string
}

const digestOf = (piece: Buffer): string => createHash('sha256').update(piece).digest('base64')

/** A file of manifests, which is read in chunks: what it holds is kept, and not its text. Pieces that did not change are not parsed again, and keep their objects. */
export class ManifestFile {
  readonly #path: string
  /** What was parsed, by the digest of its text. */
  #pieces: ReadonlyMap<string, Piece> = new Map()
  #last: Reading | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** @throws It cannot be read, or changes again and again. */
  async read(parser: PieceParser): Promise<Manifests> {
    // Opening a FIFO must not wait.
    const file = await open(this.#path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const state = await stateOf(file)
      if (state.isSettled && this.#last?.state === state.text) return this.#last.content
      return await this.#readWhole(file, state, parser)
    } finally {
      await file.close()
    }
  }

  async #readWhole(file: FileHandle, found: FileState, parser: PieceParser): Promise<Manifests> {
    const parsed = new Map(this.#pieces)
    let before = found
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const pieces = await readSurely(formatOf(this.#path), (cutter) => this.#readPieces(file, parser, parsed, cutter))
      const { text, isSettled } = before
      before = await stateOf(file)
      if (before.text !== text) continue
      this.#pieces = new Map(pieces.map(({ digest, piece }) => [digest, piece]))
      const content = join(basename(this.#path), pieces)
      this.#last = { state: isSettled ? text : undefined, content }
      return content
    }
    throw new Error('it changes while it is read')
  }

  /** Reads the file, and parses what is not in `parsed`. */
  async #readPieces(file: FileHandle, parser: PieceParser, parsed: Map<string, Piece>, cutter: Cutter): Promise<ReadPiece[]> {
    const format = formatOf(this.#path)
    const read: (Pick<CutPiece, 'lines' | 'isPart'> & { readonly digest: string })[] = []
    let unknown = new Map<string, string>()
    let length = 0
    const parse = async (): Promise<void> => {
      const pieces = await parser.parse(format, [...unknown.values()])
      for (const [index, digest] of [...unknown.keys()].entries()) parsed.set(digest, pieces[index]!)
      unknown = new Map()
      length = 0
    }
    const take = async (pieces: Iterable<CutPiece>): Promise<void> => {
      for (const { bytes, lines, isPart } of pieces) {
        const digest = digestOf(bytes)
        read.push({ digest, lines, isPart })
        if (parsed.has(digest) || unknown.has(digest)) continue
        const text = bytes.toString('utf8')
        unknown.set(digest, text)
        length += text.length
        if (length >= BATCH) await parse()
      }
    }
    const chunk = Buffer.alloc(CHUNK_BYTES)
    for (let position = 0; ;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, position)
      if (bytesRead === 0) break
      position += bytesRead
      await take(cutter.add(chunk.subarray(0, bytesRead)))
    }
    await take(cutter.end())
    if (unknown.size > 0) await parse()
    return read.map(({ digest, ...place }) => ({ digest, piece: parsed.get(digest)!, ...place }))
  }
}
