/**
 * Which frontends of services a plane carries by itself, and which its carriers do.
 */
import { ValidationError } from '../../core/errors.js'
import type { ServiceChange } from '../core/changes/change.js'
import { quarantineOf } from '../core/changes/refusals.js'
import { frontendIdentities, frontendKeys, type FrontendKey } from '../core/frontend.js'
import type { ServiceMapping } from '../core/mapped-listener.js'
import type { Frontend, Service, Services } from '../model.js'
import type { CheckedCarrier } from './options.js'

/** What of a carrier decides what it carries. */
export type CarrierDuty = Pick<CheckedCarrier, 'name' | 'carries'>

const withFrontends = (service: Service, frontends: readonly Frontend[]): Service => ({ ...service, frontends })

/** The same without a carrier, as carriers themselves have it. */
function plain<T extends Frontend | Service>(of: T): T {
  return of.carrier === undefined ? of : { ...of, carrier: undefined }
}

/** The frontends that a plane itself carries. */
const ownOf = (service: Service): Service =>
  service.frontends.every(({ carrier }) => carrier === undefined)
    ? service
    : withFrontends(
        service,
        service.frontends.filter(({ carrier }) => carrier === undefined)
      )

/** The identities of frontends that a service has, and that its plane carries by itself. */
function ownKeys(service: Service | undefined): ReadonlySet<FrontendKey> {
  return new Set(service === undefined ? [] : frontendKeys(ownOf(service)))
}

/** Services as the plane, and as each carrier has them. What it is given was accepted. The same service gives the same views, so that who has a view need not compare it. */
export class Assignment {
  /** Carriers that services may name. */
  readonly #names: ReadonlySet<string>
  readonly #listed: ReadonlyMap<string, string>
  readonly #marked = new WeakMap<Service, Service>()
  readonly #originals = new WeakMap<Service, Service>()
  readonly #views = new Map<string, WeakMap<Service, Service>>()
  /** The last view with frontends that the plane still carries, and which they are. */
  readonly #kept = new WeakMap<Service, { readonly keys: string; readonly view: Service }>()

  constructor(duties: readonly CarrierDuty[]) {
    this.#names = new Set(duties.filter(({ carries }) => carries !== 'loopbackNodePorts').map(({ name }) => name))
    this.#listed = new Map(
      duties.flatMap(({ name, carries }) => (typeof carries === 'string' ? [] : carries.map((service) => [service, name] as const)))
    )
    for (const { name } of duties) this.#views.set(name, new WeakMap())
  }

  /** Why a service cannot be carried: it names a carrier that there is not. Undefined: it can. */
  refusal(service: Service): Error | undefined {
    const refuse = (path: string, name: string): Error => {
      const some = this.#names.size === 0 ? 'there is none' : [...this.#names].join(', ')
      return quarantineOf(
        service.name,
        new ValidationError(path, name, `a carrier of this plane that takes services (option carriers): ${some}`)
      ).error
    }
    const { carrier, frontends } = service
    if (carrier !== undefined && !this.#names.has(carrier)) return refuse('.carrier', carrier)
    for (let index = 0; index < frontends.length; index++) {
      const named = frontends[index]!.carrier
      if (named !== undefined && !this.#names.has(named)) return refuse(`.frontends[${index}].carrier`, named)
    }
    return undefined
  }

  /** A service with its carriers at its frontends. */
  marked(service: Service): Service {
    const carrier = service.carrier ?? this.#listed.get(service.name)
    if (carrier === undefined) return service
    let view = this.#marked.get(service)
    if (view === undefined) {
      view = withFrontends(
        service,
        service.frontends.map((frontend) => (frontend.carrier === undefined ? { ...frontend, carrier } : frontend))
      )
      this.#marked.set(service, view)
      this.#originals.set(view, service)
    }
    return view
  }

  /** A marked service as the plane is to have it until its carriers do: frontends that it carries now it goes on carrying. The same where there are none. @param held As the plane has it. */
  kept(marked: Service, held: Service | undefined): Service {
    if (held === undefined || held === marked || marked.frontends.every(({ carrier }) => carrier === undefined)) return marked
    const own = ownKeys(held)
    const stays = ({ carrier }: Frontend, index: number): boolean =>
      carrier !== undefined && frontendIdentities(marked.protocol, marked.frontends[index]!).some((key) => own.has(key))
    if (!marked.frontends.some(stays)) return marked
    const keys = marked.frontends.map((frontend, index) => Number(stays(frontend, index))).join('')
    const before = this.#kept.get(marked)
    if (before?.keys === keys) return before.view
    const view = withFrontends(
      marked,
      marked.frontends.map((frontend, index) => (stays(frontend, index) ? plain(frontend) : frontend))
    )
    this.#kept.set(marked, { keys, view })
    this.#originals.set(view, this.original(marked))
    return view
  }

  /** A marked service as a carrier has it; undefined: it carries nothing of it. */
  viewOf({ name, carries }: CarrierDuty, marked: Service): Service | undefined {
    const isLoopback = carries === 'loopbackNodePorts'
    if (isLoopback && marked.protocol === 'sctp') return undefined
    const isMine = ({ kind, carrier }: Frontend): boolean => (isLoopback ? kind === 'node' : carrier === name)
    if (!marked.frontends.some(isMine)) return undefined
    const views = this.#views.get(name)!
    let view = views.get(marked)
    if (view === undefined) {
      view = { ...plain(marked), frontends: marked.frontends.filter(isMine).map((frontend) => plain(frontend)) }
      views.set(marked, view)
    }
    return view
  }

  /** All that a carrier carries of marked services, for whoever wants to keep it. */
  viewsOf(duty: CarrierDuty, services: ReadonlyMap<string, Service>): Map<string, Service> {
    const views = new Map<string, Service>()
    for (const [name, service] of services) {
      const view = this.viewOf(duty, service)
      if (view !== undefined) views.set(name, view)
    }
    return views
  }

  /** What a caller has given. */
  original(view: Service): Service {
    return this.#originals.get(view) ?? view
  }

  /** Lets who follows a plane see services as they were given. */
  get asGiven(): ServiceMapping {
    const given = (service: Service | undefined): Service | undefined => (service === undefined ? undefined : this.original(service))
    return {
      changes: (changes) => changes.map(({ name, before, after }) => ({ name, before: given(before), after: given(after) })),
      services: (services) => mapAll(services, (service) => this.original(service))
    }
  }
}

const mapAll = (services: Services, map: (service: Service) => Service): Services =>
  new Map([...services].map(([name, service]) => [name, map(service)]))

/** A service without some of its frontends. */
function without(
  service: Service | undefined,
  isLeftOut: (frontend: Frontend, keys: readonly FrontendKey[]) => boolean
): Service | undefined {
  if (service === undefined) return undefined
  const frontends = service.frontends.filter((frontend) => !isLeftOut(frontend, frontendIdentities(service.protocol, frontend)))
  return frontends.length === service.frontends.length ? service : withFrontends(service, frontends)
}

/** Lets who looks for stale flows of a plane see what the plane itself carries. A frontend that a carrier takes over is not gone: its flows are the carrier's business. */
export const OWN_FLOWS: ServiceMapping = {
  changes: (changes) =>
    changes.map(({ name, before, after }): ServiceChange => {
      const carried = new Set(
        (after?.frontends ?? []).flatMap((frontend) =>
          frontend.carrier === undefined ? [] : frontendIdentities(after!.protocol, frontend)
        )
      )
      const isOthers = ({ carrier }: Frontend, keys: readonly FrontendKey[]): boolean =>
        carrier !== undefined || keys.some((key) => carried.has(key))
      return { name, before: without(before, isOthers), after: without(after, ({ carrier }) => carrier !== undefined) }
    }),
  services: (services) => mapAll(services, ownOf)
}

/** The same of a carrier: what its plane carries again is not gone. @param held What the plane has of a service. */
export function carrierFlows(held: (name: string) => Service | undefined): ServiceMapping {
  return {
    changes: (changes) =>
      changes.map(({ name, before, after }): ServiceChange => {
        const own = ownKeys(held(name))
        return { name, before: own.size === 0 ? before : without(before, (_, keys) => keys.some((key) => own.has(key))), after }
      }),
    services: (services) => services
  }
}
