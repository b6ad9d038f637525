import { parseAddress } from '../../address.js'
import type { AddressFamily } from '../../address.js'
import type { Endpoint, Frontend, Protocol, Service } from '../model.js'
import { assignSlots, isUsable } from '../slots.js'

/** IPPROTO_*, include/uapi/linux/in.h. */
const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 }

/** Bytes of an address, per family. */
export const ADDRESS_LENGTH: Readonly<Record<AddressFamily, number>> = { ip: 4, ip6: 16 }
export const FAMILIES: readonly AddressFamily[] = ['ip', 'ip6']

/**
 * The sets and maps that services are made of. `random-N` and `hash-N` hold the frontends of all services with N slots.
 */
export type ElementSet = 'vips' | 'endpoints' | 'unserved' | 'hairpin' | `random-${number}` | `hash-${number}`

/** Bytes of key and data (0: a set) of each kind of set, for addresses of `length` bytes; every field takes a multiple of 4. */
export function widthsOf(set: ElementSet, family: AddressFamily): { key: number; data: number } {
  const length = ADDRESS_LENGTH[family]
  if (set === 'vips') return { key: length, data: 0 }
  if (set === 'endpoints') return { key: length + 12, data: length + 4 }
  if (set === 'hairpin') return { key: 2 * length + 8, data: 0 }
  return { key: length + 8, data: 0 }
}

/** True for sets whose elements may belong to several services at once: an address, or a local endpoint. */
export function isShared(set: ElementSet): boolean {
  return set === 'vips' || set === 'hairpin'
}

/** True for sets whose elements carry the service's name as comment. */
export function isNamed(set: ElementSet): boolean {
  return set !== 'endpoints' && !isShared(set)
}

/** Takes one element. `key` and `data` are scratch memory: copy what is kept. */
export type ElementVisitor = (family: AddressFamily, set: ElementSet, key: Uint8Array, data: Uint8Array | undefined) => void

function putPort(target: Uint8Array, offset: number, port: number): void {
  target[offset] = port >>> 8
  target[offset + 1] = port & 0xff
}

function familyOf(address: string): AddressFamily {
  return address.includes(':') ? 'ip6' : 'ip'
}

interface ParsedEndpoint {
  readonly endpoint: Endpoint
  readonly bytes: Uint8Array
}

function compareEndpoints(left: ParsedEndpoint, right: ParsedEndpoint): number {
  for (let index = 0; index < left.bytes.length; index++) {
    const difference = left.bytes[index]! - right.bytes[index]!
    if (difference !== 0) return difference
  }
  return left.endpoint.port - right.endpoint.port
}

/** Usable endpoints of a family in canonical order: by address, then port. */
function usableEndpoints(service: Service, family: AddressFamily): ParsedEndpoint[] {
  const parsed: ParsedEndpoint[] = []
  for (const endpoint of service.endpoints) {
    if (familyOf(endpoint.address) === family && isUsable(endpoint)) parsed.push({ endpoint, bytes: parseAddress(endpoint.address)! })
  }
  return parsed.sort(compareEndpoints)
}

/** Visits endpoints-map elements: one a slot, for the frontend whose key begins `slotKey`. */
function visitSlots(slotKey: Uint8Array, endpoints: readonly ParsedEndpoint[], slots: Uint32Array, family: AddressFamily, visit: ElementVisitor): void {
  const length = ADDRESS_LENGTH[family]
  const data = new Uint8Array(length + 4)
  const view = new DataView(slotKey.buffer, slotKey.byteOffset)
  for (let slot = 0; slot < slots.length; slot++) {
    const { endpoint, bytes } = endpoints[slots[slot]!]!
    // numgen and jhash leave their result in host order.
    view.setUint32(length + 8, slot, LITTLE_ENDIAN)
    data.set(bytes)
    putPort(data, length, endpoint.port)
    visit(family, 'endpoints', slotKey, data)
  }
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

function visitHairpin(service: Service, endpoints: readonly ParsedEndpoint[], family: AddressFamily, visit: ElementVisitor): void {
  const length = ADDRESS_LENGTH[family]
  for (const { endpoint, bytes } of endpoints) {
    if (endpoint.local !== true) continue
    const key = new Uint8Array(2 * length + 8)
    key.set(bytes)
    key.set(bytes, length)
    key[2 * length] = PROTOCOL_NUMBER[service.protocol]
    putPort(key, 2 * length + 4, endpoint.port)
    visit(family, 'hairpin', key, undefined)
  }
}

function visitFrontends(service: Service, frontends: readonly Frontend[], family: AddressFamily, visit: ElementVisitor, withSlots: boolean): void {
  const length = ADDRESS_LENGTH[family]
  const endpoints = usableEndpoints(service, family)
  const slots = assignSlots(endpoints.map(({ endpoint }) => endpoint))
  const membership: ElementSet = slots.length === 0 ? 'unserved' : `${service.scheduler ?? 'random'}-${slots.length}`
  const slotKey = new Uint8Array(length + 12)
  const frontendKey = slotKey.subarray(0, length + 8)
  slotKey[length] = PROTOCOL_NUMBER[service.protocol]
  for (const frontend of frontends) {
    const address = parseAddress(frontend.address)!
    slotKey.set(address)
    putPort(slotKey, length + 4, frontend.port)
    visit(family, 'vips', address, undefined)
    visit(family, membership, frontendKey, undefined)
    if (withSlots) visitSlots(slotKey, endpoints, slots, family, visit)
  }
  visitHairpin(service, endpoints, family, visit)
}

/**
 * Visits every element that an accepted service needs in the kernel, a pure function of the service. Shared elements ({@link isShared}) may be visited
 * more than once.
 *
 * @param withSlots False leaves the slots out, for those who only count.
 */
export function visitElements(service: Service, visit: ElementVisitor, withSlots = true): void {
  for (const family of FAMILIES) {
    const frontends = service.frontends.filter(({ address }) => familyOf(address) === family)
    if (frontends.length > 0) visitFrontends(service, frontends, family, visit, withSlots)
  }
}

/** The identity of a frontend, equal for all spellings of its address; what two services may not both claim. */
export function frontendKeys(service: Service): string[] {
  return service.frontends.map(({ address, port }) => {
    const spelling = address.includes(':') ? Buffer.from(parseAddress(address)!).toString('latin1') : address
    return `${service.protocol} ${port} ${spelling}`
  })
}
