import type { Readable } from 'node:stream'
import { ObjectChoice } from './choice.js'
import type { Format } from './cut.js'
import type { Cutter } from './cutter.js'
import { join, parserAtOnce, readSurely, type PieceParser, type PlacedPiece } from './parse.js'
import type { FolderContent } from './types.js'

/** What it is called where a file has its name. */
const NAME = 'standard input'

/** Input ends once: who opens the source anew gets what was read before. */
const texts = new WeakMap<Readable, Promise<Buffer>>()

async function readAll(input: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of input as AsyncIterable<Buffer | string>) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** As `kubectl` prints it: nothing else says what it is written in. */
function formatOf(text: Buffer): Format {
  return /^\ufeff?\s*\{\s*"/.test(text.subarray(0, 1024).toString('utf8')) ? 'json' : 'yaml'
}

async function parsePieces(text: Buffer, format: Format, cutter: Cutter, parser: PieceParser): Promise<PlacedPiece[]> {
  const cut = [...cutter.add(text), ...cutter.end()]
  const pieces = await parser.parse(
    format,
    cut.map(({ bytes }) => bytes.toString('utf8'))
  )
  return cut.map(({ lines, isPart }, index) => ({ lines, isPart, piece: pieces[index]! }))
}

/** Manifests that are read once, to the end of the input: one file, which nobody changes any more. */
export class ManifestInput {
  readonly #input: Readable
  readonly #openParser: () => PieceParser

  constructor(openParser: () => PieceParser = () => parserAtOnce, input: Readable = process.stdin) {
    this.#openParser = openParser
    this.#input = input
  }

  /** @throws The input cannot be read, or is empty. */
  async read(): Promise<FolderContent> {
    const reading = texts.get(this.#input) ?? readAll(this.#input)
    texts.set(this.#input, reading)
    const text = await reading
    // A program that should have written something has failed: that is not to say that there are no services.
    if (text.toString('utf8').trim() === '') throw new Error('the standard input is empty')
    const parser = this.#openParser()
    try {
      const format = formatOf(text)
      const pieces = await readSurely(format, (cutter) => parsePieces(text, format, cutter, parser))
      const { objects, problems } = join(NAME, pieces)
      const choice = new ObjectChoice()
      choice.add(NAME, objects, [])
      return { objects: choice.objects, problems: [...problems, ...choice.problems], outdated: [] }
    } finally {
      parser.close()
    }
  }

  /** Who is asked to stop does not wait for the end of the input. */
  close(): void {
    const { unref } = this.#input as { readonly unref?: () => void }
    unref?.call(this.#input)
  }
}
