import { LostError } from '../errors.js'

/** etcd holds objects of at most 1.5 MiB, which may be several times as long in JSON. */
const MAX_LINE_BYTES = 32 * 1024 * 1024
const NEWLINE = 0x0a

/** Cuts a stream of bytes into lines, whatever pieces it comes in. */
export class Lines {
  #pieces: Buffer[] = []
  #bytes = 0

  /** The lines that end in this piece, without empty ones. @throws LostError A line has no end. */
  add(piece: Buffer): string[] {
    const lines: string[] = []
    let from = 0
    for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, from)) {
      const text = Buffer.concat([...this.#pieces, piece.subarray(from, end)]).toString('utf8')
      if (text.trim() !== '') lines.push(text)
      this.#pieces = []
      this.#bytes = 0
      from = end + 1
    }
    if (from < piece.length) {
      this.#pieces.push(piece.subarray(from))
      this.#bytes += piece.length - from
    }
    if (this.#bytes > MAX_LINE_BYTES) throw new LostError(`a line of a watch has more than ${MAX_LINE_BYTES} bytes`)
    return lines
  }
}
