/**
 * Options of the nftables plane, and their checks.
 */
import { ValidationError } from '../../errors.js'
import type { NftablesOptions } from '../../nftables/index.js'

/** Options of the nftables plane. */
export interface NftablesPlaneOptions extends Pick<NftablesOptions, 'netns' | 'deadlineMs' | 'kernel' | 'signal'> {
  /** Name of our tables, one per family; default `netplane`. 1–31 letters, digits, `-`, `_`. */
  readonly name?: string | undefined
  /**
   * Prefixes whose hosts see endpoints' answers come back through this node without help: pods of this node, usually. Connections from elsewhere are masqueraded. Absent: nothing
   * is masqueraded but connections of an endpoint to itself; empty: everything is.
   */
  readonly localSources?: readonly string[] | undefined
  /** How often the ruleset's generation is looked at, milliseconds, 10–3600000; default 100. 0: never. */
  readonly driftPollMs?: number | undefined
}

/** Checks an option. @throws {ValidationError} */
export function checkName(name: unknown): string {
  if (name === undefined) return 'netplane'
  if (typeof name === 'string' && /^[A-Za-z0-9_-]{1,31}$/.test(name)) return name
  throw new ValidationError('name', name, '1 to 31 letters, digits, - and _')
}

/** Checks an option. @throws {ValidationError} */
export function checkPoll(milliseconds: unknown): number {
  if (milliseconds === undefined) return 100
  if (milliseconds === 0 || (typeof milliseconds === 'number' && milliseconds >= 10 && milliseconds <= 3_600_000)) return milliseconds
  throw new ValidationError('driftPollMs', milliseconds, '0, or 10 to 3600000')
}
