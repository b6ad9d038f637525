/** What is parsed by itself. */
export interface CutPiece {
  /** Its text. */
  readonly bytes: Buffer
  /** Ends of lines that it takes in the file. */
  readonly lines: number
  /** Whether it is a part of the document that the next piece ends which is none itself. */
  readonly isPart: boolean
}

/** Cuts the bytes of a file into pieces that can be parsed one by one, whatever chunks they come in. */
export interface Cutter {
  /** The pieces that end in this chunk, whose memory may be used for the next one when all of them have been taken. */
  add(chunk: Buffer): Iterable<CutPiece>
  /** The last piece, or the last ones. A file without a cut is one piece, also an empty one. */
  end(): Iterable<CutPiece>
  /** Whether the pieces may say something else than the documents do of which they are parts, though none of them is broken. Known at the end. */
  readonly isDoubtful: boolean
}

/** Some programs begin a file with one, which JSON does not have. */
const BYTE_ORDER_MARK = Buffer.from('\ufeff')
export const NEWLINE = 0x0a

/** The first chunk of a file, without what some programs begin it with. */
export function withoutMark(chunk: Buffer): Buffer {
  return chunk.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? chunk.subarray(BYTE_ORDER_MARK.length) : chunk
}

export function countLines(text: Buffer): number {
  let lines = 0
  for (let at = text.indexOf(NEWLINE); at !== -1; at = text.indexOf(NEWLINE, at + 1)) lines++
  return lines
}

/** A piece that is no part of a document. */
export function wholePiece(bytes: Buffer): CutPiece {
  return { bytes, lines: countLines(bytes), isPart: false }
}

/** Collects a file that has one piece alone. */
export class Whole implements Cutter {
  readonly isDoubtful = false
  #chunks: Buffer[] = []

  add(chunk: Buffer): CutPiece[] {
    this.#chunks.push(Buffer.from(this.#chunks.length === 0 ? withoutMark(chunk) : chunk))
    return []
  }

  end(): CutPiece[] {
    return [wholePiece(Buffer.concat(this.#chunks))]
  }
}
