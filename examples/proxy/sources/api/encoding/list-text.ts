import { Pending } from './pending.js'

const KEY = '"items":['
/** Ends a list of items. */
const CLOSE = ']}'
/** So much text is parsed at a time: enough for hundreds of objects, and no more than a moment's work. */
const PART_BYTES = 256 * 1024

/** Whether a text is a list up to its first item. A text that names items elsewhere (in a label, or deeper) is none with an end like this. */
function isHead(text: string): boolean {
  try {
    const { items } = JSON.parse(text + CLOSE) as { readonly items?: unknown }
    return Array.isArray(items) && items.length === 0
  } catch {
    return false
  }
}

/** What stands between two items that begin alike: `},{"metadata":`. @param text From the first item on. */
function separatorIn(text: string): string | undefined {
  const key = /^\{"[^"\\]+":/.exec(text)?.[0]
  return key === undefined ? undefined : `},${key}`
}

/** The values of a text of items; undefined where it ends within one of them. */
function parseItems(text: string): unknown[] | undefined {
  try {
    return JSON.parse(`[${text}]`) as unknown[]
  } catch {
    return undefined
  }
}

/**
 * Reads a list in JSON while it comes, so that neither its text nor all of its objects are ever there at once: a list of a large cluster has tens of megabytes.
 *
 * Items are taken off its front, some hundred at a time. Where one ends is guessed by how the next one begins, and the parser proves the guess: no text that ends within an item is one of whole items.
 * A list that is written in another way than API servers write it is parsed as a whole, at its end.
 */
export class ListText {
  /** What stands before the items, once it is known. */
  #head: string | undefined
  #separator: string | undefined
  readonly #pending = new Pending(PART_BYTES)

  /** The items that have come as wholes since the last call. */
  add(piece: Buffer): readonly unknown[] {
    if (!this.#pending.add(piece)) return []
    const items = this.#cut()
    // A failed attempt is repeated with twice as much, so that all of them together stay a small multiple of the text.
    this.#pending.want(items === undefined ? 2 * this.#pending.bytes.length : PART_BYTES)
    return items ?? []
  }

  /** The list with the items that {@link ListText.add} did not give. @throws SyntaxError It is no JSON. */
  end(): unknown {
    return JSON.parse((this.#head ?? '') + this.#pending.bytes.toString('utf8')) as unknown
  }

  /** Takes items off the front; undefined where none could be told from the next one. */
  #cut(): unknown[] | undefined {
    if (this.#head === undefined) this.#cutHead()
    if (this.#separator === undefined) return undefined
    const { bytes } = this.#pending
    const end = bytes.lastIndexOf(this.#separator)
    const items = end <= 0 ? undefined : parseItems(bytes.toString('utf8', 0, end + 1))
    // Behind the brace and the comma.
    if (items !== undefined) this.#pending.use(end + 2)
    return items
  }

  #cutHead(): void {
    const { bytes } = this.#pending
    const end = bytes.indexOf(KEY) + KEY.length
    const head = end < KEY.length ? '' : bytes.toString('utf8', 0, end)
    if (!isHead(head)) return
    this.#pending.use(end)
    this.#head = head
    this.#separator = separatorIn(this.#pending.bytes.toString('utf8', 0, 100))
  }
}
