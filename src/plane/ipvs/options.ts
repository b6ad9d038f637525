/**
 * Options of the ipvs plane.
 */

import { requireFlag, requireKnown } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { FakeKernel } from '../../core/open.js'
import type { DrainPolicies, IpvsOptions, IpvsTimeouts } from '../../ipvs/index.js'
import { encodeTimeouts } from '../../ipvs/settings.js'
import { checkPolicies } from '../../ipvs/sync/drain-policy.js'

import { checkAuditMs, checkKernel, checkName, checkNames } from '../core/options.js'
import { requireRanges } from '../core/ranges.js'
import { isModelScheduler, type ModelScheduler } from '../model.js'
import type { SurroundingsOptions } from './layout.js'
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
export interface IpvsPlaneOptions extends Pick<IpvsOptions, 'netns' | 'deadlineMs' | 'signal'> {
  /**
   * Name of our dummy device, which holds the services' addresses; default `netplane`. 1–15 letters, digits, `-`, `_`. The tables of nf_tables beside it are called `NAME-ipvs`. Everything on
   * that device, and every virtual service at one of its addresses, is ours.
   */
  readonly name?: string | undefined
  /**
   * Prefixes whose hosts see endpoints' answers come back through this node without help. Connections from elsewhere are masqueraded. Absent: nothing is masqueraded but connections
   * of an endpoint to itself, and of this node; empty: everything is.
   */
  readonly localSources?: readonly string[] | undefined
  /** Schedulers of IPVS for those of the model; default `{ random: 'wrr', hash: 'mh', consistent: 'mh' }`. `mh` and `sh` get the flag that lets clients of a server with weight 0 go elsewhere. */
  readonly schedulers?: Readonly<Partial<Record<ModelScheduler, string>>> | undefined
  /** What becomes of endpoints that are removed. Default: UDP at once, the others within 900 seconds. */
  readonly draining?: DrainPolicies | undefined
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
  /** How often the kernel is audited, milliseconds, 100–3600000; default 10000. 0: never. IPVS has no notifications, so every audit compares everything. */
  readonly auditMs?: number | undefined
  /** Default: the kernel. */
  readonly kernel?: IpvsPlaneKernel | undefined
}

/** The schedulers, complete. */
export type SchedulerNames = Readonly<Record<ModelScheduler, string>>

/** The options, checked. */
export interface IpvsPlaneSettings {
  readonly surroundings: SurroundingsOptions
  readonly system: WantedSettings
  readonly schedulers: SchedulerNames
  readonly draining: DrainPolicies | undefined
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

/** Checks options. @throws {ValidationError} */
export function checkIpvsOptions(options: IpvsPlaneOptions): IpvsPlaneSettings {
  checkNames(options, ['schedulers', 'draining', 'strictArp', 'timeouts', 'excludeCIDRs'])
  const { netns, deadlineMs, signal, draining } = options
  const device = checkName(options.name, MAX_NAME)
  checkPolicies('draining', draining)
  return {
    surroundings: {
      device,
      table: `${device}-ipvs`,
      localSources: options.localSources === undefined ? undefined : requireRanges('localSources', options.localSources),
      excluded: requireRanges('excludeCIDRs', options.excludeCIDRs ?? [])
    },
    system: { strictArp: requireFlag('strictArp', options.strictArp), timeouts: checkTimeouts(options.timeouts) },
    schedulers: checkSchedulers(options.schedulers),
    draining,
    auditMs: checkAuditMs(options.auditMs, { min: 100, fallback: 10_000 }),
    client: { netns, deadlineMs, signal },
    kernel: checkKernel(options.kernel, ['ipvs', 'nftables', 'route'])
  }
}
