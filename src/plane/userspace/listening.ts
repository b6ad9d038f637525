/**
 * The relays that listen for services, and at which ports.
 */
import type { AddressFamily } from '../../core/address.js'
import type { Refusal } from '../core/backend.js'
import type { Frontend, Service, TrafficPolicy } from '../model.js'
import type { RelayPorts } from '../tables/elements/frontends.js'
import { placeKey, placesOf, type Place, type PlaceOptions } from './places.js'
import type { Relays } from './relays/types.js'

/** A relay that listens. */
export interface ListeningRelay {
  readonly place: Place
  /** What {@link Relays} knows it by. */
  readonly id: string
  readonly port: number
}

/** Relays that were begun for services, until it is known whether these are in the kernel. */
export interface Begun {
  /** How many listen that did not before. */
  readonly opened: number
  /** Services for which a relay cannot listen. */
  readonly refusals: readonly Refusal[]
  /** The services are in the kernel: connections follow them, and relays that they do not need are withdrawn. */
  finish(): void
  /** They are not: what was begun is undone. */
  undo(): void
  /** Nobody knows: both what was begun and what it replaces listen until the kernel has been read again, which {@link ListeningRelays.keepOnly} is told. */
  leave(): void
}

/** What a service is to become. */
export interface Wanted {
  readonly before?: Service | undefined
  readonly after?: Service | undefined
}

/** How often a port is asked for, until it is none of the model. */
const MAX_TRIES = 16

/** Keeps relays. */
export class ListeningRelays implements RelayPorts {
  readonly #relays: Relays
  readonly #options: PlaceOptions
  readonly #known = new Map<string, ListeningRelay>()
  /** The ports of relays that are about to be replaced, by the services that the kernel still holds. */
  readonly #former = new WeakMap<Service, Map<string, number>>()
  /** Those that were replaced, of which nobody knows whether rules still lead there. */
  readonly #unsettled: ListeningRelay[] = []
  /** What stands for the ports of relays that do not listen yet, in plans: a different one for each, of those that the kernel gives to nobody by itself. */
  readonly #plans = new Map<string, number>()
  /** How many relays were opened for a key: two of them have different ids. */
  readonly #serials = new Map<string, number>()

  constructor(relays: Relays, options: PlaceOptions) {
    this.#relays = relays
    this.#options = options
  }

  portOf(service: Service, frontend: Frontend, family: AddressFamily, policy: TrafficPolicy): number {
    const key = placeKey(service, frontend, { family, policy }, this.#options)
    return this.#former.get(service)?.get(key) ?? this.#known.get(key)?.port ?? this.#planned(key)
  }

  /** How many listen. */
  get size(): number {
    return this.#known.size
  }

  /** The relay that listens at a port. */
  find(protocol: string, family: AddressFamily, port: number): ListeningRelay | undefined {
    for (const relay of this.#known.values())
      if (relay.port === port && relay.place.family === family && relay.place.spec.protocol === protocol) return relay
    return undefined
  }

  /**
   * Lets relays listen for services that are about to be written.
   *
   * @param services All services that there will be: relays take none of their ports.
   */
  async begin(wanted: readonly Wanted[], services: () => Iterable<Service>): Promise<Begun> {
    this.#plans.clear()
    const opened: ListeningRelay[] = []
    const replaced: ListeningRelay[] = []
    const refusals: Refusal[] = []
    let taken: ReadonlySet<number> | undefined
    for (const { before, after } of wanted) {
      if (after === undefined) continue
      try {
        for (const place of placesOf(after, this.#options).values()) {
          const known = this.#known.get(place.key)
          if (known !== undefined && !hasPort(after, known.port)) continue
          const relay = await this.#open(place, (taken ??= portsOf(services())))
          opened.push(relay)
          if (known !== undefined) this.#replace(known, before, replaced)
          this.#known.set(place.key, relay)
        }
      } catch (error) {
        refusals.push({ service: after.name, error: error as Error })
      }
    }
    return {
      opened: opened.length,
      refusals,
      finish: () => this.#finish(wanted, replaced),
      undo: () => this.#undo(opened, replaced),
      leave: () => void this.#unsettled.push(...replaced)
    }
  }

  /** Withdraws all relays that services do not need. */
  keepOnly(services: Iterable<Service>): void {
    const needed = new Set<string>()
    for (const service of services) for (const key of placesOf(service, this.#options).keys()) needed.add(key)
    for (const relay of [...this.#known.values()]) if (!needed.has(relay.place.key)) this.#withdraw(relay)
    for (const { id } of this.#unsettled.splice(0)) this.#relays.withdraw(id)
  }

  #planned(key: string): number {
    let port = this.#plans.get(key)
    if (port === undefined) this.#plans.set(key, (port = this.#plans.size + 1))
    return port
  }

  /** Listens at a port that the kernel chooses, and that no frontend has. */
  async #open(place: Place, taken: ReadonlySet<number>): Promise<ListeningRelay> {
    const { key, spec } = place
    for (let tries = 1; ; tries++) {
      const serial = (this.#serials.get(key) ?? 0) + 1
      const id = serial === 1 ? key : `${key} (${serial})`
      const port = await this.#relays.listen({ ...spec, id })
      // One that could not listen leaves its id to the next try, so that the same failure is told in the same words.
      this.#serials.set(key, serial)
      if (!taken.has(port) || tries === MAX_TRIES) return { place, id, port }
      this.#relays.withdraw(id)
    }
  }

  /** A frontend of the service has got the relay's own port: redirected packets could not be told from others there. */
  #replace(known: ListeningRelay, before: Service | undefined, replaced: ListeningRelay[]): void {
    replaced.push(known)
    if (before === undefined) return
    const ports = this.#former.get(before) ?? new Map<string, number>()
    this.#former.set(before, ports.set(known.place.key, known.port))
  }

  #finish(wanted: readonly Wanted[], replaced: readonly ListeningRelay[]): void {
    for (const { id } of replaced) this.#relays.withdraw(id)
    for (const { before, after } of wanted) {
      const places = after === undefined ? new Map<string, Place>() : placesOf(after, this.#options)
      for (const [key, place] of places) {
        const known = this.#known.get(key)
        if (known === undefined) continue
        this.#known.set(key, { ...known, place })
        this.#relays.update({ ...place.spec, id: known.id, listenPort: known.port })
      }
      if (before === undefined) continue
      for (const key of placesOf(before, this.#options).keys()) {
        const known = this.#known.get(key)
        if (known !== undefined && !places.has(key)) this.#withdraw(known)
      }
    }
  }

  #undo(opened: readonly ListeningRelay[], replaced: readonly ListeningRelay[]): void {
    for (const relay of opened) this.#withdraw(relay)
    for (const relay of replaced) this.#known.set(relay.place.key, relay)
  }

  #withdraw({ id, place }: ListeningRelay): void {
    this.#relays.withdraw(id)
    this.#known.delete(place.key)
  }
}

function hasPort({ frontends }: Service, port: number): boolean {
  return frontends.some((frontend) => frontend.port === port)
}

function portsOf(services: Iterable<Service>): ReadonlySet<number> {
  const ports = new Set<number>()
  for (const { frontends } of services) for (const { port } of frontends) ports.add(port)
  return ports
}
