/**
 * From services of the model to virtual services of IPVS.
 */
import { type AddressFamily, canonicalAddress, familyOf } from '../../core/address.js'
import type { DesiredService, RealServerSpec, ServiceFlag, VirtualServiceKey } from '../../ipvs/index.js'
import { drainPolicyOf } from '../../ipvs/sync/drain-policy.js'
import { familiesOf, formatTarget, isAddressed, isSplit } from '../core/frontend.js'
import { isChosen, selectionOf, type Selection } from '../core/balance/selection.js'
import type { Endpoint, Frontend, Service, TrafficPolicy } from '../model.js'
import type { FrontendMarks } from '../tables/elements/frontends.js'
import type { DrainChoice } from './drain-choice.js'
import type { Schedulers } from './schedulers.js'

/** Flags that let clients of a server with weight 0 go to another one. */
const FALLBACK: Readonly<Record<string, readonly ServiceFlag[]>> = { mh: ['mh-fallback'], sh: ['sh-fallback'] }

function realServer(endpoint: Endpoint, selection: Selection, policy: TrafficPolicy): RealServerSpec {
  const { address, port, weight = 1 } = endpoint
  return { address, port, weight: isChosen(selection, policy, endpoint) ? weight : 0, forwarding: 'masquerade' }
}

/** How IPVS names a virtual service in its plans: `tcp 10.0.0.1:80`, `fwmark 7`, `fwmark 7 ip6`. */
export function virtualServiceName(key: VirtualServiceKey): string {
  if (key.fwmark !== undefined) return `fwmark ${key.fwmark}${key.family === 'ip6' ? ' ip6' : ''}`
  return `${key.protocol} ${formatTarget({ address: canonicalAddress(key.address), port: key.port })}`
}

/** Where a virtual service of a frontend is found, and whose endpoints it has. */
interface Place {
  readonly family: AddressFamily
  readonly key: VirtualServiceKey
  readonly policy: TrafficPolicy
}

/** The virtual services of a frontend: a port of this node has them by mark, and so has an address for clients from outside where these get other endpoints. */
function placesOf({ protocol }: Pick<Service, 'protocol'>, frontend: Frontend, marks: FrontendMarks): Place[] {
  const byMark = (family: AddressFamily, isOutside: boolean): VirtualServiceKey => ({
    fwmark: marks.markOf(protocol, frontend, isOutside),
    family
  })
  const policy = isSplit(frontend) ? 'cluster' : (frontend.trafficPolicy ?? 'cluster')
  return familiesOf(frontend).flatMap((family): Place[] => {
    const key = isAddressed(frontend)
      ? { protocol, address: canonicalAddress(frontend.address), port: frontend.port }
      : byMark(family, false)
    const all: Place = { family, key, policy }
    return isSplit(frontend) ? [all, { family, key: byMark(family, true), policy: 'local' }] : [all]
  })
}

/** Virtual services, and the scheduler with which they were made. */
interface Made {
  readonly scheduler: string
  readonly services: readonly DesiredService[]
}

/** Makes the virtual services of services, each once as long as its scheduler is the same, so that a reference stands for a content. */
export class VirtualServices {
  readonly #schedulers: Pick<Schedulers, 'of'>
  readonly #marks: FrontendMarks
  readonly #draining: Pick<DrainChoice, 'of' | 'policies'>
  readonly #made = new WeakMap<Service, Made>()

  /** @param draining Says what becomes of endpoints of a service that are removed. Virtual services by mark have no protocol by which IPVS could go. */
  constructor(schedulers: Pick<Schedulers, 'of'>, marks: FrontendMarks, draining: Pick<DrainChoice, 'of' | 'policies'>) {
    this.#schedulers = schedulers
    this.#draining = draining
    this.#marks = marks
  }

  /** One virtual service for each frontend, its families and kinds of clients. */
  of(service: Service): readonly DesiredService[] {
    const scheduler = this.#schedulers.of(service)
    const known = this.#made.get(service)
    if (known?.scheduler === scheduler) return known.services
    const services = this.#make(service, scheduler)
    this.#made.set(service, { scheduler, services })
    return services
  }

  #make(service: Service, scheduler: string): DesiredService[] {
    const { affinity } = service
    const servers = new Map<string, readonly RealServerSpec[]>()
    const serversOf = (family: AddressFamily, policy: TrafficPolicy): readonly RealServerSpec[] => {
      const name = `${family} ${policy}`
      let list = servers.get(name)
      if (list === undefined) servers.set(name, (list = serversFor(service, family, policy)))
      return list
    }
    // IPVS remembers clients of a mark, but sends them to the port that they asked for (ip_vs_sched_persist in net/netfilter/ipvs/ip_vs_core.c): those are remembered by the tables.
    const persistence = affinity === undefined ? {} : { persistence: { timeoutSeconds: affinity.timeoutSeconds } }
    const own = this.#draining.of(service)
    const draining = own === undefined ? {} : { draining: own }
    const byMark = { draining: own ?? drainPolicyOf(service.protocol, this.#draining.policies ?? {}) }
    return service.frontends.flatMap((frontend) =>
      placesOf(service, frontend, this.#marks).map(({ family, key, policy }) => ({
        ...key,
        scheduler,
        flags: FALLBACK[scheduler] ?? [],
        ...(key.fwmark === undefined ? { ...persistence, ...draining } : byMark),
        realServers: serversOf(family, policy)
      }))
    )
  }
}

function serversFor(service: Service, family: AddressFamily, policy: TrafficPolicy): readonly RealServerSpec[] {
  const selection = selectionOf(service, family)
  return service.endpoints.filter(({ address }) => familyOf(address) === family).map((endpoint) => realServer(endpoint, selection, policy))
}
