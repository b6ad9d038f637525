import { setTimeout } from 'node:timers/promises'
import { VERSION } from 'netplane'
import type { EncodingName } from './encoding/choose.js'

/** How requests are made. */
export interface ApiClientOptions {
  /** Requests in a second for long, and at once. Below 0, requests in a second are not limited. */
  readonly qps: number
  readonly burst: number
  /** Time for a connection. */
  readonly connectMs: number
  /** Time for the beginning of an answer; and the longest pause within a list. */
  readonly answerMs: number
  /** What the audit log of a server calls the client. */
  readonly userAgent: string
  /** What objects are asked for as. */
  readonly encoding: EncodingName
}

/** kube-proxy's rate and encoding, the time-outs of client-go's connections and of an API server's requests, and a name in the form of client-go's. */
export const CLIENT_DEFAULTS: ApiClientOptions = {
  qps: 5,
  burst: 10,
  connectMs: 30_000,
  answerMs: 60_000,
  userAgent: `netplane-proxy/${VERSION} (${process.platform}/${process.arch})`,
  encoding: 'protobuf'
}

/** A bucket of tokens, one of which each request takes: `burst` at once, and `qps` in a second for long. */
export class RateLimit {
  readonly #qps: number
  readonly #burst: number
  readonly #now: () => number
  #tokens: number
  #at: number

  constructor({ qps, burst }: { readonly qps: number; readonly burst: number }, now: () => number = () => performance.now()) {
    this.#qps = qps
    this.#burst = burst
    this.#now = now
    this.#tokens = burst
    this.#at = now()
  }

  /** Milliseconds until the request that asks may be sent. It has its token then: requests are sent in the order in which they asked. */
  reserve(): number {
    if (this.#qps < 0) return 0
    const now = this.#now()
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#qps) - 1
    this.#at = now
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#qps) * 1000
  }

  /** Resolves when a request may be sent, with the milliseconds that it had to wait. @throws AbortError */
  async take(signal: AbortSignal): Promise<number> {
    const waitMs = this.reserve()
    if (waitMs > 0) await setTimeout(waitMs, undefined, { signal })
    return waitMs
  }
}
