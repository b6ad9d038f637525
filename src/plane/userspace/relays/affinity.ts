/**
 * Which endpoint a client keeps.
 */
import type { Target } from './target.js'

/** Most clients that one relay remembers; beyond, it forgets whoever came longest ago. */
export const MAX_CLIENTS = 65_536

/** Clients by address. All entries live equally long, so that their order is that in which they end. */
export class AffinityTable {
  readonly #clients = new Map<string, { readonly target: Target; readonly endsMs: number }>()
  readonly #room: number
  readonly #nowMs: () => number

  constructor(room = MAX_CLIENTS, nowMs: () => number = () => performance.now()) {
    this.#room = room
    this.#nowMs = nowMs
  }

  /** Clients that are remembered, those whose time is over among them until the next one is learnt. */
  get size(): number {
    return this.#clients.size
  }

  find(client: string): Target | undefined {
    const entry = this.#clients.get(client)
    return entry !== undefined && entry.endsMs > this.#nowMs() ? entry.target : undefined
  }

  /** The client keeps the endpoint for so many seconds from now on. */
  learn(client: string, target: Target, timeoutSeconds: number): void {
    const nowMs = this.#nowMs()
    this.#clients.delete(client)
    this.#clients.set(client, { target, endsMs: nowMs + timeoutSeconds * 1_000 })
    for (const [oldest, { endsMs }] of this.#clients) {
      if (endsMs > nowMs && this.#clients.size <= this.#room) return
      this.#clients.delete(oldest)
    }
  }

  /** The endpoint did not answer this client. */
  forget(client: string, target: Target): void {
    if (this.#clients.get(client)?.target === target) this.#clients.delete(client)
  }

  /** No client keeps such an endpoint. */
  forgetAll(isForgotten: (target: Target) => boolean): void {
    for (const [client, { target }] of this.#clients) if (isForgotten(target)) this.#clients.delete(client)
  }
}
