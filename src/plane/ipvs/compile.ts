/**
 * From services of the model to virtual services of IPVS.
 */
import { type AddressFamily, canonicalAddress, looksLikeIPv6, writeAddress } from '../../core/address.js'
import { AF_INET, AF_INET6 } from '../../core/protocols.js'
import { ADDRESS_WIDTH } from '../../ipvs/column-forms.js'
import type { DesiredService, RealServerColumns, ServiceFlag, VirtualServiceKey } from '../../ipvs/index.js'
import { drainPolicyOf } from '../../ipvs/sync/drain-policy.js'
import { writtenServers, type WritingService, type WrittenServers } from '../../ipvs/sync/written.js'
import { familiesOf, formatTarget, isAddressed, isSplit } from '../core/frontend.js'
import { isChosen, selectionOf } from '../core/balance/selection.js'
import type { Endpoint, Frontend, Service, TrafficPolicy } from '../model.js'
import type { FrontendMarks } from '../tables/elements/frontends.js'
import type { DrainChoice } from './drain-choice.js'
import type { Schedulers } from './schedulers.js'

/** Flags that let clients of a server with weight 0 go to another one. */
const FALLBACK: Readonly<Record<string, readonly ServiceFlag[]>> = { mh: ['mh-fallback'], sh: ['sh-fallback'] }
const NO_FLAGS: readonly ServiceFlag[] = []

const FAMILY_NUMBER: Readonly<Record<AddressFamily, number>> = { ip: AF_INET, ip6: AF_INET6 }

function isEndpointOf({ address }: Endpoint, family: AddressFamily): boolean {
  return looksLikeIPv6(address) === (family === 'ip6')
}

/** Endpoints of a service in one family as real servers, with weight 0 where they are not chosen under a policy. They were checked with the service. */
class EndpointServers implements WrittenServers {
  readonly #service: Service
  readonly #family: AddressFamily
  readonly #policy: TrafficPolicy
  readonly count: number

  constructor(service: Service, family: AddressFamily, policy: TrafficPolicy) {
    this.#service = service
    this.#family = family
    this.#policy = policy
    let count = 0
    const { endpoints } = service
    for (let index = 0; index < endpoints.length; index++) if (isEndpointOf(endpoints[index]!, family)) count++
    this.count = count
  }

  /** Packets are masqueraded, which is the default. */
  write({ family, address, port, weight }: RealServerColumns, from: number): void {
    const { endpoints } = this.#service
    const selection = selectionOf(this.#service, this.#family)
    let row = from
    for (let index = 0; index < endpoints.length; index++) {
      const endpoint = endpoints[index]!
      if (!isEndpointOf(endpoint, this.#family)) continue
      family[row] = FAMILY_NUMBER[this.#family]
      writeAddress(endpoint.address, address, row * ADDRESS_WIDTH)
      port[row] = endpoint.port
      weight[row] = isChosen(selection, this.#policy, endpoint) ? (endpoint.weight ?? 1) : 0
      row++
    }
  }
}

/** How IPVS names a virtual service in its plans: `tcp 10.0.0.1:80`, `fwmark 7`, `fwmark 7 ip6`. */
export function virtualServiceName(key: VirtualServiceKey): string {
  if (key.fwmark !== undefined) return `fwmark ${key.fwmark}${key.family === 'ip6' ? ' ip6' : ''}`
  return `${key.protocol} ${formatTarget({ address: canonicalAddress(key.address), port: key.port })}`
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
    const { affinity, protocol, frontends } = service
    const flags = FALLBACK[scheduler] ?? NO_FLAGS
    const own = this.#draining.of(service)
    // IPVS remembers clients of a mark, but sends them to the port that they asked for (ip_vs_sched_persist in net/netfilter/ipvs/ip_vs_core.c): those are remembered by the tables.
    const persistence = affinity && { timeoutSeconds: affinity.timeoutSeconds }
    const made: WritingService[] = []
    const add = (frontend: Frontend, family: AddressFamily, policy: TrafficPolicy, isOutside: boolean): void => {
      const servers = new EndpointServers(service, family, policy)
      if (isAddressed(frontend) && !isOutside) {
        const [address, { port }] = [canonicalAddress(frontend.address), frontend]
        made.push({ protocol, address, port, scheduler, flags, persistence, draining: own, [writtenServers]: servers })
        return
      }
      const fwmark = this.#marks.markOf(protocol, frontend, isOutside)
      const draining = own ?? drainPolicyOf(protocol, this.#draining.policies ?? {})
      made.push({ fwmark, family, scheduler, flags, draining, [writtenServers]: servers })
    }
    for (let index = 0; index < frontends.length; index++) visitPlaces(frontends[index]!, add)
    return made
  }
}

/** Visits the virtual services of a frontend, with the policy by which each has its endpoints: a port of this node has them by mark, and so has an address for clients from outside where these get other endpoints. */
function visitPlaces(
  frontend: Frontend,
  visit: (frontend: Frontend, family: AddressFamily, policy: TrafficPolicy, isOutside: boolean) => void
): void {
  const hasOutside = isSplit(frontend)
  const policy = hasOutside ? 'cluster' : (frontend.trafficPolicy ?? 'cluster')
  for (const family of familiesOf(frontend)) {
    visit(frontend, family, policy, false)
    if (hasOutside) visit(frontend, family, 'local', true)
  }
}
