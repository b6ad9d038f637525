/**
 * Options of the nftables plane.
 */
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
