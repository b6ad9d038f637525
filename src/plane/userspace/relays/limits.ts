/**
 * How much is open at a time, all relays together.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'

/** Descriptors that are left to the rest of the process. */
const RESERVED_DESCRIPTORS = 64

/** How often the descriptors of the process are counted, milliseconds: the rest of it opens some, too. */
export const COUNT_EVERY_MS = 1_000

const DESCRIPTORS = '/proc/self/fd'

/** How many descriptors this process has: the size of the folder since Linux 6.2 (proc_fd_getattr in fs/proc/fd.c), else its entries. */
function openDescriptors(): number {
  return statSync(DESCRIPTORS).size || readdirSync(DESCRIPTORS).length
}

/** How many descriptors relays may open: those that the process may have (`ulimit -n`), without those that it has and some for whatever else it does. */
export function descriptorsLeft(limits = readFileSync('/proc/self/limits', 'utf8'), open = openDescriptors()): number {
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return soft === undefined ? Infinity : Math.max(0, Number(soft) - open - RESERVED_DESCRIPTORS)
}

/** How many descriptors relays may have, where they have some. */
export type DescriptorLimit = (used: number) => number

/** What {@link Limits} allows. */
export interface LimitSettings {
  readonly maxConnections: number
  readonly maxConnectionsPerRelay: number
  readonly descriptors: DescriptorLimit
}

/** Counts what is open. */
export class Limits {
  readonly #settings: LimitSettings
  readonly #nowMs: () => number
  #connections = 0
  #descriptors = 0
  #maxDescriptors = 0
  #countsAgainMs = -Infinity

  constructor(settings: LimitSettings, nowMs: () => number = () => performance.now()) {
    this.#settings = settings
    this.#nowMs = nowMs
  }

  /**
   * Takes room for a connection, which is to be given back by {@link Limits.release}.
   *
   * @param ofRelay How many its relay has.
   * @param descriptors How many descriptors it needs.
   * @returns Why there is no room, in words.
   */
  take(ofRelay: number, descriptors: number): string | undefined {
    const { maxConnections, maxConnectionsPerRelay } = this.#settings
    if (this.#connections >= maxConnections)
      return `all relays together have ${maxConnections} connections, which is the most that is allowed`
    if (ofRelay >= maxConnectionsPerRelay) return `the relay has ${maxConnectionsPerRelay} connections, which is the most that is allowed`
    this.#count()
    if (this.#descriptors + descriptors > this.#maxDescriptors)
      return `the process has no more file descriptors (ulimit -n) than the ${this.#descriptors} that relays use and those of others`
    this.#connections++
    this.#descriptors += descriptors
    return undefined
  }

  release(descriptors: number): void {
    this.#connections--
    this.#descriptors -= descriptors
  }

  /** Where none are left at all, libuv accepts connections and closes them, without a word to anybody (`uv__emfile_trick`). */
  #count(): void {
    const nowMs = this.#nowMs()
    if (nowMs < this.#countsAgainMs) return
    this.#countsAgainMs = nowMs + COUNT_EVERY_MS
    this.#maxDescriptors = this.#settings.descriptors(this.#descriptors)
  }
}
