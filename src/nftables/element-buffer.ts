import type { ElementColumns } from './columns.js'

const NO_BYTES = new Uint8Array(0)

/** Copies a few bytes: for so many as a key has, a call of `set` takes longer. */
function copyFew(from: Uint8Array, length: number, target: Uint8Array, offset: number): void {
  for (let index = 0; index < length; index++) target[offset + index] = from[index]!
}

function evenOffsets(rows: number, width: number): Uint32Array {
  const offsets = new Uint32Array(rows + 1)
  for (let row = 1; row <= rows; row++) offsets[row] = row * width
  return offsets
}

/** The first keys and the last ones of ranges. */
function splitRanges(ranges: Uint8Array, width: number): Pick<ElementColumns, 'key' | 'keyEnd'> {
  const half = width / 2
  const columns = { key: new Uint8Array(ranges.length / 2), keyEnd: new Uint8Array(ranges.length / 2) }
  for (let from = 0, to = 0; from < ranges.length; from += width, to += half) {
    columns.key.set(ranges.subarray(from, from + half), to)
    columns.keyEnd.set(ranges.subarray(from + half, from + width), to)
  }
  return columns
}

/**
 * Rows of one set or map, collected in typed arrays: keys, data and comments as they cross to the native side, without an object per element.
 */
export class ElementBuffer {
  readonly keyWidth: number
  readonly dataWidth: number
  /** Whether a key is a range of concatenations: the first key, and behind it the last one. */
  readonly isRange: boolean
  rows = 0
  #keys: Uint8Array
  #data: Uint8Array
  #userdata: Uint8Array | undefined
  #userdataOffsets: Uint32Array
  #userdataLength = 0

  /**
   * @param keyWidth Bytes of a key, every field padded to 4; of ranges, bytes of both ends.
   * @param dataWidth Bytes of the data; 0 for a set.
   * @param capacity Rows to make room for at first; grows by doubling, also from 0.
   * @param isRange Whether keys are ranges of concatenations.
   */
  constructor(keyWidth: number, dataWidth: number, capacity = 64, isRange = false) {
    this.keyWidth = keyWidth
    this.dataWidth = dataWidth
    this.isRange = isRange
    const rows = Math.max(capacity, 1)
    this.#keys = new Uint8Array(rows * keyWidth)
    this.#data = new Uint8Array(rows * dataWidth)
    this.#userdataOffsets = new Uint32Array(rows + 1)
  }

  /** Appends a row; the bytes are copied. `userdata` is the element's TLVs (a comment), or undefined. */
  push(key: Uint8Array, data: Uint8Array | undefined, userdata?: Uint8Array): void {
    const row = this.rows++
    if ((row + 1) * this.keyWidth > this.#keys.length) this.#grow()
    copyFew(key, this.keyWidth, this.#keys, row * this.keyWidth)
    if (data !== undefined) copyFew(data, this.dataWidth, this.#data, row * this.dataWidth)
    if (userdata !== undefined) this.#appendUserdata(userdata)
    this.#userdataOffsets[row + 1] = this.#userdataLength
  }

  /** The key of a row, a view that the next `push` may move. */
  keyAt(row: number): Uint8Array {
    return this.#keys.subarray(row * this.keyWidth, (row + 1) * this.keyWidth)
  }

  /** The data of a row, a view that the next `push` may move. */
  dataAt(row: number): Uint8Array {
    return this.#data.subarray(row * this.dataWidth, (row + 1) * this.dataWidth)
  }

  /** The userdata of a row; empty where it has none. */
  userdataAt(row: number): Uint8Array {
    return this.#userdata?.subarray(this.#userdataOffsets[row], this.#userdataOffsets[row + 1]) ?? NO_BYTES
  }

  /** Whether a row has this key. */
  hasKey(row: number, key: Uint8Array): boolean {
    const start = row * this.keyWidth
    for (let index = 0; index < this.keyWidth; index++) if (this.#keys[start + index] !== key[index]) return false
    return true
  }

  /** Puts other data into a row. */
  replaceData(row: number, data: Uint8Array): void {
    this.#data.set(data, row * this.dataWidth)
  }

  /**
   * The rows, or some of them, as columns. They view this buffer, which must not be pushed to afterwards.
   */
  columns(from = 0, to = this.rows): ElementColumns {
    const keys = this.#keys.subarray(from * this.keyWidth, to * this.keyWidth)
    const columns: Record<string, unknown> & Pick<ElementColumns, 'rows' | 'key'> = {
      rows: to - from,
      ...(this.isRange ? splitRanges(keys, this.keyWidth) : { key: keys })
    }
    if (this.dataWidth > 0) {
      columns['data'] = this.#data.subarray(from * this.dataWidth, to * this.dataWidth)
      columns['dataOffsets'] = evenOffsets(to - from, this.dataWidth)
    }
    if (this.#userdata !== undefined) {
      const base = this.#userdataOffsets[from]!
      const offsets = this.#userdataOffsets.subarray(from, to + 1)
      columns['userdata'] = this.#userdata.subarray(base, this.#userdataOffsets[to])
      columns['userdataOffsets'] = base === 0 ? offsets : offsets.map((offset) => offset - base)
    }
    return columns
  }

  #appendUserdata(userdata: Uint8Array): void {
    this.#userdata ??= new Uint8Array(Math.max(256, (this.#userdataOffsets.length - 1) * 32))
    if (this.#userdataLength + userdata.length > this.#userdata.length) {
      const larger = new Uint8Array((this.#userdata.length + userdata.length) * 2)
      larger.set(this.#userdata)
      this.#userdata = larger
    }
    copyFew(userdata, userdata.length, this.#userdata, this.#userdataLength)
    this.#userdataLength += userdata.length
  }

  #grow(): void {
    const keys = new Uint8Array(this.#keys.length * 2)
    keys.set(this.#keys)
    this.#keys = keys
    const data = new Uint8Array(this.#data.length * 2)
    data.set(this.#data)
    this.#data = data
    const offsets = new Uint32Array((this.#userdataOffsets.length - 1) * 2 + 1)
    offsets.set(this.#userdataOffsets)
    this.#userdataOffsets = offsets
  }
}
