import { isObject } from '../kubernetes/shape.js'
import { countLines, wholePiece, withoutMark, type CutPiece, type Cutter } from './cutter.js'

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c]
const OPENING: ReadonlySet<number> = new Set([0x7b, 0x5b])
const CLOSING: ReadonlySet<number> = new Set([0x7d, 0x5d])
const [OBJECT, LIST, END_OF_LIST] = [0x7b, 0x5b, 0x5d]
const isBlank = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
const ITEMS = 'items'
/** Ends a list of items. */
const CLOSE = ']}'

/** What `kind` and `apiVersion` of a list are, and whether it is one. */
interface Frame {
  readonly kind?: unknown
  readonly apiVersion?: unknown
}

function parseFrame(text: string): Frame | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether items that were taken for those of one list are: all of it says the same as what stands before them. */
function isListOf(head: Frame, whole: Frame | undefined): boolean {
  if (whole === undefined || whole.kind !== head.kind || whole.apiVersion !== head.apiVersion) return false
  return typeof head.kind === 'string' && head.kind.endsWith('List')
}

/**
 * Cuts a list of Kubernetes in JSON into its items, each of which becomes a list of one with the `kind` and `apiVersion` of the whole: `kubectl get -o json` writes one document, however large.
 *
 * Where those stand behind the items they are not known yet, and a list whose items have kinds of their own (`kind: List`, as kubectl writes it) is assumed. What is no such list is one piece.
 */
export class ListItems implements Cutter {
  /** The text without the items that were cut. */
  #frame: Buffer[] = []
  #item: Buffer[] = []
  /** What stands before and behind each item. */
  #wrap: { readonly before: Buffer; readonly head: Frame } | undefined
  #depth = 0
  #isText = false
  #isEscaped = false
  /** The name that a text at the top may be; undefined where a value is due, or the text is longer. */
  #name: string | undefined
  #isNameDue = false
  #isInItems = false
  #hasItems = false
  #hasBegun = false
  #isDoubtful = false

  get isDoubtful(): boolean {
    return this.#isDoubtful
  }

  add(bytes: Buffer): CutPiece[] {
    const chunk = this.#hasBegun ? bytes : withoutMark(bytes)
    const pieces: CutPiece[] = []
    let from = 0
    for (let at = this.#skip(chunk, 0); at < chunk.length; at = this.#skip(chunk, at + 1)) {
      const byte = chunk[at]!
      if (this.#isText) this.#readText(byte)
      else if (byte === QUOTE) this.#beginText()
      else if (this.#isInItems && this.#depth === 2 && (byte === COMMA || byte === END_OF_LIST)) {
        this.#item.push(Buffer.from(chunk.subarray(from, at)))
        from = at + (byte === COMMA ? 1 : 0)
        pieces.push(...this.#endItem(byte === END_OF_LIST))
      } else if (this.#readSign(byte)) {
        this.#frame.push(Buffer.from(chunk.subarray(from, at + 1)))
        from = at + 1
        this.#beginItems()
      }
    }
    ;(this.#isInItems ? this.#item : this.#frame).push(Buffer.from(chunk.subarray(from)))
    return pieces
  }

  end(): CutPiece[] {
    const text = Buffer.concat(this.#frame)
    if (this.#wrap !== undefined && (this.#isInItems || !isListOf(this.#wrap.head, parseFrame(text.toString('utf8')))))
      this.#isDoubtful = true
    return [wholePiece(text)]
  }

  /** Where the next byte is that may mean something: most of a file is blanks and texts. */
  #skip(chunk: Buffer, from: number): number {
    let at = from
    if (!this.#isText) while (at < chunk.length && isBlank(chunk[at]!)) at++
    else if (!this.#isEscaped && this.#name === undefined) while (at < chunk.length && chunk[at] !== QUOTE && chunk[at] !== BACKSLASH) at++
    return at
  }

  #beginText(): void {
    this.#isText = true
    this.#name = this.#depth === 1 && this.#isNameDue ? '' : undefined
  }

  #readText(byte: number): void {
    if (this.#isEscaped) {
      this.#isEscaped = false
      return
    }
    this.#isEscaped = byte === BACKSLASH
    if (byte === QUOTE) this.#isText = false
    else if (this.#name !== undefined) this.#name = this.#name.length < ITEMS.length ? this.#name + String.fromCharCode(byte) : undefined
  }

  /** Reads what stands outside of texts. @returns Whether the items begin behind it. */
  #readSign(byte: number): boolean {
    if (OPENING.has(byte)) {
      const begins = byte === LIST && this.#depth === 1 && this.#name === ITEMS && !this.#isNameDue
      this.#isNameDue = byte === OBJECT && this.#depth === 0 && !this.#hasBegun
      this.#hasBegun = true
      this.#depth++
      return begins
    }
    if (CLOSING.has(byte)) this.#depth--
    else if (byte === COMMA) this.#isNameDue = this.#depth === 1
    else if (byte === COLON) this.#isNameDue = false
    else this.#name = undefined
    if (this.#isInItems && this.#depth < 2) this.#isDoubtful = true
    return false
  }

  #beginItems(): void {
    // Of two lists of items the last one counts.
    if (this.#wrap !== undefined) this.#isDoubtful = true
    const { kind = 'List', apiVersion } = parseFrame(`${Buffer.concat(this.#frame).toString('utf8')}${CLOSE}`) ?? {}
    const before = JSON.stringify({ apiVersion, kind, items: [] }).slice(0, -CLOSE.length)
    this.#wrap = { before: Buffer.from(before), head: { kind, apiVersion } }
    this.#isInItems = true
  }

  #endItem(isLast: boolean): CutPiece[] {
    const item = Buffer.concat(this.#item)
    this.#item = []
    this.#isInItems = !isLast
    if (isLast) {
      this.#depth--
      this.#name = undefined
    }
    const isEmpty = item.every(isBlank)
    // Of nothing alone there may be a list.
    if (isEmpty && (!isLast || this.#hasItems)) this.#isDoubtful = true
    this.#hasItems = !isLast
    return isEmpty ? [] : [{ bytes: Buffer.concat([this.#wrap!.before, item, Buffer.from(CLOSE)]), lines: countLines(item), isPart: true }]
  }
}
