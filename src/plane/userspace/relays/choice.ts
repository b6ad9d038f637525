/**
 * Which endpoint a new connection goes to, and which ones are tried after it.
 */
import { createHash } from 'node:crypto'
import { formatSocketAddress } from '../../../core/address.js'
import type { RelayEndpoint, RelaySpec } from './types.js'

/** How an endpoint is written in counters and events. */
export function endpointName({ address, port }: Pick<RelayEndpoint, 'address' | 'port'>): string {
  return formatSocketAddress(address, port)
}

/** Clients that a relay remembers at a time; those that came last stay. */
export const MAX_CLIENTS = 65_536

interface Remembered {
  readonly endpoint: string
  readonly until: number
}

type ChoiceSpec = Pick<RelaySpec, 'endpoints' | 'scheduler' | 'affinity'>

/** A number above 0 and below 1, the same for the same text on every node. */
function fractionOf(text: string): number {
  return (createHash('sha1').update(text).digest().readUIntBE(0, 6) + 0.5) / 2 ** 48
}

/** Chooses endpoints, and remembers clients. */
export class Chooser {
  #spec: ChoiceSpec
  #usable: readonly RelayEndpoint[] = []
  readonly #clients = new Map<string, Remembered>()

  constructor(spec: ChoiceSpec) {
    this.#spec = spec
    this.update(spec)
  }

  /** Clients whose endpoints take no new connections any more are forgotten when they come. */
  update(spec: ChoiceSpec): void {
    this.#spec = spec
    this.#usable = spec.endpoints.filter(({ weight }) => weight > 0)
    if (spec.affinity === undefined) this.#clients.clear()
  }

  /** Endpoints in the order in which they are to be tried: that of the client, where it is remembered, and each of the others once. */
  order(client: string): readonly RelayEndpoint[] {
    const chosen = this.#spec.scheduler === 'hash' ? this.#byHash(client) : this.#byChance()
    const known = this.#recall(client)
    const first = chosen.findIndex((endpoint) => endpointName(endpoint) === known)
    return first <= 0 ? chosen : [chosen[first]!, ...chosen.slice(0, first), ...chosen.slice(first + 1)]
  }

  /** The client is served by this endpoint, from now on for as long as affinity says. */
  remember(client: string, endpoint: RelayEndpoint): void {
    const { affinity } = this.#spec
    if (affinity === undefined) return
    this.#clients.delete(client)
    this.#clients.set(client, { endpoint: endpointName(endpoint), until: performance.now() + affinity.timeoutSeconds * 1000 })
    if (this.#clients.size <= MAX_CLIENTS) return
    // The first entry is the one that was written the longest time ago.
    for (const oldest of this.#clients.keys()) {
      this.#clients.delete(oldest)
      break
    }
  }

  #recall(client: string): string | undefined {
    const known = this.#clients.get(client)
    if (known === undefined || known.until > performance.now()) return known?.endpoint
    this.#clients.delete(client)
    return undefined
  }

  /** The smallest of exponentially distributed numbers is each with the probability of its weight, and so is the next one among those that are left. */
  #byChance(): readonly RelayEndpoint[] {
    return this.#sorted(() => Math.random())
  }

  /** The same with numbers that client and endpoint decide (rendezvous hashing): clients of endpoints that stay keep theirs. */
  #byHash(client: string): readonly RelayEndpoint[] {
    return this.#sorted((endpoint) => fractionOf(`${client} ${endpointName(endpoint)}`))
  }

  #sorted(numberOf: (endpoint: RelayEndpoint) => number): readonly RelayEndpoint[] {
    if (this.#usable.length < 2) return this.#usable
    return this.#usable
      .map((endpoint) => ({ endpoint, at: -Math.log(1 - numberOf(endpoint)) / endpoint.weight }))
      .sort((left, right) => left.at - right.at)
      .map(({ endpoint }) => endpoint)
  }
}
