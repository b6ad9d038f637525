/**
 * Real servers that drain, since when, and who is told about it. The kernel knows all but the time: weight 0, and not desired.
 */
import { Broadcast } from '../../core/events/broadcast.js'
import type { EventStream } from '../../core/events/stream.js'
import { addressAt } from '../keys.js'
import { serverName, countOf, type Connections, type DrainingState } from './diff.js'
import { serviceOf, type ServerRow, type ServiceRow } from './rows.js'
import type { DrainedServer, DrainEvent, DrainingServer } from './types.js'

/** One real server that drains. */
export interface Drain {
  readonly service: ServiceRow
  readonly server: ServerRow
  /** Milliseconds of the registry's clock. */
  readonly since: number
  readonly deadlineSeconds: number
  /** As last read; undefined: they were not read yet. */
  connections: Connections | undefined
}

function endpointOf({ servers, row }: ServerRow): { readonly address: string; readonly port: number } {
  return { address: addressAt(servers, row), port: servers.port[row] ?? 0 }
}

/** How a real server ceased to drain. */
export type DrainEnd = DrainedServer['reason'] | 'restored'

/** Registry of what drains, by service. */
export class Drains {
  readonly #now: () => number
  readonly #services = new Map<string, Map<string, Drain>>()
  readonly #events = new Broadcast<DrainEvent>()
  readonly #watchers = new Set<() => void>()

  /** @param now A clock in milliseconds that never goes back. */
  constructor(now: () => number) {
    this.#now = now
  }

  get isEmpty(): boolean {
    return this.#services.size === 0
  }

  /** All of them. */
  list(): Drain[] {
    return [...this.#services.values()].flatMap((servers) => [...servers.values()])
  }

  /** All of them, as they are told of. */
  describeAll(): DrainingServer[] {
    return this.list().map((drain) => this.describe(drain))
  }

  /** The real servers of one service that drain. */
  of(key: string): ServerRow[] {
    return [...(this.#services.get(key)?.values() ?? [])].map(({ server }) => server)
  }

  /** Whether a service has real servers that drain. */
  hasAny(key: string): boolean {
    return this.#services.has(key)
  }

  has({ service, server }: DrainingState): boolean {
    return this.#services.get(service.key)?.has(serverName(server)) === true
  }

  /** Seconds since one was first seen to drain; 0 for others. */
  seconds(key: string, server: string): number {
    const drain = this.#services.get(key)?.get(server)
    return drain === undefined ? 0 : (this.#now() - drain.since) / 1000
  }

  describe({ service, server, since, deadlineSeconds, connections }: Drain): DrainingServer {
    const drainingSeconds = (this.#now() - since) / 1000
    const remainingSeconds = Math.max(0, deadlineSeconds - drainingSeconds)
    const { activeConnections, inactiveConnections } = connections ?? {}
    const counters = { activeConnections, inactiveConnections, drainingSeconds, remainingSeconds }
    return { service: serviceOf(service), ...endpointOf(server), ...counters }
  }

  /** What would be in the registry. */
  preview(state: DrainingState): DrainingServer {
    return this.describe(this.#drainOf(state, this.#services.get(state.service.key)?.get(serverName(state.server))))
  }

  /** @param old What is in the registry. */
  #drainOf({ service, server, connections, deadlineSeconds }: DrainingState, old: Drain | undefined): Drain {
    return { service, server, since: old?.since ?? this.#now(), deadlineSeconds, connections: connections ?? old?.connections }
  }

  /**
   * Sets what drains of one service.
   *
   * @param endOf Says how one that is not in `states` ended.
   */
  set(key: string, states: readonly DrainingState[], endOf: (drain: Drain, name: string) => DrainEnd): void {
    const before = this.#services.get(key)
    if (before === undefined && states.length === 0) return
    const after = new Map<string, Drain>()
    for (const state of states) {
      const name = serverName(state.server)
      const old = before?.get(name)
      const drain = this.#drainOf(state, old)
      after.set(name, drain)
      if (old === undefined) this.push({ type: 'draining', server: this.describe(drain) })
    }
    for (const [name, drain] of before ?? []) if (!after.has(name)) this.#tellEnd(drain, endOf(drain, name))
    if (after.size === 0) this.#services.delete(key)
    else this.#services.set(key, after)
    this.#tellChange()
  }

  /** Takes one out. */
  end(drain: Drain, how: DrainEnd): DrainedServer | undefined {
    const { key } = drain.service
    const servers = this.#services.get(key)
    servers?.delete(serverName(drain.server))
    if (servers?.size === 0) this.#services.delete(key)
    this.#tellChange()
    return this.#tellEnd(drain, how)
  }

  #tellEnd({ service, server, connections }: Drain, how: DrainEnd): DrainedServer | undefined {
    const which = { service: serviceOf(service), ...endpointOf(server) }
    if (how === 'restored') {
      this.push({ type: 'restored', ...which })
      return undefined
    }
    const dropped = how === 'deadline' ? countOf(connections) : 0
    const drained: DrainedServer = { ...which, reason: how, connections: dropped }
    this.push({ type: 'removed', server: drained })
    return drained
  }

  /** Calls `watch` whenever something begins or ceases to drain, until what is returned is called. */
  onChange(watch: () => void): () => void {
    this.#watchers.add(watch)
    return () => void this.#watchers.delete(watch)
  }

  #tellChange(): void {
    for (const watch of this.#watchers) watch()
  }

  /** Opens a stream of what happens from now on; `close` is called when it ends. */
  open(signal: AbortSignal | undefined, close: () => void): EventStream<DrainEvent> {
    return this.#events.open(signal, close)
  }

  push(event: DrainEvent): void {
    this.#events.push(event)
  }

  /** Ends all streams. */
  close(): void {
    this.#events.end()
  }
}
