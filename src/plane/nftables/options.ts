/**
 * Options of the nftables plane.
 */

import type { OwnAddresses } from '../core/node/conflicts.js'
import { requireFlag } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { FakeKernel } from '../../core/open.js'
import type { NftablesOptions } from '../../nftables/index.js'
import type { NodeAddressChoice } from '../core/node/addresses.js'
import { checkAffinityClients } from '../core/affinity-clients.js'
import { checkAuditMs, checkKernel, checkName, checkNames, checkTransactionMs } from '../core/options.js'
import { checkReservation, type PortRange, type Ports } from '../core/node/reserved-ports.js'
import { bitMask, checkTrafficOptions, TRAFFIC_OPTIONS, type TrafficOptions } from '../core/traffic-options.js'
import { isModelScheduler, MODEL_SCHEDULERS, type ModelScheduler } from '../model.js'
import { checkFlowOffload, type FlowOffloadOption } from '../tables/layout/flow-offload.js'
import { schedulersWith } from '../tables/elements/frontends.js'
import type { TableOptions } from '../tables/layout/table.js'
import { checkTableOwner, type TableOwner } from '../tables/layout/owner.js'

/** What stands for the kernel: fakes of `netplane/testing`, one for each subsystem. */
export interface NftablesPlaneKernel {
  readonly nftables: FakeKernel<'nftables'>
  /** Without it, this node has no addresses. */
  readonly route?: FakeKernel<'route'> | undefined
  /** Without it, no stale flows are deleted. */
  readonly conntrack?: FakeKernel<'conntrack'> | undefined
}

/** Options of the nftables plane. */
export interface NftablesPlaneOptions extends TrafficOptions, Pick<NftablesOptions, 'netns' | 'deadlineMs' | 'signal'> {
  /** Name of our tables, one per family; default `netplane`. 1–31 letters, digits, `-`, `_`, of which the first is a letter. */
  readonly name?: string | undefined
  /** The scheduler for services that ask for one of IPVS, which nf_tables does not have; default: such services are refused. */
  readonly schedulerFallback?: ModelScheduler | undefined
  /**
   * Whether packets of services that connection tracking calls invalid are dropped, from clients and from endpoints; default: they are left alone. A packet outside of the TCP window is not
   * translated: the client or this node would answer it with a reset that ends the connection. Every packet of this node is asked for its state then, and every endpoint is an element more.
   */
  readonly dropInvalid?: boolean | undefined
  /**
   * Whether frontends of kind `node` are served at loopback addresses of this node, too, to itself alone: `127.0.0.1`, whatever `nodeAddresses` says. Default: they are not. The plane sets
   * `net.ipv4.conf.all.route_localnet` then, drops packets to and from `127.0.0.0/8` that come by other links, notes in its table how it found the setting, and puts that back when the tables are
   * cleaned up. Of IPv4 alone: IPv6 has no such setting.
   */
  readonly loopbackNodePorts?: boolean | undefined
  /**
   * A bit, 0–31, that is set in the mark of forwarded packets of services, in both directions, before chains of priority `filter` see them; default: none. A firewall that drops what it does not know
   * accepts them by it: `meta mark & 0x20 != 0 accept` for bit 5. The plane cannot accept them itself: in nf_tables a packet must be accepted by every table.
   */
  readonly forwardedBit?: number | undefined
  /**
   * Whether established TCP and UDP connections of services are handed over to a flowtable, whose packets take a short cut past all hooks and routing; default: they are not. Needs flowtables: Linux 5.8
   * with CONFIG_NF_FLOW_TABLE, CONFIG_NF_FLOW_TABLE_INET and CONFIG_NFT_FLOW_OFFLOAD. It switches on that connection tracking counts packets.
   */
  readonly flowOffload?: FlowOffloadOption | undefined
  /**
   * Whether the tables belong to this plane alone: others may read them, and get `EPERM` for everything else; `flush ruleset` of others passes them by. Default: they belong to nobody.
   *
   * - `temporary`: they go when the plane is closed or its process ends, and so do the services. Needs Linux 5.12.
   * - `persistent`: they stay, and the next plane with this option takes them over. Needs Linux 6.9.
   */
  readonly tableOwner?: TableOwner | undefined
  /**
   * How many clients of services with affinity are remembered, 1024–16777216; default 196608. Further ones are balanced as if they were new, which event `affinityFull` says. It counts for each family,
   * and once more for frontends of kind `node`. The kernel takes 8 bytes for each place, of which there is a power of two not smaller than 4/3 as many (2 MiB a map with the default), and about 100 bytes (IPv6: 130) for
   * each client that it remembers. Another number than that of an earlier process makes the tables anew with the first `sync`; clients stay.
   */
  readonly affinityClients?: number | undefined
  /**
   * Whether new connections are counted, for {@link Plane.counters}; default false. Another value than that of an earlier process makes the tables anew with the first `sync`. The sets for it take 20 MiB
   * of the kernel's memory at once, and each frontend and endpoint that is in use about 100 bytes.
   */
  readonly counters?: boolean | undefined
  /**
   * Ports of this node, as a rule the range out of which ports of frontends of kind `node` are given (30000–32767), that the kernel shall give to no connection of a local process by itself: they are added
   * to `net.ipv4.ip_local_reserved_ports` with the first `sync`, looked after with audits, and taken back by `close({ cleanup: true })`, unless others had reserved them. A process can still bind one by its
   * number. Where the setting cannot be written, an event `error` says so. Default: none, and those of an earlier process are taken back. On a fake kernel nothing is reserved.
   */
  readonly reserveNodePorts?: readonly PortRange[] | undefined
  /** How often the kernel is audited, milliseconds, 10–3600000; default 100. 0: never. While no other process commits, an audit asks for the generation of the ruleset and nothing else. */
  readonly auditMs?: number | undefined
  /**
   * Milliseconds, 1–60000, that one transaction may keep other writers of nf_tables waiting; default 100. The plane follows how fast the kernel takes its transactions, and makes each so large that it should
   * not last longer. What packets must meet at once stays in one, however long that takes: a set that takes the place of a smaller one, and tables that take the place of others.
   */
  readonly transactionMs?: number | undefined
  /** Default: the kernel. */
  readonly kernel?: NftablesPlaneKernel | undefined
}

/** The options, checked. */
export interface NftablesPlaneSettings {
  readonly table: TableOptions
  readonly nodeAddresses: NodeAddressChoice
  readonly ownAddresses: OwnAddresses
  readonly reservedPorts: Ports | undefined
  /** Whether schedulers of IPVS are replaced by others. */
  readonly hasFallback: boolean
  readonly auditMs: number
  readonly client: NftablesOptions
}

function checkFallback(scheduler: unknown): ModelScheduler | undefined {
  if (scheduler === undefined) return undefined
  if (typeof scheduler === 'string' && isModelScheduler(scheduler)) return scheduler
  throw new ValidationError('schedulerFallback', scheduler, MODEL_SCHEDULERS.map((name) => `'${name}'`).join(', '))
}

/** Rules that keep others from loopback addresses must not go before the setting that lets them in. */
function checkOwned(options: NftablesPlaneOptions): Pick<TableOptions, 'tableOwner' | 'loopbackNodePorts'> {
  const tableOwner = checkTableOwner(options.tableOwner)
  const loopbackNodePorts = requireFlag('loopbackNodePorts', options.loopbackNodePorts)
  if (loopbackNodePorts && tableOwner === 'temporary')
    throw new ValidationError(
      'tableOwner',
      tableOwner,
      "'persistent' or nothing beside loopbackNodePorts, whose rules must outlive the process"
    )
  return { tableOwner, loopbackNodePorts }
}

/** Checks options. @throws {ValidationError} */
export function checkNftablesOptions(options: NftablesPlaneOptions): NftablesPlaneSettings {
  checkNames(options, [
    ...TRAFFIC_OPTIONS,
    'schedulerFallback',
    'affinityClients',
    'counters',
    'transactionMs',
    'reserveNodePorts',
    'dropInvalid',
    'loopbackNodePorts',
    'tableOwner',
    'forwardedBit',
    'flowOffload'
  ])
  const { netns, deadlineMs, signal } = options
  const kernel = checkKernel(options.kernel, ['nftables'])
  const { nodeAddresses, ownAddresses, ...traffic } = checkTrafficOptions(options)
  const fallback = checkFallback(options.schedulerFallback)
  return {
    table: {
      name: checkName(options.name, 31),
      schedulerOf: schedulersWith(fallback),
      dropInvalid: requireFlag('dropInvalid', options.dropInvalid),
      forwardedMark: bitMask('forwardedBit', options.forwardedBit),
      flowOffload: checkFlowOffload(options.flowOffload),
      ...checkOwned(options),
      affinityClients: checkAffinityClients(options.affinityClients),
      counters: requireFlag('counters', options.counters),
      transactionMs: checkTransactionMs(options.transactionMs),
      marks: undefined,
      relays: undefined,
      ...traffic
    },
    nodeAddresses,
    ownAddresses,
    hasFallback: fallback !== undefined,
    reservedPorts: checkReservation(options.reserveNodePorts),
    auditMs: checkAuditMs(options.auditMs, { min: 10, fallback: 100 }),
    client: { netns, deadlineMs, signal, kernel: kernel?.nftables }
  }
}
