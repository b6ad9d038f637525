/**
 * The table whose rules begin traces.
 */
import { familyOf, type AddressFamily } from '../../core/address.js'
import { NetplaneError } from '../../core/errors.js'
import type { Protocol } from '../../core/protocols.js'
import type { Nftables } from '../../nftables/index.js'
import { ip, ip6, th } from '../../nftables/rule/headers.js'
import { compileRule } from '../../nftables/rule/compile.js'
import type { RuleStatement } from '../../nftables/rule/nodes.js'
import { meta } from '../../nftables/rule/selectors.js'
import { limit } from '../../nftables/rule/statements.js'

/** Which packets are traced. */
export interface TraceRequest {
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
  /** The source address; absent: any. */
  readonly from?: string | undefined
}

/** The table, while it exists. */
export interface TraceTable {
  readonly family: AddressFamily
  readonly name: string
}

/** Packets in a second that are traced: each makes dozens of messages. */
export const MAX_PACKETS_PER_SECOND = 10

/** Behind the assembly of fragments (NF_IP_PRI_CONNTRACK_DEFRAG, -400), before all that planes and iptables have (raw, -300). */
const PRIORITY = -350

/** A link that the kernel itself names so in every namespace. */
const LOOPBACK = 'lo'

/** How a kernel before Linux 5.12 refuses a table that is to have an owner, and one after it that knows other flags alone. */
const WITHOUT_OWNERS: readonly string[] = ['EINVAL', 'EOPNOTSUPP']

/** What comes in by loopback was sent by this node, and is traced from there on. */
const HOOKS: readonly { readonly hook: 'prerouting' | 'output'; readonly only: readonly RuleStatement[] }[] = [
  { hook: 'prerouting', only: [meta.iifname.neq(LOOPBACK)] },
  { hook: 'output', only: [] }
]

function statementsFor({ protocol, address, port, from }: TraceRequest): RuleStatement[] {
  const header = familyOf(address) === 'ip' ? ip : ip6
  return [
    ...(from === undefined ? [] : [header.saddr.eq(from)]),
    header.daddr.eq(address),
    meta.l4proto.eq(protocol),
    th.dport.eq(port),
    limit({ rate: MAX_PACKETS_PER_SECOND, per: 'second' }),
    meta.nftrace.set(1)
  ]
}

async function write(nft: Nftables, { family, name }: TraceTable, request: TraceRequest, isOwned: boolean): Promise<void> {
  const tx = nft.transaction()
  tx.create.table({ family, name, comment: 'netplane trace', ...(isOwned ? { flags: ['owner'] } : {}) })
  for (const { hook, only } of HOOKS) {
    tx.add.chain({ family, table: name, name: hook, type: 'filter', hook, priority: PRIORITY, policy: 'accept' })
    const compiled = compileRule([...only, ...statementsFor(request)], { family, table: name, nextSetId: () => 0, nextChainId: () => 0 })
    tx.add.rule({ family, table: name, chain: hook, expressions: [...compiled.expressions] })
  }
  await tx.commit()
}

/**
 * Makes the table. It belongs to the client where the kernel has owners (Linux 5.12), and then goes with it, whatever ends the process.
 *
 * @throws {NetlinkError} `EPERM`, and other refusals of the kernel.
 */
export async function addTraceTable(nft: Nftables, request: TraceRequest): Promise<TraceTable> {
  // No two sockets of a namespace have the same port.
  const table = { family: familyOf(request.address), name: `netplane-trace-${nft.portId}` }
  try {
    await write(nft, table, request, true)
  } catch (error) {
    if (!(error instanceof NetplaneError) || !WITHOUT_OWNERS.includes(error.code)) throw error
    await write(nft, table, request, false)
  }
  return table
}

/** Removes the table, unless another program has done so. */
export async function removeTraceTable(nft: Nftables, table: TraceTable): Promise<void> {
  const tx = nft.transaction()
  tx.delete.table(table)
  try {
    await tx.commit()
  } catch (error) {
    if (!(error instanceof NetplaneError) || error.code !== 'ENOENT') throw error
  }
}

/** The same while the process ends. What is under way then, or was refused, is given up: with an owner the table goes all the same. */
export function removeTraceTableNow(nft: Nftables, table: TraceTable): void {
  try {
    const tx = nft.transaction()
    tx.delete.table(table)
    tx.commitSync()
  } catch {
    // Nobody can be told any more.
  }
}
