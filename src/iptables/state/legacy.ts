/**
 * Which tables of the legacy interface of iptables a network namespace has: /proc/net/ip_tables_names and /proc/net/ip6_tables_names.
 */
import { ENOENT } from '../../core/errno.js'
import { failureError } from '../../core/failures.js'
import { loadAddon, type NativeNamespace } from '../../native/index.js'
import type { LegacyTables } from './types.js'

/** None. */
export const NO_LEGACY_TABLES: LegacyTables = { ip: [], ip6: [] }

async function readNames(netns: NativeNamespace | undefined, name: string): Promise<readonly string[]> {
  const outcome = await loadAddon().readNetworkFile({ ...(netns === undefined ? {} : { netns }), name })
  if (outcome.failure === undefined) return outcome.value.split('\n').filter((line) => line !== '')
  // The module of the legacy interface is not loaded.
  if (outcome.failure.errno === ENOENT) return []
  throw failureError(outcome.failure, { operation: 'iptables.legacyTables', subject: `/proc/net/${name}` })
}

/** Reads them. @throws {NetlinkError} `EPERM`, `EACCES`: the files may not be read. */
export async function readLegacyTables(netns: NativeNamespace | undefined): Promise<LegacyTables> {
  const [ip, ip6] = await Promise.all([readNames(netns, 'ip_tables_names'), readNames(netns, 'ip6_tables_names')])
  return { ip, ip6 }
}
