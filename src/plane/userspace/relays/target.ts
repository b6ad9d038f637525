/**
 * An endpoint of a relay and what is open to it.
 */
import { formatSocketAddress } from '../../../core/address.js'
import { Tally } from './tally.js'
import type { RelayEndpoint } from './types.js'

/** A connection, or a session of UDP, that can be made to end. */
export interface Flow {
  /** Ends it now, on both sides, because its endpoint or its relay went. */
  drain(): void
}

/** Longest delay of a timer in Node, in milliseconds: a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** An endpoint, for as long as the relay has it or anything is open to it. */
export class Target {
  /** `address:port`, `[address]:port`. */
  readonly key: string
  readonly address: string
  readonly port: number
  readonly tally = new Tally()
  readonly flows = new Set<Flow>()
  /** Share of new connections; 0: none. */
  weight: number
  #timer: NodeJS.Timeout | undefined

  constructor({ address, port, weight }: RelayEndpoint) {
    this.key = formatSocketAddress(address, port)
    this.address = address
    this.port = port
    this.weight = weight
  }

  /** It is an endpoint (again). */
  keep(weight: number): void {
    this.weight = weight
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /**
   * It is no endpoint any more: what is open ends after so many seconds; 0: now; undefined: when it ends by itself. A deadline that runs stays, unless the new one is
   * earlier by being now.
   */
  drain(seconds: number | undefined): void {
    this.weight = 0
    if (seconds === 0) return this.end()
    if (seconds === undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(() => this.end(), Math.min(seconds * 1_000, MAX_DELAY_MS)).unref()
  }

  /** Ends what is open now. */
  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const flow of [...this.flows]) flow.drain()
  }

  /** Nothing is open any more, so that nothing is left to be ended. */
  settle(): void {
    if (this.flows.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
