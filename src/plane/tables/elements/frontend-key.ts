/**
 * The bytes by which a frontend is found in sets and maps.
 */
import { formatAddress, writeAddress, type AddressFamily } from '../../../core/address.js'
import { protocolNumbers, type Protocol } from '../../../core/protocols.js'
import { IS_LITTLE_ENDIAN } from '../../../nftables/datatypes.js'
import { isAddressed } from '../../core/frontend.js'
import type { Frontend } from '../../model.js'
import { ADDRESS_LENGTH, frontendLength, type ElementSet, type Scope } from '../layout/sets.js'
import { putPort } from './endpoint-rows.js'

/** IPPROTO_*, include/uapi/linux/in.h. */
export const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = protocolNumbers('tcp', 'udp', 'sctp')

const PROTOCOL_OF = new Map(Object.entries(PROTOCOL_NUMBER).map(([name, number]) => [number, name]))

/** What a frontend's key says. */
export interface FrontendWords {
  /** Absent: one that services do not have. */
  readonly protocol: string | undefined
  /** Absent: a port of this node. */
  readonly address: string | undefined
  readonly port: number
}

/** A frontend's key in words. */
export function frontendWords(scope: Scope, key: Uint8Array): FrontendWords {
  const at = scope === 'address' ? key.length - 8 : 0
  const port = (key[at + 4]! << 8) | key[at + 5]!
  return { protocol: PROTOCOL_OF.get(key[at]!), address: scope === 'address' ? formatAddress(key.subarray(0, at)) : undefined, port }
}

/** What data of a map says: an address, a port and two bytes that fill the register. */
export function endpointWords(data: Uint8Array): { readonly address: string; readonly port: number } {
  const at = data.length - 4
  return { address: formatAddress(data.subarray(0, at)), port: (data[at]! << 8) | data[at + 1]! }
}

/** Writes the number of a slot behind a frontend's key, in the byte order of this machine. */
export function writeSlot(key: Uint8Array, slot: number): void {
  new DataView(key.buffer, key.byteOffset, key.byteLength).setUint32(key.length - 4, slot, IS_LITTLE_ENDIAN)
}

/** The number of a slot in its key. */
export function slotIn(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(key.length - 4, IS_LITTLE_ENDIAN)
}

/** The frontend's key in the key of one of its slots. */
export function frontendOfSlot(key: Uint8Array): Uint8Array {
  return key.subarray(0, -4)
}

/** The frontend's key in the key of an element: behind the first address of a range, or before a slot. */
export function frontendOfElement({ family, kind, keyWidth, description }: ElementSet, key: Uint8Array): Uint8Array {
  if (description.isRange) return key.subarray(ADDRESS_LENGTH[family], keyWidth / 2)
  return kind === 'endpoints' ? frontendOfSlot(key) : key
}

/** Memory for the keys of one family and scope: a frontend's key, with room for a slot behind it. */
export class FrontendKey {
  readonly slot: Uint8Array
  readonly frontend: Uint8Array
  /** The address alone; of no length for a port of the node's. */
  readonly address: Uint8Array

  constructor(family: AddressFamily, scope: Scope) {
    const length = frontendLength(family, scope)
    this.slot = new Uint8Array(length + 4)
    this.frontend = this.slot.subarray(0, length)
    this.address = this.slot.subarray(0, length - 8)
  }

  write(protocol: Protocol, frontend: Frontend): void {
    const { length } = this.address
    if (isAddressed(frontend)) writeAddress(frontend.address, this.slot, 0)
    this.slot[length] = PROTOCOL_NUMBER[protocol]
    putPort(this.slot, length + 4, frontend.port)
  }
}
