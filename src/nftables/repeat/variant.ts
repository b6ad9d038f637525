/**
 * Rows whose texts have the same lengths.
 */
import type { OwnColumn } from './columns.js'
import { filledColumn, markedText, probeColumns, textColumn, type Probe } from './probes.js'
import { Template, type Piece } from './template.js'

/** Makes what a row makes, by the caller's own function; undefined where it cannot, or where each row's has numbers of its own. */
export type MakePieces<P extends Piece> = (columns: readonly OwnColumn[]) => readonly P[] | undefined

const ONES = 0xff

const PROBES: readonly Probe[] = [0, 1, 2]

/** What texts have beside letters and digits: the rest of ASCII. */
const FIRST_MARK = 0x20
const LAST_MARK = 0x7e

/** More than there are letters, and than there are other things that are tried of a column. */
const MANY = 1 << 12
const FILLED = 1 << 10
const EQUAL = 1 << 11

/** Whether all bytes of a value are this one. */
function isFilled({ kind, width, values }: OwnColumn, row: number, byte: number): boolean {
  if (kind === 'number') return (values as Uint32Array)[row] === (byte === 0 ? 0 : 2 ** (8 * width) - 1)
  if (kind === 'count') return (values as BigUint64Array)[row] === (byte === 0 ? 0n : 2n ** 64n - 1n)
  for (let index = row * width; index < (row + 1) * width; index++) if ((values as Uint8Array)[index] !== byte) return false
  return true
}

function isEqual(first: OwnColumn, second: OwnColumn, row: number): boolean {
  if (first.kind !== 'bytes') return first.values[row] === second.values[row]
  const { width, values } = first
  for (let index = row * width; index < (row + 1) * width; index++) if (values[index] !== second.values[index]) return false
  return true
}

/** Columns whose values a function may compare. */
function comparablePairs(columns: readonly OwnColumn[]): readonly (readonly [number, number])[] {
  return columns.flatMap((first, index) =>
    columns.flatMap((second, other): (readonly [number, number])[] =>
      other > index && first.kind === second.kind && first.width === second.width ? [[index, other]] : []
    )
  )
}

const isLetterOrDigit = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)

/**
 * What rows make whose texts have the same lengths, as a template, where there is one.
 *
 * What a value means may depend on it: 0, ones, equal values, and each mark in texts, are tried apart, when a row has them first. A row that the template does not hold for is left to the caller's function.
 */
export class Variant<P extends Piece> {
  readonly #make: MakePieces<P>
  readonly #textLengths: readonly number[]
  readonly #pairs: readonly (readonly [number, number])[]
  /** What was tried, and whether the template holds for it. */
  readonly #tried = new Map<number, boolean>()
  readonly template: Template<P> | undefined
  /** A made-up row. */
  readonly #probe: readonly OwnColumn[]

  constructor(columns: readonly OwnColumn[], textLengths: readonly number[], make: MakePieces<P>) {
    this.#make = make
    this.#textLengths = textLengths
    this.#pairs = comparablePairs(columns)
    const [first, second, third] = PROBES.map((probe) => probeColumns(columns, probe, textLengths))
    this.#probe = first!
    this.template = this.#compile(first!, second!, third!)
  }

  #compile(first: readonly OwnColumn[], second: readonly OwnColumn[], third: readonly OwnColumn[]): Template<P> | undefined {
    const [inFirst, inSecond] = [this.#make(first), this.#make(second)]
    if (inFirst === undefined || inSecond === undefined) return undefined
    const template = Template.compile([first, second], [inFirst, inSecond])
    return template?.gives(third, 0, this.#make(third)) === true ? template : undefined
  }

  /** Whether the template holds for a row. */
  holds(columns: readonly OwnColumn[], row: number): boolean {
    if (this.template === undefined) return false
    for (let index = 0; index < columns.length; index++) if (!this.#holdsFor(columns[index]!, index, row)) return false
    for (const [first, second] of this.#pairs)
      if (isEqual(columns[first]!, columns[second]!, row) && !this.#holdsForEqual(first, second)) return false
    return true
  }

  #holdsFor(column: OwnColumn, index: number, row: number): boolean {
    if (column.kind === 'text') return this.#holdsForText((column.values as readonly string[])[row]!, index)
    if (isFilled(column, row, 0)) return this.#holdsForFilled(index, 0)
    return !isFilled(column, row, ONES) || this.#holdsForFilled(index, ONES)
  }

  #holdsForFilled(index: number, byte: number): boolean {
    return this.#try(index * MANY + FILLED + byte, () => this.#holdsWith(index, filledColumn(this.#probe[index]!, byte)))
  }

  /** Texts begin and end with letters or digits, and have marks in between. */
  #holdsForText(text: string, index: number): boolean {
    const last = text.length - 1
    for (let at = 0; at <= last; at++) {
      const code = text.charCodeAt(at)
      if (isLetterOrDigit(code)) continue
      if (code < FIRST_MARK || code > LAST_MARK || at === 0 || at === last || !this.#holdsForMark(index, code)) return false
    }
    return true
  }

  #holdsForMark(index: number, code: number): boolean {
    return this.#try(index * MANY + code, () => {
      const text = markedText(this.#textLengths[index]!, code)
      return this.#holdsWith(index, textColumn(this.#probe[index]!, text))
    })
  }

  #holdsForEqual(first: number, second: number): boolean {
    const { name } = this.#probe[second]!
    return this.#try(first * MANY + EQUAL + second, () => this.#holdsWith(second, { ...this.#probe[first]!, name }))
  }

  #holdsWith(index: number, column: OwnColumn): boolean {
    const columns = this.#probe.with(index, column)
    return this.template!.gives(columns, 0, this.#make(columns))
  }

  #try(what: number, attempt: () => boolean): boolean {
    const known = this.#tried.get(what)
    if (known !== undefined) return known
    const holds = attempt()
    this.#tried.set(what, holds)
    return holds
  }
}
