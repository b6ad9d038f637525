/**
 * Ending tables without cutting connections: connection tracking translates what is established without any rule.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { AddressFamily } from '../../../core/address.js'
import type { Nftables } from '../../../nftables/index.js'
import { dropTables, listOwnTables } from '../../../nftables/own-tables.js'
import { goto } from '../../../nftables/rule/statements.js'
import type { RouteLocalnet } from '../../core/node/route-localnet.js'
import { fromServiceAddress } from '../layout/by-ipvs.js'
import { ownTables, type TableOptions } from '../layout/table.js'
import { compileAll } from '../layout/words.js'
import type { PortReservation } from '../node/port-reservation.js'
import { readNotedSetting } from '../reading/inspect.js'

/** Where a connection gets its source address, once it was led to an endpoint. */
const POSTROUTING = 'nat-postrouting'
/** Chains that see packets behind those that lead. */
const STAYING: ReadonlySet<string> = new Set([POSTROUTING, 'unmark-input', 'unmark-output', 'unmark-postrouting'])

/** Milliseconds in which a packet that was led by rules passes the chains behind them, with room to spare. */
const PASSING_MS = 20

/** What becomes of the first packets of connections that others lead, while addresses of services are on the dummy device: their source may be one of these. */
function remainingRules(family: AddressFamily, options: TableOptions) {
  return options.marks === undefined ? undefined : compileAll(family, options.name, fromServiceAddress(family, goto('masquerading')))
}

/**
 * Takes the rules out of all chains that the kernel leads packets to, so that these lead and refuse nobody any more, and waits for packets on their way.
 *
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of our name is not ours.
 */
export async function stopLeading(nft: Nftables, options: TableOptions): Promise<void> {
  const { name: table } = options
  const families = new Set((await listOwnTables(nft, ownTables(options))).map(({ family }) => family))
  const tx = nft.transaction()
  for (const { family, table: of, name, hook } of await nft.listChains()) {
    if (of !== table || hook === undefined || (family !== 'ip' && family !== 'ip6') || !families.has(family)) continue
    if (!STAYING.has(name)) tx.flush.chain({ family, table, name })
    const rules = name === POSTROUTING ? remainingRules(family, options) : undefined
    if (rules === undefined) continue
    tx.flush.chain({ family, table, name })
    for (const expressions of rules) tx.add.rule({ family, table, chain: name, expressions })
  }
  if (tx.size === 0) return
  await tx.commit()
  await pause(PASSING_MS)
}

/** Removes tables, and puts settings back. @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of our name is not ours. */
export async function removeTables(
  nft: Nftables,
  options: TableOptions,
  { reservation, routeLocalnet }: { readonly reservation: PortReservation | undefined; readonly routeLocalnet: RouteLocalnet }
): Promise<void> {
  await reservation?.release()
  const tables = await listOwnTables(nft, ownTables(options))
  await routeLocalnet.putBack(tables.length === 0 ? undefined : await readNotedSetting(nft, options))
  await dropTables(
    nft,
    options.name,
    tables.map(({ family }) => family)
  )
}
