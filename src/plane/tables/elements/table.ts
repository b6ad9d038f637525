import { ElementBuffer } from '../../../nftables/element-buffer.js'

const EMPTY = 0xffff_ffff

/** The kernel's keys have 64 bytes at most (NFT_DATA_VALUE_MAXLEN). */
const MAX_KEY_BYTES = 64

/** A random number for each byte at each place of a key, of this process alone. */
const RANDOM = crypto.getRandomValues(new Uint32Array(MAX_KEY_BYTES << 8))

/**
 * Tabulation hashing: who does not know the random numbers cannot choose keys that meet, and linear probing takes constant time for any keys (Pătraşcu and Thorup, The
 * power of simple tabulation hashing).
 */
function hashKey(key: Uint8Array, offset: number, width: number): number {
  let hash = 0
  for (let index = 0; index < width; index++) hash ^= RANDOM[((index % MAX_KEY_BYTES) << 8) | key[offset + index]!]!
  return hash >>> 0
}

/**
 * The elements of one set or map, found by key without an object per element: an open-addressing index over an {@link ElementBuffer}.
 * Made to compare a million elements of the kernel with a million that should be there.
 */
export class ElementTable {
  readonly buffer: ElementBuffer
  #slots: Uint32Array
  #mask: number

  constructor(keyWidth: number, dataWidth: number, capacity = 64, isRange = false) {
    this.buffer = new ElementBuffer(keyWidth, dataWidth, capacity, isRange)
    let size = 16
    while (size < capacity * 2) size *= 2
    this.#slots = new Uint32Array(size).fill(EMPTY)
    this.#mask = size - 1
  }

  get rows(): number {
    return this.buffer.rows
  }

  /** The row of a key, or -1. */
  find(key: Uint8Array): number {
    const { keyWidth } = this.buffer
    for (let slot = hashKey(key, 0, keyWidth) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const row = this.#slots[slot]!
      if (row === EMPTY) return -1
      if (this.buffer.hasKey(row, key)) return row
    }
  }

  /** Adds an element; one with the same key is replaced. The bytes are copied. */
  put(key: Uint8Array, data: Uint8Array | undefined, userdata?: Uint8Array): void {
    const row = this.find(key)
    if (row >= 0) {
      if (data !== undefined) this.buffer.replaceData(row, data)
      return
    }
    this.buffer.push(key, data, userdata)
    if (this.buffer.rows * 2 > this.#slots.length) this.#rebuild(this.#slots.length * 2)
    else this.#link(this.buffer.rows - 1)
  }

  #link(row: number): void {
    const { keyWidth } = this.buffer
    let slot = hashKey(this.buffer.keyAt(row), 0, keyWidth) & this.#mask
    while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & this.#mask
    this.#slots[slot] = row
  }

  #rebuild(size: number): void {
    this.#slots = new Uint32Array(size).fill(EMPTY)
    this.#mask = size - 1
    for (let row = 0; row < this.buffer.rows; row++) this.#link(row)
  }
}
