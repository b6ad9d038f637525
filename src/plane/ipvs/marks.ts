/**
 * Marks by which IPVS finds virtual services whose packets it cannot tell by address and port.
 */
import { Buffer } from 'node:buffer'
import { familyOf, type AddressFamily } from '../../core/address.js'
import { SERVICE_PROTOCOLS, type Protocol } from '../../core/protocols.js'
import { isAddressed, type AddressedFrontend } from '../core/frontend.js'
import type { Frontend, NodeFrontend } from '../model.js'
import { FrontendKey } from '../tables/elements/frontend-key.js'
import type { FrontendMarks } from '../tables/elements/frontends.js'
import { MARK_PREFIX } from '../tables/layout/by-ipvs.js'

/** Protocols as numbers of two bits. */
const PROTOCOL_BITS: Readonly<Record<Protocol, number>> = { tcp: 0, udp: 1, sctp: 2 }

/** Behind the prefix there are 24 bits. Below the first mark of frontends with an address, a port of this node has 16 bits, its protocol 2 and its clients 1. */
const BITS = 24
const FIRST_ADDRESSED = 1 << 19
const ADDRESSED = (1 << BITS) - FIRST_ADDRESSED

/** The port of this node that a mark stands for; undefined: none. */
export function nodeFrontendOf(
  mark: number,
  family: AddressFamily
): { readonly protocol: Protocol; readonly frontend: NodeFrontend } | undefined {
  const rest = mark - MARK_PREFIX
  const protocol = SERVICE_PROTOCOLS.find((one) => PROTOCOL_BITS[one] === ((rest >> 16) & 3))
  if (rest < 0 || rest >= FIRST_ADDRESSED || protocol === undefined) return undefined
  return { protocol, frontend: { kind: 'node', port: rest & 0xffff, family } }
}

const keys = { ip: new FrontendKey('ip', 'address'), ip6: new FrontendKey('ip6', 'address') } as const

/** The key of a frontend in a map of marks. */
function keyOf(protocol: Protocol, frontend: AddressedFrontend): string {
  const key = keys[familyOf(frontend.address)]
  key.write(protocol, frontend)
  return Buffer.from(key.frontend).toString('latin1')
}

const FNV_PRIME = 0x0100_0193
const FNV_OFFSET = 0x811c_9dc5

/** FNV-1a. */
function hash(key: string): number {
  let value = FNV_OFFSET
  for (let index = 0; index < key.length; index++) value = Math.imul(value ^ key.charCodeAt(index), FNV_PRIME)
  return value >>> 0
}

/**
 * One mark for each frontend and kind of clients. A port of this node has the same one in every process; so has a frontend with an address, but for the few whose hashes meet: these keep what they have
 * for as long as they are known, and across processes by what the kernel holds.
 */
export class Marks implements FrontendMarks {
  readonly #marks = new Map<string, number>()
  readonly #taken = new Set<number>()

  markOf(protocol: Protocol, frontend: Frontend, isOutside: boolean): number {
    if (!isAddressed(frontend)) return MARK_PREFIX + (isOutside ? 1 << 18 : 0) + (PROTOCOL_BITS[protocol] << 16) + frontend.port
    const key = keyOf(protocol, frontend)
    const known = this.#marks.get(key)
    if (known !== undefined) return known
    let place = hash(key) % ADDRESSED
    while (this.#taken.has(MARK_PREFIX + FIRST_ADDRESSED + place)) place = (place + 1) % ADDRESSED
    return this.#take(key, MARK_PREFIX + FIRST_ADDRESSED + place)
  }

  adopt(key: Uint8Array, mark: number): void {
    const text = Buffer.from(key).toString('latin1')
    const isOfOurs = mark >= MARK_PREFIX + FIRST_ADDRESSED && mark < MARK_PREFIX + FIRST_ADDRESSED + ADDRESSED
    if (isOfOurs && !this.#marks.has(text) && !this.#taken.has(mark)) this.#take(text, mark)
  }

  #take(key: string, mark: number): number {
    this.#marks.set(key, mark)
    this.#taken.add(mark)
    return mark
  }
}
