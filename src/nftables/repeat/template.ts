/**
 * What rows make, as bytes in which the values of a row are put in their places.
 */
import { Buffer } from 'node:buffer'
import type { AttributeBuffer } from '../wire/buffer.js'
import type { OwnColumn } from './columns.js'
import { bytesOf } from './probes.js'

/** One of the things that a row makes. */
export interface Piece {
  /** What is the same in all rows: to differ in it is to be another thing. */
  readonly same: string
  /** What may differ, by the values of the row. Of a length that is a multiple of 4. */
  readonly bytes: Uint8Array
}

/** Where a column goes. */
interface Slot {
  readonly column: number
  readonly offset: number
  /** Whether a number begins with its low byte there. */
  readonly isLittle: boolean
}

function joined(pieces: readonly Piece[]): Uint8Array {
  return Buffer.concat(pieces.map(({ bytes }) => bytes))
}

/** Whether two rows made the same things, whatever is in them. */
function isLike(first: readonly Piece[], second: readonly Piece[]): boolean {
  return (
    first.length === second.length &&
    first.every(({ same, bytes }, index) => same === second[index]!.same && bytes.length === second[index]!.bytes.length)
  )
}

function isAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let index = 0; index < wanted.length; index++) if (bytes[at + index] !== wanted[index]) return false
  return true
}

/** Where the bytes of two rows differ. */
class Differences {
  readonly #first: Uint8Array
  readonly #second: Uint8Array
  readonly #open: Uint8Array

  constructor(first: Uint8Array, second: Uint8Array) {
    this.#first = first
    this.#second = second
    this.#open = first.map((byte, index) => (byte === second[index] ? 0 : 1))
  }

  /** Takes all places where the first row has these bytes, and the second one those. */
  take(inFirst: Uint8Array, inSecond: Uint8Array): number[] {
    const { length } = inFirst
    const taken: number[] = []
    let at = length === 0 ? -1 : this.#open.indexOf(1)
    while (at >= 0 && at + length <= this.#first.length) {
      if (isAt(this.#first, at, inFirst) && isAt(this.#second, at, inSecond)) {
        this.#open.fill(0, at, at + length)
        taken.push(at)
      }
      at = this.#open.indexOf(1, at + 1)
    }
    return taken
  }

  /** Whether all are taken. */
  get isEmpty(): boolean {
    return !this.#open.includes(1)
  }
}

function slotsOf(differences: Differences, column: number, inFirst: Uint8Array, inSecond: Uint8Array, kind: OwnColumn['kind']): Slot[] {
  const big = differences.take(inFirst, inSecond).map((offset) => ({ column, offset, isLittle: false }))
  if (kind !== 'number' && kind !== 'count') return big
  const little = differences.take(inFirst.toReversed(), inSecond.toReversed())
  return [...big, ...little.map((offset) => ({ column, offset, isLittle: true }))]
}

function putNumber(bytes: Uint8Array, at: number, width: number, isLittle: boolean, value: number): void {
  for (let index = 0, rest = value; index < width; index++, rest >>>= 8) bytes[isLittle ? at + index : at + width - 1 - index] = rest
}

function putText(bytes: Uint8Array, at: number, text: string): void {
  for (let index = 0; index < text.length; index++) bytes[at + index] = text.codePointAt(index)!
}

function putCount(bytes: Uint8Array, at: number, isLittle: boolean, value: bigint): void {
  putNumber(bytes, isLittle ? at : at + 4, 4, isLittle, Number(value & 0xffff_ffffn))
  putNumber(bytes, isLittle ? at + 4 : at, 4, isLittle, Number(value >> 32n))
}

function putValue(bytes: Uint8Array, at: number, isLittle: boolean, { kind, width, values }: OwnColumn, row: number): void {
  if (kind === 'text') putText(bytes, at, (values as readonly string[])[row]!)
  else if (kind === 'number') putNumber(bytes, at, width, isLittle, (values as Uint32Array)[row]!)
  else if (kind === 'count') putCount(bytes, at, isLittle, (values as BigUint64Array)[row]!)
  else for (let index = 0; index < width; index++) bytes[at + index] = (values as Uint8Array)[row * width + index]!
}

/** What a row makes whose texts have certain lengths. */
export class Template<P extends Piece> {
  readonly pieces: readonly P[]
  readonly #bytes: Uint8Array
  readonly #slots: readonly Slot[]

  private constructor(pieces: readonly P[], bytes: Uint8Array, slots: readonly Slot[]) {
    this.pieces = pieces
    this.#bytes = bytes
    this.#slots = slots
  }

  /**
   * Finds out where values go, from what two rows made that differ in every byte of every value.
   *
   * @param columns Of the rows, each of one row.
   * @returns undefined where what they made differs by more than the values.
   */
  static compile<P extends Piece>(
    columns: readonly [readonly OwnColumn[], readonly OwnColumn[]],
    pieces: readonly [readonly P[], readonly P[]]
  ): Template<P> | undefined {
    const [first, second] = pieces
    if (!isLike(first, second)) return undefined
    const bytes = joined(first)
    const differences = new Differences(bytes, joined(second))
    const slots = columns[0].flatMap((own, column) => slotsOf(differences, column, bytesOf(own), bytesOf(columns[1][column]!), own.kind))
    return differences.isEmpty ? new Template(first, bytes, slots) : undefined
  }

  /** Appends what a row makes. Its texts are of the lengths of the template, and of ASCII. @returns Where it begins in the bytes of the buffer. */
  write(columns: readonly OwnColumn[], row: number, out: AttributeBuffer): number {
    out.putRaw(this.#bytes)
    const begin = out.at - this.#bytes.length
    for (const { column, offset, isLittle } of this.#slots) putValue(out.bytes, begin + offset, isLittle, columns[column]!, row)
    return begin
  }

  /** Whether what a row makes is what the template gives for it. */
  gives(columns: readonly OwnColumn[], row: number, pieces: readonly Piece[] | undefined): boolean {
    if (pieces === undefined || !isLike(this.pieces, pieces)) return false
    const bytes = this.#bytes.slice()
    for (const { column, offset, isLittle } of this.#slots) putValue(bytes, offset, isLittle, columns[column]!, row)
    return Buffer.compare(bytes, joined(pieces)) === 0
  }
}
