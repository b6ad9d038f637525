/**
 * Options of the IPVS plane, and their checks.
 */
import { ValidationError } from '../../errors.js'
import type { DrainPolicies, IpvsOptions } from '../../ipvs/index.js'
import type { NftablesKernel } from '../../nftables/index.js'
import type { RouteKernel } from '../../route/index.js'
import type { Scheduler } from '../model.js'

/** What stands for the kernel: fakes of `netplane/testing`, one for each subsystem. */
export interface IpvsPlaneKernels {
  readonly ipvs: NonNullable<IpvsOptions['kernel']>
  readonly nftables: NftablesKernel
  readonly route: RouteKernel
}

/** Options of the IPVS plane. */
export interface IpvsPlaneOptions extends Pick<IpvsOptions, 'netns' | 'deadlineMs' | 'signal'> {
  /**
   * Name of our dummy device, which holds the services' addresses; default `netplane`. 1–15 letters, digits, `-`, `_`. The tables of nf_tables beside it are called `NAME-ipvs`. Everything on
   * that device, and every virtual service at one of its addresses, is ours.
   */
  readonly name?: string | undefined
  /**
   * Prefixes whose hosts see endpoints' answers come back through this node without help. Connections from elsewhere are masqueraded. Absent: nothing is masqueraded but connections
   * of an endpoint to itself, and of this node; empty: everything is. Needs the sysctl `net.ipv4.vs.conntrack`, which the plane sets.
   */
  readonly localSources?: readonly string[] | undefined
  /** Schedulers of IPVS for those of the model; default `{ random: 'wrr', hash: 'mh' }`. `mh` and `sh` get the flag that lets clients of a server with weight 0 go elsewhere. */
  readonly schedulers?: Readonly<Partial<Record<Scheduler, string>>> | undefined
  /** What becomes of endpoints that are removed. Default: UDP at once, the others within 900 seconds. */
  readonly draining?: DrainPolicies | undefined
  /** How often the kernel is compared with what was committed, milliseconds, 100–3600000; default 10000. 0: never. IPVS tells nobody of changes. */
  readonly auditMs?: number | undefined
  readonly kernels?: IpvsPlaneKernels | undefined
}

/** The schedulers, complete. */
export type SchedulerNames = Readonly<Record<Scheduler, string>>

/** Checks an option. @throws {ValidationError} */
export function checkSchedulers(schedulers: unknown): SchedulerNames {
  const names: Record<Scheduler, string> = { random: 'wrr', hash: 'mh' }
  if (schedulers === undefined) return names
  if (typeof schedulers !== 'object' || schedulers === null) throw new ValidationError('schedulers', schedulers, 'names by random and hash')
  for (const [key, value] of Object.entries(schedulers) as [string, unknown][]) {
    if (key !== 'random' && key !== 'hash') throw new ValidationError(`schedulers.${key}`, value, 'a name for random or hash')
    if (value === undefined) continue
    if (typeof value !== 'string' || !/^[a-z0-9_]{1,15}$/.test(value))
      throw new ValidationError(`schedulers.${key}`, value, 'a name such as wrr, lc or mh')
    names[key] = value
  }
  return names
}
