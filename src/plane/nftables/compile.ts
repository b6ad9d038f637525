/**
 * From a service to the elements that it needs: a pure function, in blocks, because one service may need hundreds of thousands.
 */
import { looksLikeIPv6, writeAddress, type AddressFamily } from '../../core/address.js'
import { protocolNumbers } from '../../core/protocols.js'
import type { Protocol } from '../../core/protocols.js'
import type { Slices } from '../../core/slices.js'
import { IS_LITTLE_ENDIAN } from '../../nftables/datatypes.js'
import { FAMILIES } from '../core/frontend.js'
import { assignSlots, isUsable, slotCount } from '../core/weights.js'
import type { Endpoint, Frontend, Service } from '../model.js'
import { ADDRESS_LENGTH, FIXED_SETS, setsOf, slotClassOf, type ClassSets, type ElementSet } from './sets.js'

/** IPPROTO_*, include/uapi/linux/in.h. */
const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = protocolNumbers('tcp', 'udp', 'sctp')

/** Takes one element. `key` and `data` are scratch memory: copy what is kept. */
export type ElementVisitor = (set: ElementSet, key: Uint8Array, data: Uint8Array | undefined) => void

function putPort(target: Uint8Array, offset: number, port: number): void {
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
 * The usable endpoints of one service and family, in canonical order (by address, then port), as bytes in memory that is used again for the next service: compiling 100,000 endpoints
 * leaves no garbage.
 */
class EndpointRows {
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

  load(service: Service, family: AddressFamily): void {
    const length = ADDRESS_LENGTH[family]
    this.#width = length + 4
    this.count = 0
    this.#source = service.endpoints
    this.#weighted = this.hasLocal = false
    let isSorted = true
    for (let index = 0; index < this.#source.length; index++) {
      const endpoint = this.#source[index]!
      if (looksLikeIPv6(endpoint.address) !== (family === 'ip6') || !isUsable(endpoint)) continue
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
    return this.#weighted ? assignSlots(Array.from({ length: this.count }, (_, index) => this.endpointAt(index))) : undefined
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

/** Elements that are visited in one go. */
const BLOCK = 512

/** Memory for one service at a time: keys and data, and the rows of its endpoints. */
class Scratch {
  readonly rows = new EndpointRows()
  readonly slotKeys = { ip: new Uint8Array(16), ip6: new Uint8Array(28) } as const
  readonly slotData = { ip: new Uint8Array(8), ip6: new Uint8Array(20) } as const
  readonly frontendKeys = { ip: this.slotKeys.ip.subarray(0, 12), ip6: this.slotKeys.ip6.subarray(0, 24) } as const
  readonly addressKeys = { ip: this.slotKeys.ip.subarray(0, 4), ip6: this.slotKeys.ip6.subarray(0, 16) } as const
  #slots: Uint32Array | undefined
  #sets: ClassSets | undefined

  /** Begins with a service and family. */
  load(service: Service, family: AddressFamily): void {
    this.rows.load(service, family)
  }

  /** Says which endpoint each slot holds. Returns the number of slots. */
  place(service: Service, family: AddressFamily): number {
    this.#slots = this.rows.slots()
    const count = this.#slots?.length ?? this.rows.count
    this.#sets = count === 0 ? undefined : setsOf(family, slotClassOf(service.scheduler ?? 'random', count))
    this.slotKeys[family][ADDRESS_LENGTH[family]] = PROTOCOL_NUMBER[service.protocol]
    return count
  }

  /** Visits the elements of a frontend, but for its slots. */
  visitFrontend({ address, port }: Frontend, family: AddressFamily, visit: ElementVisitor): void {
    const { vips, unserved } = FIXED_SETS[family]
    const key = this.slotKeys[family]
    writeAddress(address, key, 0)
    putPort(key, ADDRESS_LENGTH[family] + 4, port)
    visit(vips, this.addressKeys[family], undefined)
    visit(this.#sets?.members ?? unserved, this.frontendKeys[family], undefined)
  }

  /** Visits elements of an endpoints map: one for each slot, for the frontend that was visited last. */
  visitSlots(family: AddressFamily, from: number, to: number, visit: ElementVisitor): void {
    const { endpoints } = this.#sets!
    const slots = this.#slots
    const key = this.slotKeys[family]
    const data = this.slotData[family]
    const low = ADDRESS_LENGTH[family] + (IS_LITTLE_ENDIAN ? 8 : 11)
    const high = ADDRESS_LENGTH[family] + (IS_LITTLE_ENDIAN ? 9 : 10)
    for (let slot = from; slot < to; slot++) {
      // numgen and jhash leave their result in host order.
      key[low] = slot
      key[high] = slot >>> 8
      this.rows.copyData(slots === undefined ? slot : slots[slot]!, data)
      visit(endpoints, key, data)
    }
  }

  visitHairpin({ protocol }: Service, family: AddressFamily, visit: ElementVisitor): void {
    if (!this.rows.hasLocal) return
    const length = ADDRESS_LENGTH[family]
    const data = this.slotData[family]
    for (let index = 0; index < this.rows.count; index++) {
      if (this.rows.endpointAt(index).local !== true) continue
      this.rows.copyData(index, data)
      const key = new Uint8Array(2 * length + 8)
      key.set(data.subarray(0, length))
      key.set(data.subarray(0, length), length)
      key[2 * length] = PROTOCOL_NUMBER[protocol]
      key.set(data.subarray(length, length + 2), 2 * length + 4)
      visit(FIXED_SETS[family].hairpin, key, undefined)
    }
  }
}

/** Of services that are visited in one go; never held across a turn of the event loop. */
const shared = new Scratch()

function isOf(family: AddressFamily, { address }: Frontend | Endpoint): boolean {
  return looksLikeIPv6(address) === (family === 'ip6')
}

/** Whether a service has frontends in a family. */
export function hasFamily(service: Service, family: AddressFamily): boolean {
  const { frontends } = service
  for (let index = 0; index < frontends.length; index++) if (isOf(family, frontends[index]!)) return true
  return false
}

/**
 * Visits every element that an accepted service needs in the kernel. Shared elements may be visited more than once. Returns a promise where the service is large: then the event loop turns
 * in between, when the slice is over.
 */
export function visitElements(service: Service, visit: ElementVisitor, slices: Slices): Promise<void> | undefined {
  const { frontends, endpoints } = service
  const isLarge = endpoints.length * frontends.length > BLOCK || endpoints.length > BLOCK || isWeighted(service)
  if (isLarge) return visitLarge(service, visit, slices)
  if (hasFamily(service, 'ip')) visitSmall(service, 'ip', visit)
  if (hasFamily(service, 'ip6')) visitSmall(service, 'ip6', visit)
  return undefined
}

function visitSmall(service: Service, family: AddressFamily, visit: ElementVisitor): void {
  const { frontends } = service
  shared.load(service, family)
  const count = shared.place(service, family)
  for (let index = 0; index < frontends.length; index++) {
    const frontend = frontends[index]!
    if (!isOf(family, frontend)) continue
    shared.visitFrontend(frontend, family, visit)
    if (count > 0) shared.visitSlots(family, 0, count, visit)
  }
  shared.visitHairpin(service, family, visit)
}

async function visitLarge(service: Service, visit: ElementVisitor, slices: Slices): Promise<void> {
  const own = new Scratch()
  for (const family of FAMILIES) {
    if (!hasFamily(service, family)) continue
    own.load(service, family)
    if (slices.isOver) await slices.turn()
    const count = own.place(service, family)
    for (const frontend of service.frontends) {
      if (!isOf(family, frontend)) continue
      if (slices.isOver) await slices.turn()
      own.visitFrontend(frontend, family, visit)
      for (let from = 0; from < count; from += BLOCK) {
        if (slices.isOver) await slices.turn()
        own.visitSlots(family, from, Math.min(from + BLOCK, count), visit)
      }
    }
    own.visitHairpin(service, family, visit)
  }
}

/** Weights may make any number of slots. */
function isWeighted({ endpoints, frontends }: Service): boolean {
  let sum = 0
  for (let index = 0; index < endpoints.length; index++) sum += endpoints[index]!.weight ?? 1
  return sum * frontends.length > BLOCK && slotCount(endpoints) * frontends.length > BLOCK
}

function isIPv4(endpoint: Endpoint): boolean {
  return !looksLikeIPv6(endpoint.address)
}

function isIPv6(endpoint: Endpoint): boolean {
  return looksLikeIPv6(endpoint.address)
}

/** The set in which the frontends of a service stand, in one family: by its number of slots. */
export function membershipOf(service: Service, family: AddressFamily): ElementSet {
  const count = slotCount(service.endpoints, family === 'ip6' ? isIPv6 : isIPv4)
  return count === 0 ? FIXED_SETS[family].unserved : setsOf(family, slotClassOf(service.scheduler ?? 'random', count)).members
}

/** Takes the number of frontends that stand in a membership set. */
export type MembershipVisitor = (set: ElementSet, frontends: number) => void

/** Visits the frontends of a service alone: how many stand in which membership set. */
export function visitMemberships(service: Service, visit: MembershipVisitor): void {
  for (const family of FAMILIES) {
    let frontends = 0
    for (let index = 0; index < service.frontends.length; index++) if (isOf(family, service.frontends[index]!)) frontends++
    if (frontends > 0) visit(membershipOf(service, family), frontends)
  }
}
