/**
 * From services of the model to what carries them: virtual services, and elements of the tables beside IPVS.
 */
import { Buffer } from 'node:buffer'
import { type AddressFamily, canonicalAddress, familyOf, formatSocketAddress, parseAddress } from '../../core/address.js'
import type { Protocol } from '../../core/protocols.js'
import type { DesiredService, RealServerSpec, ServiceFlag } from '../../ipvs/index.js'
import { addressedFrontends } from '../core/frontend.js'
import type { ReferenceCounts } from '../core/refcount.js'
import { isChosen, selectionOf, type Selection } from '../core/balance/selection.js'
import { isModelScheduler, type Endpoint, type Service } from '../model.js'
import { PROTOCOLS, SURROUNDINGS, type SurroundingsSet } from './layout.js'
import type { SchedulerNames } from './options.js'

/** Flags that let clients of a server with weight 0 go to another one. */
const FALLBACK: Readonly<Record<string, readonly ServiceFlag[]>> = { mh: ['mh-fallback'], sh: ['sh-fallback'] }

function realServer(endpoint: Endpoint, selection: Selection): RealServerSpec {
  const { address, port, weight = 1 } = endpoint
  return { address, port, weight: isChosen(selection, 'cluster', endpoint) ? weight : 0, forwarding: 'masquerade' }
}

/** How IPVS names a virtual service in its plans: `tcp 10.0.0.1:80`. */
export function virtualServiceName(protocol: Protocol, address: string, port: number): string {
  return `${protocol} ${formatSocketAddress(canonicalAddress(address), port)}`
}

/** Makes the virtual services of services, each once, so that a reference stands for a content. */
export class VirtualServices {
  readonly #schedulers: SchedulerNames
  readonly #made = new WeakMap<Service, readonly DesiredService[]>()

  constructor(schedulers: SchedulerNames) {
    this.#schedulers = schedulers
  }

  /** One virtual service per frontend. */
  of(service: Service): readonly DesiredService[] {
    let made = this.#made.get(service)
    if (made === undefined) this.#made.set(service, (made = this.#make(service)))
    return made
  }

  #make(service: Service): DesiredService[] {
    const { scheduler: asked = 'random', affinity } = service
    const scheduler = isModelScheduler(asked) ? this.#schedulers[asked] : asked
    const servers = new Map<AddressFamily, readonly RealServerSpec[]>()
    const serversOf = (family: AddressFamily): readonly RealServerSpec[] => {
      let list = servers.get(family)
      if (list === undefined)
        servers.set(
          family,
          (list = service.endpoints
            .filter(({ address }) => familyOf(address) === family)
            .map((endpoint) => realServer(endpoint, selectionOf(service, family))))
        )
      return list
    }
    return addressedFrontends(service).map(({ address, port }) => ({
      protocol: service.protocol,
      address: canonicalAddress(address),
      port,
      scheduler,
      flags: FALLBACK[scheduler] ?? [],
      ...(affinity === undefined ? {} : { persistence: { timeoutSeconds: affinity.timeoutSeconds } }),
      realServers: serversOf(familyOf(address))
    }))
  }
}

/** Whether new connections find an endpoint. */
function isServed(service: Service, family: AddressFamily): boolean {
  return selectionOf(service, family).cluster !== undefined
}

function keyOf(address: string): string {
  return Buffer.from(parseAddress(address)!).toString('latin1')
}

/** Counts the elements that a service needs, by the bytes of their keys as Latin-1. */
export function countElements(counts: ReferenceCounts<SurroundingsSet>, service: Service, by: 1 | -1): void {
  const served = { ip: isServed(service, 'ip'), ip6: isServed(service, 'ip6') }
  for (const { address, port } of addressedFrontends(service)) {
    const family = familyOf(address)
    const { vips, frontends } = SURROUNDINGS[family]
    const key = keyOf(address)
    counts.add(vips, key, by)
    if (!served[family]) continue
    const rest = Buffer.from([PROTOCOLS[service.protocol], 0, 0, 0, port >> 8, port & 255, 0, 0]).toString('latin1')
    counts.add(frontends, key + rest, by)
  }
  for (const { address, local } of service.endpoints) {
    if (local !== true) continue
    const key = keyOf(address)
    counts.add(SURROUNDINGS[familyOf(address)].hairpin, key + key, by)
  }
}
