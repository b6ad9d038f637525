/**
 * From services of the model to what carries them: virtual services, and elements of the companion table.
 */
import { canonicalAddress, familyOf, type AddressFamily } from '../../address.js'
import type { DesiredService, RealServerSpec, ServiceFlag } from '../../ipvs/index.js'
import type { Endpoint, Service } from '../model.js'
import type { SchedulerNames } from './options.js'

/** The sets of the companion table. `vips` are the addresses on the dummy device too. */
export type CompanionSet = 'vips' | 'frontends' | 'hairpin'

/** An element of the companion table. */
export interface CompanionElement {
  readonly family: AddressFamily
  readonly set: CompanionSet
  readonly key: readonly (string | number)[]
}

/** Flags that let clients of a server with weight 0 go to another one. */
const FALLBACK: Readonly<Record<string, readonly ServiceFlag[]>> = { mh: ['mh-fallback'], sh: ['sh-fallback'] }

function realServer({ address, port, weight = 1, state = 'ready' }: Endpoint): RealServerSpec {
  return { address, port, weight: state === 'ready' ? weight : 0, forwarding: 'masquerade' }
}

/** What was made of a service: the client knows an unchanged service by its reference. Names of schedulers are those of one plane for its life. */
const made = new WeakMap<Service, { readonly schedulers: SchedulerNames; readonly services: DesiredService[] }>()

/** The virtual services of a service, one a frontend: the same objects for the same service, which is frozen once it has been accepted. */
export function virtualServices(service: Service, schedulers: SchedulerNames): readonly DesiredService[] {
  const known = made.get(service)
  if (known?.schedulers === schedulers) return known.services
  const services = translate(service, schedulers)
  if (Object.isFrozen(service)) made.set(service, { schedulers, services })
  return services
}

function translate(service: Service, schedulers: SchedulerNames): DesiredService[] {
  const scheduler = schedulers[service.scheduler ?? 'random']
  return service.frontends.map(({ address, port }) => {
    const family = familyOf(address)
    const endpoints = service.endpoints.filter((endpoint) => familyOf(endpoint.address) === family)
    return {
      protocol: service.protocol,
      address: canonicalAddress(address),
      port,
      scheduler,
      flags: FALLBACK[scheduler] ?? [],
      realServers: endpoints.map(realServer)
    }
  })
}

/** Whether new connections find somebody. */
function isServed(service: Service, family: AddressFamily): boolean {
  return service.endpoints.some(
    ({ address, weight = 1, state = 'ready' }) => familyOf(address) === family && weight > 0 && state === 'ready'
  )
}

/** What a service needs in the companion table. */
export function* companionElements(service: Service): Generator<CompanionElement> {
  for (const { address, port } of service.frontends) {
    const family = familyOf(address)
    yield { family, set: 'vips', key: [canonicalAddress(address)] }
    if (isServed(service, family)) yield { family, set: 'frontends', key: [canonicalAddress(address), service.protocol, port] }
  }
  for (const { address, local } of service.endpoints) {
    if (local === true) yield { family: familyOf(address), set: 'hairpin', key: [canonicalAddress(address), canonicalAddress(address)] }
  }
}
