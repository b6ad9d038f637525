/**
 * How much is open at a time, all relays together.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** Descriptors that are left to the rest of the process. */
const RESERVED_DESCRIPTORS = 64

/** How many descriptors relays may use: those that the process may have (`ulimit -n`), without those that it has and some for whatever else it does. */
export function descriptorsLeft(limits = readFileSync('/proc/self/limits', 'utf8'), open = readdirSync('/proc/self/fd').length): number {
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return soft === undefined ? Infinity : Math.max(0, Number(soft) - open - RESERVED_DESCRIPTORS)
}

/** What {@link Limits} allows. */
export interface LimitSettings {
  readonly maxConnections: number
  readonly maxConnectionsPerRelay: number
  readonly descriptors: number
}

/** Counts what is open. */
export class Limits {
  readonly #settings: LimitSettings
  #connections = 0
  #descriptors = 0

  constructor(settings: LimitSettings) {
    this.#settings = settings
  }

  /**
   * Takes room for a connection, which is to be given back by {@link Limits.release}.
   *
   * @param ofRelay How many its relay has.
   * @param descriptors How many descriptors it needs.
   * @returns Why there is no room, in words.
   */
  take(ofRelay: number, descriptors: number): string | undefined {
    const { maxConnections, maxConnectionsPerRelay, descriptors: maxDescriptors } = this.#settings
    if (this.#connections >= maxConnections)
      return `all relays together have ${maxConnections} connections, which is the most that is allowed`
    if (ofRelay >= maxConnectionsPerRelay) return `the relay has ${maxConnectionsPerRelay} connections, which is the most that is allowed`
    if (this.#descriptors + descriptors > maxDescriptors)
      return `the process has no more file descriptors (ulimit -n) than the ${this.#descriptors} that relays use and those of others`
    this.#connections++
    this.#descriptors += descriptors
    return undefined
  }

  release(descriptors: number): void {
    this.#connections--
    this.#descriptors -= descriptors
  }
}
