/**
 * Real servers that drain, since when, and who is told about it. The kernel knows all but the time: weight 0, and not desired.
 */
import { Broadcast } from '../../event-broadcast.js'
import type { EventStream } from '../../event-stream.js'
import type { VirtualService } from '../types.js'
import type { ServerState } from '../server-rows.js'
import { serverKey } from './accept.js'
import type { DrainingState } from './diff.js'
import type { DrainedServer, DrainEvent, DrainingServer } from './types.js'

/** One real server that drains. */
export interface Drain {
  readonly key: string
  readonly service: VirtualService
  readonly server: ServerState
  /** Milliseconds of the registry's clock. */
  readonly since: number
  readonly deadlineSeconds: number
  activeConnections: number
  inactiveConnections: number
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

  /** The real servers of one service that drain. */
  of(key: string): ServerState[] {
    return [...(this.#services.get(key)?.values() ?? [])].map(({ server }) => server)
  }

  /** Seconds since one was first seen to drain; 0 for others. */
  seconds(key: string, server: string): number {
    const drain = this.#services.get(key)?.get(server)
    return drain === undefined ? 0 : (this.#now() - drain.since) / 1000
  }

  describe({ service, server, since, deadlineSeconds, activeConnections, inactiveConnections }: Drain): DrainingServer {
    const drainingSeconds = (this.#now() - since) / 1000
    const remainingSeconds = Math.max(0, deadlineSeconds - drainingSeconds)
    const { address, port } = server
    return { service, address, port, activeConnections, inactiveConnections, drainingSeconds, remainingSeconds }
  }

  /** What would be in the registry. */
  preview({ key, service, server, deadlineSeconds }: DrainingState): DrainingServer {
    const old = this.#services.get(key)?.get(serverKey(server))
    const since = old?.since ?? this.#now()
    const { activeConnections = old?.activeConnections ?? 0, inactiveConnections = old?.inactiveConnections ?? 0 } = server
    return this.describe({ key, service, server, since, deadlineSeconds, activeConnections, inactiveConnections })
  }

  /**
   * Sets what drains of one service.
   *
   * @param endOf Says how one that is not in `states` ended.
   */
  set(key: string, states: readonly DrainingState[], endOf: (server: string) => DrainEnd): void {
    const before = this.#services.get(key)
    if (before === undefined && states.length === 0) return
    const after = new Map<string, Drain>()
    for (const { service, server, deadlineSeconds } of states) {
      const name = serverKey(server)
      const old = before?.get(name)
      const since = old?.since ?? this.#now()
      const { activeConnections = old?.activeConnections ?? 0, inactiveConnections = old?.inactiveConnections ?? 0 } = server
      const drain: Drain = { key, service, server, since, deadlineSeconds, activeConnections, inactiveConnections }
      after.set(name, drain)
      if (old === undefined) this.push({ type: 'draining', server: this.describe(drain) })
    }
    for (const [name, drain] of before ?? []) if (!after.has(name)) this.#tellEnd(drain, endOf(name))
    if (after.size === 0) this.#services.delete(key)
    else this.#services.set(key, after)
    this.#tellChange()
  }

  /** Takes one out. */
  end(drain: Drain, how: DrainEnd): DrainedServer | undefined {
    const servers = this.#services.get(drain.key)
    servers?.delete(serverKey(drain.server))
    if (servers?.size === 0) this.#services.delete(drain.key)
    this.#tellChange()
    return this.#tellEnd(drain, how)
  }

  #tellEnd({ service, server, activeConnections, inactiveConnections }: Drain, how: DrainEnd): DrainedServer | undefined {
    const { address, port } = server
    if (how === 'restored') {
      this.push({ type: 'restored', service, address, port })
      return undefined
    }
    const connections = how === 'deadline' ? activeConnections + inactiveConnections : 0
    const drained: DrainedServer = { service, address, port, reason: how, connections }
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
