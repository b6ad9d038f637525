/**
 * The endpoints of one service as rows of bytes, in canonical order, and which of them each slot holds.
 */
import { writeAddress } from '../../../core/address.js'
import { consistentTable, endpointHash, tableSize } from '../../core/balance/consistent.js'
import { isChosen, type Selection } from '../../core/balance/selection.js'
import { assignSlots } from '../../core/balance/weights.js'
import type { Endpoint, Service, TrafficPolicy } from '../../model.js'
import { ADDRESS_LENGTH } from '../layout/sets.js'

/** Writes a port in network order. */
export function putPort(target: Uint8Array, offset: number, port: number): void {
  target[offset] = port >>> 8
  target[offset + 1] = port & 0xff
}

/** Rows in the order of their bytes; address and port are big-endian, so that bytes compare as they should. A radix sort, as a comparison for each pair of 16,384 rows would take too long. */
function sortRows(data: Uint8Array, width: number, order: Uint32Array, scratch: Uint32Array): Uint32Array {
  let from = order
  let to = scratch
  const counts = new Uint32Array(257)
  for (let byte = width - 1; byte >= 0; byte--) {
    counts.fill(0)
    for (const row of from) counts[data[row * width + byte]! + 1]!++
    if (counts[data[byte]! + 1] === from.length) continue
    for (let value = 0; value < 256; value++) counts[value + 1]! += counts[value]!
    for (const row of from) to[counts[data[row * width + byte]!]!++] = row
    ;[from, to] = [to, from]
  }
  return from
}

/**
 * The chosen endpoints of one service and family, in canonical order (by address, then port), as bytes in memory that is used again for the next service: compiling 100,000 endpoints
 * leaves no garbage.
 */
export class EndpointRows {
  /** Address (4 or 16 bytes) and port, padded to 4: the data of the endpoints map. */
  #data = new Uint8Array(64 * 20)
  #width = 8
  #order = new Uint32Array(64)
  #scratch = new Uint32Array(64)
  #weighted = false
  count = 0
  /** Whether some of them are on this node. */
  hasLocal = false
  #source: readonly Endpoint[] = []
  /** Where in the source a row comes from, before sorting. */
  #indexes = new Uint32Array(64)

  /** Takes the endpoints that are chosen under a policy. */
  load(service: Service, selection: Selection, policy: TrafficPolicy): void {
    const { family } = selection
    const length = ADDRESS_LENGTH[family]
    this.#width = length + 4
    this.count = 0
    this.#source = service.endpoints
    this.#weighted = this.hasLocal = false
    let isSorted = true
    for (let index = 0; index < this.#source.length; index++) {
      const endpoint = this.#source[index]!
      if (!isChosen(selection, policy, endpoint)) continue
      const row = this.count++
      if (this.count > this.#order.length) this.#grow()
      writeAddress(endpoint.address, this.#data, row * this.#width)
      putPort(this.#data, row * this.#width + length, endpoint.port)
      // The padding: another family's bytes may have lain there.
      this.#data[row * this.#width + length + 2] = this.#data[row * this.#width + length + 3] = 0
      this.#order[row] = row
      this.#indexes[row] = index
      if ((endpoint.weight ?? 1) !== 1) this.#weighted = true
      if (endpoint.local === true) this.hasLocal = true
      if (row > 0 && isSorted && this.#isGreater(row - 1, row)) isSorted = false
    }
    if (isSorted) return
    const sorted = sortRows(this.#data, this.#width, this.#order.subarray(0, this.count), this.#scratch.subarray(0, this.count))
    this.#order.set(sorted)
  }

  /** Takes none. */
  clear(): void {
    this.count = 0
    this.hasLocal = false
  }

  /** Copies the data of the n-th endpoint in canonical order. */
  copyData(index: number, target: Uint8Array): void {
    const from = this.#order[index]! * this.#width
    for (let byte = 0; byte < this.#width; byte++) target[byte] = this.#data[from + byte]!
  }

  endpointAt(index: number): Endpoint {
    return this.#source[this.#indexes[this.#order[index]!]!]!
  }

  /** Which endpoint each slot holds; undefined: slot n holds endpoint n. */
  slots(): Uint32Array | undefined {
    return this.#weighted ? assignSlots(this.#ordered()) : undefined
  }

  /** As {@link EndpointRows.slots}, so that few slots change when endpoints come and go. */
  *consistentSlots(): Generator<undefined, Uint32Array> {
    const data = new Uint8Array(this.#width)
    const hashes = new Uint32Array(this.count)
    for (let index = 0; index < this.count; index++) {
      this.copyData(index, data)
      hashes[index] = endpointHash(data)
    }
    const weights = this.#ordered().map(({ weight = 1 }) => weight)
    return yield* consistentTable(hashes, weights, tableSize(this.count))
  }

  #ordered(): Endpoint[] {
    return Array.from({ length: this.count }, (_, index) => this.endpointAt(index))
  }

  #isGreater(left: number, right: number): boolean {
    for (let index = 0; index < this.#width; index++) {
      const difference = this.#data[left * this.#width + index]! - this.#data[right * this.#width + index]!
      if (difference !== 0) return difference > 0
    }
    return false
  }

  #grow(): void {
    const data = new Uint8Array(this.#data.length * 2)
    data.set(this.#data)
    this.#data = data
    const order = new Uint32Array(this.#order.length * 2)
    order.set(this.#order)
    this.#order = order
    this.#scratch = new Uint32Array(order.length)
    const indexes = new Uint32Array(order.length)
    indexes.set(this.#indexes)
    this.#indexes = indexes
  }
}
