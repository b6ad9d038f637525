/**
 * The bytes by which a frontend is found in sets and maps.
 */
import { writeAddress, type AddressFamily } from '../../../core/address.js'
import { protocolNumbers, type Protocol } from '../../../core/protocols.js'
import { isAddressed } from '../../core/frontend.js'
import type { Frontend } from '../../model.js'
import { frontendLength, type Scope } from '../layout/sets.js'
import { putPort } from './endpoint-rows.js'

/** IPPROTO_*, include/uapi/linux/in.h. */
export const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = protocolNumbers('tcp', 'udp', 'sctp')

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
