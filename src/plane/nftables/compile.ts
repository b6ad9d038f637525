import { familyOf, looksLikeIPv6, parseAddress, writeAddress, type AddressFamily } from '../../address.js'
import type { Endpoint, Protocol, Service } from '../model.js'
import { assignSlots, isUsable, slotCount } from '../slots.js'

/** IPPROTO_*, include/uapi/linux/in.h. */
const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 }

/** Bytes of an address, per family. */
export const ADDRESS_LENGTH: Readonly<Record<AddressFamily, number>> = { ip: 4, ip6: 16 }
export const FAMILIES: readonly AddressFamily[] = ['ip', 'ip6']

/** A set with the frontends of all services with N slots. */
export type MembershipSet = `random-${number}` | `hash-${number}`

/** The map from frontend and slot to endpoint, of all services with N slots. */
export type EndpointsMap = `endpoints-${number}` | `endpoints-hash-${number}`

/** The sets and maps that services are made of. */
export type ElementSet = 'vips' | 'unserved' | 'hairpin' | MembershipSet | EndpointsMap

/** The map in which the frontends of a membership set have their slots. */
export function endpointsOf(set: MembershipSet): EndpointsMap {
  return (set.startsWith('random-') ? `endpoints-${set.slice('random-'.length)}` : `endpoints-${set}`) as EndpointsMap
}

/** The membership set whose frontends have their slots in a map. */
export function membershipSetOf(map: EndpointsMap): MembershipSet {
  const rest = map.slice('endpoints-'.length)
  return (rest.startsWith('hash-') ? rest : `random-${rest}`) as MembershipSet
}

/** True for the maps that hold slots. */
export function isEndpoints(set: ElementSet): set is EndpointsMap {
  return set.startsWith('endpoints-')
}

/** Bytes of key and data (0: a set) of each kind of set, for addresses of `length` bytes; every field takes a multiple of 4. */
export function widthsOf(set: ElementSet, family: AddressFamily): { key: number; data: number } {
  const length = ADDRESS_LENGTH[family]
  if (set === 'vips') return { key: length, data: 0 }
  if (isEndpoints(set)) return { key: length + 12, data: length + 4 }
  if (set === 'hairpin') return { key: 2 * length + 8, data: 0 }
  return { key: length + 8, data: 0 }
}

/** True for sets whose elements may belong to several services at once: an address, or a local endpoint. */
export function isShared(set: ElementSet): boolean {
  return set === 'vips' || set === 'hairpin'
}

/** True for sets whose elements carry the service's name as comment. */
export function isNamed(set: ElementSet): boolean {
  return !isEndpoints(set) && !isShared(set)
}

/** Takes one element. `key` and `data` are scratch memory: copy what is kept. */
export type ElementVisitor = (family: AddressFamily, set: ElementSet, key: Uint8Array, data: Uint8Array | undefined) => void

function putPort(target: Uint8Array, offset: number, port: number): void {
  target[offset] = port >>> 8
  target[offset + 1] = port & 0xff
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
  #weighted = false
  count = 0
  /** In the order of `load`, before sorting. */
  readonly endpoints: Endpoint[] = []

  load(service: Service, family: AddressFamily): void {
    const length = ADDRESS_LENGTH[family]
    this.#width = length + 4
    this.count = 0
    this.endpoints.length = 0
    this.#weighted = false
    let isSorted = true
    for (const endpoint of service.endpoints) {
      if (looksLikeIPv6(endpoint.address) !== (family === 'ip6') || !isUsable(endpoint)) continue
      const row = this.count++
      if (this.count > this.#order.length) this.#grow()
      writeAddress(endpoint.address, this.#data, row * this.#width)
      putPort(this.#data, row * this.#width + length, endpoint.port)
      // The padding: another family's bytes may have lain there.
      this.#data[row * this.#width + length + 2] = this.#data[row * this.#width + length + 3] = 0
      this.#order[row] = row
      this.endpoints.push(endpoint)
      if ((endpoint.weight ?? 1) !== 1) this.#weighted = true
      if (row > 0 && isSorted && this.#compare(row - 1, row) > 0) isSorted = false
    }
    if (!isSorted) this.#order.subarray(0, this.count).sort((left, right) => this.#compare(left, right))
  }

  /** The data of the n-th endpoint in canonical order; scratch memory. */
  dataAt(index: number): Uint8Array {
    const row = this.#order[index]!
    return this.#data.subarray(row * this.#width, (row + 1) * this.#width)
  }

  endpointAt(index: number): Endpoint {
    return this.endpoints[this.#order[index]!]!
  }

  /** Which endpoint each slot holds; undefined: slot n holds endpoint n. */
  slots(): Uint32Array | undefined {
    return this.#weighted ? assignSlots(Array.from({ length: this.count }, (_, index) => this.endpointAt(index))) : undefined
  }

  /** Address and port are big-endian, so bytes compare as they should. */
  #compare(left: number, right: number): number {
    for (let index = 0; index < this.#width; index++) {
      const difference = this.#data[left * this.#width + index]! - this.#data[right * this.#width + index]!
      if (difference !== 0) return difference
    }
    return 0
  }

  #grow(): void {
    const data = new Uint8Array(this.#data.length * 2)
    data.set(this.#data)
    this.#data = data
    const order = new Uint32Array(this.#order.length * 2)
    order.set(this.#order)
    this.#order = order
  }
}

const rows = new EndpointRows()

/** Visits elements of an endpoints map: one a slot, for the frontend whose key begins `slotKey`. */
function visitSlots(
  map: EndpointsMap,
  slotKey: Uint8Array,
  slots: Uint32Array | undefined,
  count: number,
  family: AddressFamily,
  visit: ElementVisitor
): void {
  const at = ADDRESS_LENGTH[family] + 8
  for (let slot = 0; slot < count; slot++) {
    // numgen and jhash leave their result in host order.
    slotKey[at + (LITTLE_ENDIAN ? 0 : 3)] = slot & 0xff
    slotKey[at + (LITTLE_ENDIAN ? 1 : 2)] = (slot >>> 8) & 0xff
    visit(family, map, slotKey, rows.dataAt(slots === undefined ? slot : slots[slot]!))
  }
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

function visitHairpin(service: Service, family: AddressFamily, visit: ElementVisitor): void {
  const length = ADDRESS_LENGTH[family]
  for (let index = 0; index < rows.count; index++) {
    if (rows.endpointAt(index).local !== true) continue
    const data = rows.dataAt(index)
    const key = new Uint8Array(2 * length + 8)
    key.set(data.subarray(0, length))
    key.set(data.subarray(0, length), length)
    key[2 * length] = PROTOCOL_NUMBER[service.protocol]
    key.set(data.subarray(length, length + 2), 2 * length + 4)
    visit(family, 'hairpin', key, undefined)
  }
}

const slotKeys = { ip: new Uint8Array(16), ip6: new Uint8Array(28) } as const
const frontendKey = { ip: slotKeys.ip.subarray(0, 12), ip6: slotKeys.ip6.subarray(0, 24) } as const
const addressKey = { ip: slotKeys.ip.subarray(0, 4), ip6: slotKeys.ip6.subarray(0, 16) } as const

function isIPv4(endpoint: Endpoint): boolean {
  return !looksLikeIPv6(endpoint.address)
}

function isIPv6(endpoint: Endpoint): boolean {
  return looksLikeIPv6(endpoint.address)
}

/** The set in which the frontends of a service stand, in one family: by its number of slots. */
export function membershipOf(service: Service, family: AddressFamily): MembershipSet | 'unserved' {
  const count = slotCount(service.endpoints, family === 'ip6' ? isIPv6 : isIPv4)
  return count === 0 ? 'unserved' : `${service.scheduler ?? 'random'}-${count}`
}

function visitFrontends(service: Service, family: AddressFamily, visit: ElementVisitor): void {
  const length = ADDRESS_LENGTH[family]
  const slotKey = slotKeys[family]
  rows.load(service, family)
  const slots = rows.slots()
  const count = slots?.length ?? rows.count
  const membership: MembershipSet | 'unserved' = count === 0 ? 'unserved' : `${service.scheduler ?? 'random'}-${count}`
  const map = membership === 'unserved' ? undefined : endpointsOf(membership)
  slotKey[length] = PROTOCOL_NUMBER[service.protocol]
  for (const frontend of service.frontends) {
    if (familyOf(frontend.address) !== family) continue
    writeAddress(frontend.address, slotKey, 0)
    putPort(slotKey, length + 4, frontend.port)
    visit(family, 'vips', addressKey[family], undefined)
    visit(family, membership, frontendKey[family], undefined)
    if (map !== undefined) visitSlots(map, slotKey, slots, count, family, visit)
  }
  visitHairpin(service, family, visit)
}

/** Whether a service has frontends in a family. */
export function hasFamily(service: Service, family: AddressFamily): boolean {
  for (const { address } of service.frontends) if (looksLikeIPv6(address) === (family === 'ip6')) return true
  return false
}

/**
 * Visits every element that an accepted service needs in the kernel, a pure function of the service. Shared elements ({@link isShared}) may be visited
 * more than once.
 */
export function visitElements(service: Service, visit: ElementVisitor): void {
  for (const family of FAMILIES) if (hasFamily(service, family)) visitFrontends(service, family, visit)
}

/** Takes the number of frontends that stand in a membership set. */
export type MembershipVisitor = (family: AddressFamily, set: MembershipSet | 'unserved', frontends: number) => void

/** Visits the frontends of a service alone: how many stand in which membership set. */
export function visitMemberships(service: Service, visit: MembershipVisitor): void {
  for (const family of FAMILIES) {
    let frontends = 0
    for (const { address } of service.frontends) if (familyOf(address) === family) frontends++
    if (frontends > 0) visit(family, membershipOf(service, family), frontends)
  }
}

/** The identity of a frontend, equal for all spellings of its address; what two services may not both claim. */
export function frontendKeys(service: Service): string[] {
  return service.frontends.map(({ address, port }) => {
    const spelling = address.includes(':') ? Buffer.from(parseAddress(address)!).toString('latin1') : address
    return `${service.protocol} ${port} ${spelling}`
  })
}
