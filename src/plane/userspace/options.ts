/**
 * Options of the userspace plane.
 */
import type { AddressFamily } from '../../core/address.js'
import { requireFlag, requireInteger } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { FakeKernel } from '../../core/open.js'
import type { NftablesOptions } from '../../nftables/index.js'
import { checkAffinityClients } from '../core/affinity-clients.js'
import { FAMILIES } from '../core/frontend.js'
import type { NodeAddressChoice } from '../core/node/addresses.js'
import type { OwnAddresses } from '../core/node/conflicts.js'
import { checkReservation, type PortRange, type Ports } from '../core/node/reserved-ports.js'
import { checkAuditMs, checkKernel, checkName, checkNames, checkTransactionMs } from '../core/options.js'
import { checkTrafficOptions, type TrafficOptions } from '../core/traffic-options.js'
import { schedulersWith } from '../tables/elements/frontends.js'
import { checkTableOwner, type TableOwner } from '../tables/layout/owner.js'
import type { TableOptions } from '../tables/layout/table.js'
import type { PlaceOptions } from './places.js'
import { requireOwnNamespace } from './own-namespace.js'
import { checkOptions, MAX_SECONDS } from './relays/spec.js'
import type { RelayOptions } from './relays/types.js'

/** What stands for the kernel: fakes of `netplane/testing`, one for each subsystem. */
export interface UserspacePlaneKernel {
  readonly nftables: FakeKernel<'nftables'>
  /** Without it, this node has no addresses. */
  readonly route?: FakeKernel<'route'> | undefined
  /** Without it, no stale flows are deleted. */
  readonly conntrack?: FakeKernel<'conntrack'> | undefined
}

/** Schedulers that relays have. */
export type RelayScheduler = 'random' | 'hash'

/** Options of the userspace plane. */
export interface UserspacePlaneOptions
  extends
    Pick<TrafficOptions, 'localSources' | 'nodeAddresses' | 'ownAddresses' | 'serviceRanges'>,
    Pick<NftablesOptions, 'netns' | 'deadlineMs' | 'signal'> {
  /** What the names of our tables begin with, which are called `NAME-userspace`; default `netplane`. 1–21 letters, digits, `-`, `_`, of which the first is a letter. */
  readonly name?: string | undefined
  /** The scheduler for services that ask for one that relays lack: `consistent`, or one of IPVS; default: such services are refused. */
  readonly schedulerFallback?: RelayScheduler | undefined
  /**
   * Whether frontends of kind `node` are served at loopback addresses of this node, too, to itself alone: `127.0.0.1` and `::1`, whatever `nodeAddresses` says. Default: they are. No setting of the
   * system is needed for it, because relays are behind loopback addresses themselves.
   */
  readonly loopbackNodePorts?: boolean | undefined
  /** Limits and times of relays, and whether each connection is told as an event. */
  readonly relays?: RelayOptions | undefined
  /**
   * Whether connections to endpoints begin with a header of the PROXY protocol, version 2, that names the client, and the frontend that it asked for; of a frontend of kind `node` its port, and the address
   * `0.0.0.0` or `::`. Every frontend has relays of its own then. Services of UDP are refused. Default: they do not.
   */
  readonly proxyProtocol?: boolean | undefined
  /** Seconds that connections of an endpoint that was taken away may go on, 0–2147483; 0: they are reset at once. Default: connections of TCP until they end by themselves, and sessions of UDP 0. */
  readonly drainSeconds?: number | undefined
  /**
   * Whether the tables belong to this plane alone: as {@link NftablesPlaneOptions.tableOwner}. With `temporary` the rules end with the process, as its relays do; otherwise they lead to ports at which nobody
   * listens, or somebody else, until the next plane adopts them.
   */
  readonly tableOwner?: TableOwner | undefined
  /** Ports of this node that are kept free for frontends of kind `node`: as {@link NftablesPlaneOptions.reserveNodePorts}. */
  readonly reserveNodePorts?: readonly PortRange[] | undefined
  /** How often the kernel is audited, milliseconds, 10–3600000; default 100. 0: never. While no other process commits, an audit asks for the generation of the ruleset and nothing else. */
  readonly auditMs?: number | undefined
  /** Milliseconds that one transaction may keep other writers of nf_tables waiting: as {@link NftablesPlaneOptions.transactionMs}. */
  readonly transactionMs?: number | undefined
  /** Default: the kernel. Beside a fake, relays listen at loopback addresses of the kernel. */
  readonly kernel?: UserspacePlaneKernel | undefined
}

/** The options, checked. */
export interface UserspacePlaneSettings {
  /** But for where relays listen, which nobody knows yet. */
  readonly table: Omit<TableOptions, 'relays'>
  readonly places: PlaceOptions
  readonly relays: RelayOptions
  readonly nodeAddresses: NodeAddressChoice
  /** Families whose loopback addresses serve ports of this node. */
  readonly loopback: readonly AddressFamily[]
  readonly ownAddresses: OwnAddresses
  readonly reservedPorts: Ports | undefined
  readonly hasFallback: boolean
  readonly auditMs: number
  readonly client: NftablesOptions
}

/** The longest name: that of the table has a suffix. */
const MAX_NAME = 21
const SUFFIX = '-userspace'

function checkFallback(scheduler: unknown): RelayScheduler | undefined {
  if (scheduler === undefined || scheduler === 'random' || scheduler === 'hash') return scheduler
  throw new ValidationError('schedulerFallback', scheduler, "'random', 'hash'")
}

/** Of the tables: what they do where they balance by themselves, and what is about the source of connections. */
const FIXED_OPTIONS = {
  dropInvalid: false,
  loopbackNodePorts: false,
  forwardedMark: undefined,
  flowOffload: undefined,
  counters: false,
  marks: undefined,
  affinityClients: checkAffinityClients(undefined)
} as const

/** Checks options. @throws {ValidationError} */
export function checkUserspaceOptions(options: UserspacePlaneOptions): UserspacePlaneSettings {
  checkNames(options, [
    'nodeAddresses',
    'ownAddresses',
    'serviceRanges',
    'schedulerFallback',
    'transactionMs',
    'loopbackNodePorts',
    'relays',
    'proxyProtocol',
    'drainSeconds',
    'tableOwner',
    'reserveNodePorts'
  ])
  const { netns, deadlineMs, signal, drainSeconds } = options
  const kernel = checkKernel(options.kernel, ['nftables'])
  // What stands for the kernel has no namespaces.
  if (kernel === undefined) requireOwnNamespace(netns)
  const { nodeAddresses, ownAddresses, ...traffic } = checkTrafficOptions(options)
  const fallback = checkFallback(options.schedulerFallback)
  const schedulerOf = schedulersWith(fallback)
  return {
    table: {
      ...FIXED_OPTIONS,
      ...traffic,
      name: `${checkName(options.name, MAX_NAME)}${SUFFIX}`,
      schedulerOf,
      transactionMs: checkTransactionMs(options.transactionMs),
      tableOwner: checkTableOwner(options.tableOwner)
    },
    places: {
      schedulerOf:
        fallback === undefined ? schedulerOf : (service) => (service.scheduler === 'consistent' ? fallback : schedulerOf(service)),
      listenAddress: kernel === undefined ? { ip: '0.0.0.0', ip6: '::' } : { ip: '127.0.0.1', ip6: '::1' },
      proxyProtocol: requireFlag('proxyProtocol', options.proxyProtocol),
      drainSeconds: drainSeconds === undefined ? undefined : requireInteger('drainSeconds', drainSeconds, 0, MAX_SECONDS)
    },
    relays: options.relays === undefined ? checkOptions({}) : checkOptions(options.relays),
    nodeAddresses,
    loopback: options.loopbackNodePorts === undefined || requireFlag('loopbackNodePorts', options.loopbackNodePorts) ? FAMILIES : [],
    ownAddresses,
    reservedPorts: checkReservation(options.reserveNodePorts),
    hasFallback: fallback !== undefined,
    auditMs: checkAuditMs(options.auditMs, { min: 10, fallback: 100 }),
    client: { netns, deadlineMs, signal, kernel: kernel?.nftables }
  }
}
