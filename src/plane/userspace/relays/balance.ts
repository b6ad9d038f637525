/**
 * Which endpoint gets a new connection.
 */
import { formatSocketAddress } from '../../../core/address.js'
import { AffinityTable } from './affinity.js'
import { Target } from './target.js'
import type { RelayCounts, RelaySpec } from './types.js'

const NONE: ReadonlySet<Target> = new Set()

/** A number in [0, 1) that is the same for the same text: FNV-1a, and murmur3's last steps, for FNV alone leaves addresses that differ in their end close to each other. */
export function hashFraction(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

function pick(targets: readonly Target[], fraction: number): Target | undefined {
  let sum = 0
  for (const { weight } of targets) sum += weight
  let rest = fraction * sum
  for (const target of targets) if ((rest -= target.weight) < 0) return target
  return undefined
}

/** The endpoints of a relay, and those of the past to which something is still open. */
export class Balance {
  readonly #affinity = new AffinityTable()
  readonly #all = new Map<string, Target>()
  #spec: RelaySpec
  #current = new Set<Target>()
  /** Those that take new connections. */
  #taking: readonly Target[] = []

  constructor(spec: RelaySpec) {
    this.#spec = spec
    this.update(spec)
  }

  /** Other endpoints, another scheduler, another affinity, from now on. What is open to endpoints that went drains. */
  update(spec: RelaySpec): void {
    this.#spec = spec
    const current = new Set<Target>()
    for (const endpoint of spec.endpoints) {
      const key = formatSocketAddress(endpoint.address, endpoint.port)
      const target = this.#all.get(key) ?? new Target(endpoint)
      this.#all.set(key, target)
      target.keep(endpoint.weight)
      current.add(target)
    }
    this.#current = current
    this.#taking = [...current].filter(({ weight }) => weight > 0)
    this.#affinity.forgetAll((target) => spec.affinity === undefined || target.weight === 0 || !current.has(target))
    for (const target of [...this.#all.values()]) if (!current.has(target)) this.#letGo(target)
  }

  /** No new connections; what is open drains. */
  withdraw(): void {
    this.update({ ...this.#spec, endpoints: [], affinity: undefined })
  }

  /** Ends all that is open now. */
  end(): void {
    for (const target of [...this.#all.values()]) target.end()
  }

  /**
   * The endpoint of a new connection; a client with affinity keeps it.
   *
   * @param except Endpoints that were tried.
   */
  choose(client: string, except: ReadonlySet<Target> = NONE): Target | undefined {
    const { affinity, scheduler } = this.#spec
    const kept = affinity === undefined ? undefined : this.#affinity.find(client)
    const target =
      kept !== undefined && !except.has(kept) ? kept : pick(this.#left(except), scheduler === 'hash' ? hashFraction(client) : Math.random())
    if (target !== undefined && affinity !== undefined) this.#affinity.learn(client, target, affinity.timeoutSeconds)
    return target
  }

  /** Whether it is an endpoint still. */
  has(target: Target): boolean {
    return this.#current.has(target)
  }

  /** The endpoint did not answer: a client with affinity does not keep it. */
  failed(client: string, target: Target): void {
    this.#affinity.forget(client, target)
  }

  /** Nothing is open to an endpoint any more. Of endpoints of the past nothing is kept then. */
  closed(target: Target): void {
    target.settle()
    if (target.flows.size === 0 && !this.#current.has(target) && this.#all.get(target.key) === target) this.#all.delete(target.key)
  }

  status(): ReadonlyMap<string, RelayCounts> {
    return new Map([...this.#all].map(([key, { tally }]) => [key, tally.snapshot()]))
  }

  #left(except: ReadonlySet<Target>): readonly Target[] {
    return except.size === 0 ? this.#taking : this.#taking.filter((target) => !except.has(target))
  }

  /** Sessions of UDP have no end of their own, and clients that go on would keep a server that is gone: without a deadline they end at once, as their flows do in other planes. */
  #letGo(target: Target): void {
    target.drain(this.#spec.drainSeconds ?? (this.#spec.protocol === 'udp' ? 0 : undefined))
    this.closed(target)
  }
}
