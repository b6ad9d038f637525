import { parseAllDocuments } from 'yaml'
import { Documents, linesWith } from './cut-documents.js'
import { countLines, NEWLINE, wholePiece, type CutPiece, type Cutter } from './cutter.js'

/** The line before the items of a list, in block style. */
const ITEMS = /^items:[ \t\r]*(?:#.*)?$/
/** The line before the first item may be a comment, or empty. */
const NOTHING = /^[ \t\r]*(?:#.*)?$/
/** Behind its indentation, the beginning of an item. */
const ITEM = /^ *-(?=[ \t\r]|$)/
/** A list has few lines beside its items. */
const MAX_FRAME_BYTES = 65_536

/** A document that is a list, cut. */
interface CutList {
  /** The bytes before the first item, and those behind the last one. */
  readonly before: Buffer
  readonly behind: Buffer
  readonly items: readonly Buffer[]
}

/** The lines of a text, with where they begin and end. */
function* linesOf(text: Buffer, from: number): Generator<{ readonly at: number; readonly end: number; readonly line: string }> {
  for (let at = from; at < text.length;) {
    const newline = text.indexOf(NEWLINE, at)
    const end = newline === -1 ? text.length : newline
    // Longer lines begin as they begin.
    yield { at, end, line: text.toString('latin1', at, Math.min(end, at + 256)) }
    at = end + 1
  }
}

/** Where the items of a list begin in a document; undefined where it has none in block style, or where something in it holds for more than a document. */
function beginningOfItems(text: Buffer): number | undefined {
  const [, second] = linesWith('---', text)
  if (second !== undefined || [...linesWith('%', text), ...linesWith('...', text)].length > 0) return undefined
  for (const at of linesWith('items:', text)) {
    const [first] = linesOf(text, at)
    if (ITEMS.test(first!.line)) return first!.end + 1
  }
  return undefined
}

/** Finds the items, all of which are as far to the right as the first one: what is in an item is further. */
function cut(text: Buffer): CutList | undefined {
  const from = beginningOfItems(text)
  if (from === undefined) return undefined
  const starts: number[] = []
  let indent = -1
  let end = text.length
  for (const { at, line } of linesOf(text, from)) {
    if (NOTHING.test(line)) continue
    const depth = line.search(/[^ ]/)
    if (indent === -1) indent = depth
    if (depth < indent || (depth === indent && !ITEM.test(line))) {
      end = at
      break
    }
    if (depth === indent) starts.push(at)
  }
  if (starts.length === 0) return undefined
  const items = starts.map((start, index) => text.subarray(start, starts[index + 1] ?? end))
  return { before: text.subarray(0, starts[0]), behind: text.subarray(end), items }
}

/** The value of a document; undefined where it has none. */
function valueOf(text: string): Readonly<Record<'kind' | 'apiVersion' | 'items', unknown>> | undefined {
  const [document, another] = [...parseAllDocuments(text, { merge: true })]
  if (document === undefined || another !== undefined || document.errors.length > 0) return undefined
  try {
    return document.toJS() as ReturnType<typeof valueOf>
  } catch {
    return undefined
  }
}

/** What a list says beside its items, as the first lines of a list of one item; undefined where it is no list. */
function headOf({ before, behind }: CutList): string | undefined {
  if (before.length + behind.length > MAX_FRAME_BYTES) return undefined
  const { kind, apiVersion, items } = valueOf(Buffer.concat([before, behind]).toString('utf8')) ?? {}
  // Other items, further to the left, make no list together with these.
  if (typeof kind !== 'string' || !kind.endsWith('List') || items !== null) return undefined
  const version = apiVersion === undefined ? '' : `apiVersion: ${JSON.stringify(apiVersion)}\n`
  return `${version}kind: ${JSON.stringify(kind)}\nitems:\n`
}

/**
 * Cuts a file of YAML into documents, and those that are lists in block style, as `kubectl get -o yaml` writes them, into their items. Each of these becomes a list of one with the `kind` and `apiVersion`
 * of the whole, and what the list says beside is a piece behind them.
 */
export class DocumentItems implements Cutter {
  readonly #documents = new Documents()

  get isDoubtful(): boolean {
    return this.#documents.isDoubtful
  }

  *add(chunk: Buffer): Generator<CutPiece> {
    for (const document of this.#documents.add(chunk)) yield* this.#cut(document)
  }

  *end(): Generator<CutPiece> {
    for (const document of this.#documents.end()) yield* this.#cut(document)
  }

  *#cut(document: CutPiece): Generator<CutPiece> {
    const list = cut(document.bytes)
    const head = list && headOf(list)
    if (list === undefined || head === undefined) {
      yield document
      return
    }
    for (const item of list.items) yield { bytes: Buffer.concat([Buffer.from(head), item]), lines: countLines(item), isPart: true }
    yield wholePiece(Buffer.concat([list.before, list.behind]))
  }
}
