import type { Logger } from 'pino'
import type { Reporter } from './reporter.js'

/** Tells of external addresses that the options do not allow: each once, when it is first found. */
export class RefusedAddresses {
  readonly #log: Logger
  readonly #reporter: Pick<Reporter, 'refusedAddresses'>
  #told: ReadonlyMap<string, readonly string[]> = new Map()

  constructor(log: Logger, reporter: Pick<Reporter, 'refusedAddresses'>) {
    this.#log = log
    this.#reporter = reporter
  }

  /** @param refused All that there are now, by namespace and name of their Services. */
  take(refused: ReadonlyMap<string, readonly string[]>): void {
    if (refused.size === 0 && this.#told.size === 0) return
    const found = new Map([...refused].filter(([service, addresses]) => this.#told.get(service)?.join() !== addresses.join()))
    this.#told = new Map(refused)
    for (const [service, addresses] of found) this.#log.warn({ service, addresses }, 'external addresses are not allowed')
    this.#reporter.refusedAddresses(found)
  }
}
