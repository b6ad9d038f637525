/**
 * Names of services for packets: by the frontend that a packet goes to, and the endpoint that it was sent on to.
 */
import { canonicalAddress, familyOf } from '../../core/address.js'
import type { KernelMode } from '../options.js'
import type { ShownFrontend } from '../show/model.js'
import { isSameEnd, type Packet } from './packet.js'

/** A frontend that a packet goes to. */
export interface NamedFrontend {
  readonly mode: KernelMode
  /** Absent: the kernel does not tell. */
  readonly service?: string
  /** Whether it is a port of this node, or has an address of its own. */
  readonly scope: 'address' | 'node'
}

const keyOf = (protocol: string | undefined, address: string, port: number | undefined): string =>
  `${protocol ?? ''} ${address} ${port ?? ''}`

/** Stands for the address of a frontend that has none. */
const NODE = 'node'

/** Frontends as they were read before the trace began. */
export class FrontendNames {
  readonly #found = new Map<string, ShownFrontend[]>()

  constructor(frontends: readonly ShownFrontend[]) {
    for (const one of frontends) {
      if (!one.isOurs || one.port === undefined) continue
      const key = keyOf(one.protocol, one.address === undefined ? NODE : canonicalAddress(one.address), one.port)
      this.#found.set(key, [...(this.#found.get(key) ?? []), one])
    }
  }

  /** The frontends that a packet goes to; several where several modes have one. */
  of({ protocol, destination }: Packet): readonly ShownFrontend[] {
    const { address, port } = destination
    const exact = this.#found.get(keyOf(protocol, address, port))
    const family = familyOf(address)
    return exact ?? (this.#found.get(keyOf(protocol, NODE, port)) ?? []).filter((one) => one.family === family)
  }
}

/** What is said of frontends. */
export function namedFrontends(frontends: readonly ShownFrontend[]): NamedFrontend[] {
  return frontends.map(({ mode, service, address }) => ({
    mode,
    scope: address === undefined ? 'node' : 'address',
    ...(service === undefined ? {} : { service })
  }))
}

/** Whether a packet to one of these frontends was sent on to an endpoint of it. */
export function isAtEndpoint(frontends: readonly ShownFrontend[], { destination }: Packet): boolean {
  return frontends.some(({ endpoints }) => endpoints.some(({ address, port }) => isSameEnd({ address, port }, destination)))
}
