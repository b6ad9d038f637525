import { NEWLINE, wholePiece, withoutMark, type CutPiece, type Cutter } from './cutter.js'

/** What may stand behind a marker: white space, or nothing more. */
const BLANKS: ReadonlySet<number | undefined> = new Set([undefined, 0x20, 0x09, 0x0d, NEWLINE])
/** Lines that may precede the first document: white space, comments, and ends of documents. */
const PRELUDE = /^(?:(?:\.\.\.)?[ \t\r]*(?:#[^\n]*)?\n)*$/

/** Where lines begin with a text; `lines` begins with a line. */
export function* linesWith(text: string, lines: Buffer): Generator<number> {
  if (lines.subarray(0, text.length).equals(Buffer.from(text))) yield 0
  const wanted = Buffer.from(`\n${text}`)
  for (let at = lines.indexOf(wanted); at !== -1; at = lines.indexOf(wanted, at + 1)) yield at + 1
}

/**
 * Cuts before the lines `---` that begin a document: YAML has none of them within one, not even in a text of several lines. Directives (`%YAML`) may be meant for all documents behind
 * them: where there is one, nothing is cut any more.
 */
export class Documents implements Cutter {
  readonly isDoubtful = false
  /** What is known of the piece that has no end yet, in whole lines. */
  #pending: Buffer[] = []
  /** The beginning of a line. */
  #line: Buffer[] = []
  #isFirst = true
  #hasBegun = false
  #hasDirective = false

  add(chunk: Buffer): CutPiece[] {
    const bytes = this.#isFirst ? withoutMark(chunk) : chunk
    this.#isFirst = false
    const end = bytes.lastIndexOf(NEWLINE) + 1
    if (end === 0) {
      this.#line.push(Buffer.from(bytes))
      return []
    }
    const lines = Buffer.concat([...this.#line, bytes.subarray(0, end)])
    this.#line = [Buffer.from(bytes.subarray(end))]
    return this.#cut(lines).map(wholePiece)
  }

  end(): CutPiece[] {
    return [...this.#cut(Buffer.concat(this.#line)), this.#take()].map(wholePiece)
  }

  #cut(lines: Buffer): Buffer[] {
    const pieces: Buffer[] = []
    let from = 0
    const last = this.#directiveIn(lines)
    for (const at of linesWith('---', lines)) {
      if (at > last) break
      if (!BLANKS.has(lines[at + 3])) continue
      this.#pending.push(lines.subarray(from, at))
      from = at
      if (!this.#isPrelude()) pieces.push(this.#take())
      this.#hasBegun = true
    }
    this.#pending.push(lines.subarray(from))
    return pieces
  }

  /** Up to where lines may be cut. */
  #directiveIn(lines: Buffer): number {
    if (this.#hasDirective) return -1
    const [found] = linesWith('%', lines)
    this.#hasDirective = found !== undefined
    return found ?? lines.length
  }

  /** Whether no document has begun before this marker. */
  #isPrelude(): boolean {
    return !this.#hasBegun && PRELUDE.test(Buffer.concat(this.#pending).toString('latin1'))
  }

  #take(): Buffer {
    const pending = this.#pending.filter(({ length }) => length > 0)
    this.#pending = []
    return pending.length === 1 ? pending[0]! : Buffer.concat(pending)
  }
}
