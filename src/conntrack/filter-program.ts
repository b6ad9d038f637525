/**
 * Compiles filters into what native/conntrack/filter.h reads: a run of netlink attributes in host byte order.
 */
import { endianness } from 'node:os'

const LITTLE = endianness() === 'LE'
const HEADER_BYTES = 4
/** Below the 16-bit length of an attribute. */
const MAX_PAYLOAD = 60_000

/** Attribute types: enum Condition of native/conntrack/filter.h. */
export const CONDITION = {
  clause: 1,
  family: 2,
  protocols: 3,
  address: 4,
  ports: 5,
  zone: 6,
  mark: 7,
  status: 8,
  endpoints: 9,
  states: 10,
  timeout: 11,
  started: 12,
  helper: 13,
  labels: 14,
  id: 15,
  icmpTypes: 16
} as const

/** A growing run of attributes. */
export class FilterProgram {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  /** Appends an attribute with these bytes. */
  bytes(type: number, payload: ArrayLike<number>): void {
    const at = this.#begin(type, payload.length)
    this.#bytes.set(payload, at)
  }

  /** Appends an attribute with 32-bit numbers. */
  words(type: number, ...numbers: readonly number[]): void {
    const at = this.#begin(type, numbers.length * 4)
    for (const [index, number] of numbers.entries()) this.#view.setUint32(at + 4 * index, number, LITTLE)
  }

  /** Appends an attribute with 64-bit numbers. */
  longs(type: number, ...numbers: readonly bigint[]): void {
    const at = this.#begin(type, numbers.length * 8)
    for (const [index, number] of numbers.entries()) this.#view.setBigUint64(at + 8 * index, number, LITTLE)
  }

  /** Appends a condition on a direction (0 original, 1 reply): four bytes, of which the last two are a number, then more numbers of 16 bits. */
  sided(type: number, head: readonly [number, number, number, number], ...shorts: readonly number[]): void {
    const at = this.#begin(type, 4 + 2 * shorts.length)
    this.#bytes.set(head, at)
    for (const [index, short] of shorts.entries()) this.#view.setUint16(at + 4 + 2 * index, short, LITTLE)
  }

  /** A condition on the zone of a direction. */
  zone(direction: number, zone: number): void {
    const at = this.#begin(CONDITION.zone, 4)
    this.#bytes[at] = direction
    this.#view.setUint16(at + 2, zone, LITTLE)
  }

  /** Endpoints, in as many attributes as they need; `rows` holds family, port and 16 bytes of address each. */
  endpoints(head: readonly [number, number, number, number], rows: readonly { family: number; port: number; address: Uint8Array }[]): void {
    const perAttribute = Math.floor(MAX_PAYLOAD / 20)
    for (let from = 0; from === 0 || from < rows.length; from += perAttribute) {
      const part = rows.slice(from, from + perAttribute)
      const at = this.#begin(CONDITION.endpoints, 4 + 20 * part.length)
      this.#bytes.set(head, at)
      for (const [index, { family, port, address }] of part.entries()) {
        const row = at + 4 + 20 * index
        this.#bytes[row] = family
        this.#view.setUint16(row + 2, port, LITTLE)
        this.#bytes.set(address, row + 4)
      }
    }
  }

  /** What was appended so far. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  /** Where the payload of a new attribute begins. */
  #begin(type: number, payloadBytes: number): number {
    const start = this.#length
    const end = start + HEADER_BYTES + ((payloadBytes + 3) & ~3)
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    this.#view.setUint16(start, HEADER_BYTES + payloadBytes, LITTLE)
    this.#view.setUint16(start + 2, type, LITTLE)
    this.#length = end
    return start + HEADER_BYTES
  }
}
