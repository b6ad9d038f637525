/**
 * Options of the ipvs plane.
 */

import { requireFlag, requireKnown } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { FakeKernel } from '../../core/open.js'
import type { IpvsOptions, IpvsTimeouts } from '../../ipvs/index.js'
import { encodeTimeouts } from '../../ipvs/settings.js'

import { checkAuditMs, checkKernel, checkName, checkNames, checkTransactionMs } from '../core/options.js'
import { requireRanges, type RangesByFamily } from '../core/ranges.js'
import { isModelScheduler, type ModelScheduler, type Scheduler } from '../model.js'
import { checkDraining, DrainChoice, type DrainingOption } from './drain-choice.js'
import { checkScheduler, type SchedulerSettings } from './schedulers.js'
import { checkReservation, type PortRange, type Ports } from '../core/node/reserved-ports.js'
import type { NodeAddressChoice } from '../core/node/addresses.js'
import type { OwnAddresses } from '../core/node/conflicts.js'
import { checkTrafficOptions, TRAFFIC_OPTIONS, type TrafficOptions } from '../core/traffic-options.js'
import { checkAffinityClients } from '../core/affinity-clients.js'
import type { TableOptions } from '../tables/layout/table.js'
import { Marks } from './marks.js'
import type { WantedSettings } from './settings/table.js'

/** What stands for the kernel: fakes of `netplane/testing`, one for each subsystem. */
export interface IpvsPlaneKernel {
  readonly ipvs: NonNullable<IpvsOptions['kernel']>
  readonly nftables: FakeKernel<'nftables'>
  readonly route: FakeKernel<'route'>
  /** Without it, no stale flows are deleted. */
  readonly conntrack?: FakeKernel<'conntrack'> | undefined
}

/** Options of the ipvs plane. */
export interface IpvsPlaneOptions extends TrafficOptions, Pick<IpvsOptions, 'netns' | 'deadlineMs' | 'signal'> {
  /**
   * Name of our dummy device, which holds the services' addresses; default `netplane`. 1–15 letters, digits, `-`, `_`. The tables of nf_tables beside it are called `NAME-ipvs`. Everything on
   * that device, and every virtual service at one of its addresses, is ours.
   */
  readonly name?: string | undefined
  /** Schedulers of IPVS for those of the model; default `{ random: 'wrr', hash: 'mh', consistent: 'mh' }`. `mh` and `sh` get the flag that lets clients of a server with weight 0 go elsewhere. */
  readonly schedulers?: Readonly<Partial<Record<ModelScheduler, string>>> | undefined
  /** The scheduler of services that name none, one of the model or of IPVS; default `random`. */
  readonly scheduler?: Scheduler | undefined
  /**
   * The scheduler in the place of one that the kernel lacks, because it was built without that module (`ip_vs_fo` for `fo`) or cannot load it; one of the model or of IPVS. Default: a service that asks for
   * such a scheduler is refused by a `NetlinkError` `ENOENT` that names the module. Each plane asks the kernel once for each scheduler, before it writes the first service that asks for that; event
   * `schedulerMissing` and `status().details.missingSchedulers` say what the kernel lacks. Once the module can be had, the next plane takes it. IPVS without IPv6 (CONFIG_IP_VS_IPV6) cannot be asked.
   */
  readonly schedulerFallback?: Scheduler | undefined
  /**
   * What becomes of endpoints that are removed, by protocol, or by a function that is asked once for each service object, before anything is written; where it gives nothing the default holds. A service for
   * which it throws, or gives something else, is in quarantine. Default: UDP at once, the others within 900 seconds. A deadline counts from the moment at which this plane first saw the endpoint drain: it begins
   * again with the first `sync` of a process that starts anew, so that connections never end before it.
   */
  readonly draining?: DrainingOption | undefined
  /**
   * Prefixes that are left to others: virtual services there, and addresses there on our device, are neither changed nor removed, not even those that an earlier process made. A service with a frontend there is
   * refused. Default: none. Virtual services at addresses that no service of ours has need no such option.
   */
  readonly excludeCIDRs?: readonly string[] | undefined
  /**
   * Whether this node answers ARP for an address only on the link that has it (`net.ipv4.conf.all.arp_ignore` 1, `arp_announce` 2); default false: they are left alone. Needed where addresses of services lie in
   * a subnet of one of this node's links, and another host answers for them. It holds for all addresses of the namespace, and is put back by `close({ cleanup: true })`.
   */
  readonly strictArp?: boolean | undefined
  /**
   * Seconds after which IPVS forgets connections without traffic, 1–2147483 each; what is absent is left as it is (the kernel's defaults are 900 for TCP, 120 after a FIN, 300 for UDP). They hold for all virtual
   * services of the namespace, those of others included, and are put back by `close({ cleanup: true })`.
   */
  readonly timeouts?: Partial<IpvsTimeouts> | undefined
  /**
   * How many clients of services with affinity the tables remember, 1024–16777216; default 196608. They remember those of frontends of kind `node`, and those from outside where the policy is `local`; IPVS
   * remembers all others by itself, without a bound. What {@link NftablesPlaneOptions.affinityClients} says of time and memory holds here too.
   */
  readonly affinityClients?: number | undefined
  /** Ports of this node that are kept free for frontends of kind `node`: as {@link NftablesPlaneOptions.reserveNodePorts}. */
  readonly reserveNodePorts?: readonly PortRange[] | undefined
  /** How often the kernel is audited, milliseconds, 100–3600000; default 10000. 0: never. IPVS has no notifications: every audit looks at some services, and compares everything as often as that takes less than a hundredth of one processor. */
  readonly auditMs?: number | undefined
  /** Milliseconds that one transaction may keep other writers of nf_tables waiting: as {@link NftablesPlaneOptions.transactionMs}. */
  readonly transactionMs?: number | undefined
  /** Default: the kernel. */
  readonly kernel?: IpvsPlaneKernel | undefined
}

/** The schedulers, complete. */
export type SchedulerNames = Readonly<Record<ModelScheduler, string>>

/** The options, checked. */
export interface IpvsPlaneSettings {
  /** Name of the device. */
  readonly device: string
  /** Addresses that are left to others. */
  readonly excluded: RangesByFamily
  readonly table: TableOptions
  readonly nodeAddresses: NodeAddressChoice
  readonly ownAddresses: OwnAddresses
  readonly reservedPorts: Ports | undefined
  readonly system: WantedSettings
  readonly schedulers: SchedulerSettings
  readonly draining: DrainChoice
  readonly auditMs: number
  readonly client: Pick<IpvsOptions, 'netns' | 'deadlineMs' | 'signal'>
  readonly kernel: IpvsPlaneKernel | undefined
}

/** Of the device (IFNAMSIZ, less the NUL). */
const MAX_NAME = 15

function checkSchedulers(schedulers: unknown): SchedulerNames {
  const names: Record<ModelScheduler, string> = { random: 'wrr', hash: 'mh', consistent: 'mh' }
  if (schedulers === undefined) return names
  if (typeof schedulers !== 'object' || schedulers === null)
    throw new ValidationError('schedulers', schedulers, 'names by random, hash and consistent')
  for (const [key, value] of Object.entries(schedulers) as [string, unknown][]) {
    if (!isModelScheduler(key)) throw new ValidationError(`schedulers.${key}`, value, 'a name for random, hash or consistent')
    if (value === undefined) continue
    if (typeof value !== 'string' || !/^[a-z0-9_]{1,15}$/.test(value))
      throw new ValidationError(`schedulers.${key}`, value, 'a name such as wrr, lc or mh')
    names[key] = value
  }
  return names
}

function checkTimeouts(timeouts: Partial<IpvsTimeouts> | undefined): Partial<IpvsTimeouts> | undefined {
  if (timeouts === undefined) return undefined
  encodeTimeouts(timeouts)
  requireKnown('timeouts.', timeouts, ['tcpSeconds', 'tcpFinSeconds', 'udpSeconds'])
  return { ...timeouts }
}

/** Of the tables: what they do where they balance by themselves. IPVS has every scheduler, and counts. */
const FIXED_OPTIONS = {
  schedulerOf: (): ModelScheduler => 'random',
  dropInvalid: false,
  loopbackNodePorts: false,
  tableOwner: undefined,
  forwardedMark: undefined,
  flowOffload: undefined,
  counters: false
} as const

/** Checks options. @throws {ValidationError} */
export function checkIpvsOptions(options: IpvsPlaneOptions): IpvsPlaneSettings {
  checkNames(options, [
    ...TRAFFIC_OPTIONS,
    'schedulers',
    'scheduler',
    'schedulerFallback',
    'transactionMs',
    'draining',
    'strictArp',
    'timeouts',
    'excludeCIDRs',
    'affinityClients',
    'reserveNodePorts'
  ])
  const { netns, deadlineMs, signal, draining } = options
  const device = checkName(options.name, MAX_NAME)
  const { nodeAddresses, ownAddresses, ...traffic } = checkTrafficOptions(options)
  return {
    device,
    excluded: requireRanges('excludeCIDRs', options.excludeCIDRs ?? []),
    table: {
      ...FIXED_OPTIONS,
      name: `${device}-ipvs`,
      affinityClients: checkAffinityClients(options.affinityClients),
      transactionMs: checkTransactionMs(options.transactionMs),
      marks: new Marks(),
      relays: undefined,
      ...traffic
    },
    nodeAddresses,
    ownAddresses,
    reservedPorts: checkReservation(options.reserveNodePorts),
    system: { strictArp: requireFlag('strictArp', options.strictArp), timeouts: checkTimeouts(options.timeouts) },
    schedulers: {
      names: checkSchedulers(options.schedulers),
      usual: checkScheduler('scheduler', options.scheduler) ?? 'random',
      fallback: checkScheduler('schedulerFallback', options.schedulerFallback)
    },
    draining: new DrainChoice(checkDraining(draining)),
    auditMs: checkAuditMs(options.auditMs, { min: 100, fallback: 10_000 }),
    client: { netns, deadlineMs, signal },
    kernel: checkKernel(options.kernel, ['ipvs', 'nftables', 'route'])
  }
}
