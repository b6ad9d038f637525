/**
 * Virtual services, changed from what is remembered and put back where that fails.
 */
import { NetlinkError, NetplaneError, TransactionError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import type { DesiredService, IpvsSyncReport } from '../../ipvs/index.js'
import { whenSent, type FollowedSyncOptions } from '../../ipvs/sync/followed.js'
import { BackendFailure, type Refusal } from '../core/backend.js'
import type { ServiceChange } from '../core/changes/change.js'
import type { Run } from '../core/run.js'
import type { Service } from '../model.js'
import { virtualServiceName, type VirtualServices } from './compile.js'
import type { Subsystems } from './inspect.js'

export const AT_ONCE = { tcp: 'at-once', udp: 'at-once', sctp: 'at-once' } as const

/** Refusals that no single service is to blame for. */
const WHOLE = new Set(['EPERM', 'ENOMEM', 'ENOBUFS', 'EACCES'])
/** Refusals that say that the kernel is not as it was left. */
const STALE = new Set(['ENOENT', 'EEXIST', 'ENODEV', 'EADDRNOTAVAIL', 'EINTR', 'EBUSY', 'ESRCH'])

/** What a failure means. @param isKnown Nothing of it is in the kernel. */
export function failureOf(error: unknown, isKnown: boolean): BackendFailure {
  if (error instanceof BackendFailure) return isKnown ? error : error.unknown()
  if (error instanceof NetlinkError && !error.outcomeUnknown && STALE.has(error.code)) return new BackendFailure('again', false, error)
  return new BackendFailure('final', isKnown, error)
}

/** The virtual services before or after changes. */
function virtualOf({ virtual }: Subsystems, changes: readonly ServiceChange[], side: 'before' | 'after'): DesiredService[] {
  return changes.flatMap(({ [side]: service }) => (service === undefined ? [] : virtual.of(service)))
}

/** Puts virtual services in place of others, which may be the same ones with other settings. */
async function exchange(
  subsystems: Subsystems,
  before: readonly DesiredService[],
  after: readonly DesiredService[],
  options: Pick<FollowedSyncOptions, 'draining' | 'onError' | 'signal' | typeof whenSent>
): Promise<IpvsSyncReport> {
  const kept = new Set(after.map(virtualServiceName))
  const change = { set: after, delete: before.filter((service) => !kept.has(virtualServiceName(service))) }
  return await subsystems.ipvs.sync(change, { ...options, owns: () => true, from: 'memory' })
}

/** Lets a call say how far it is with its virtual services. */
export function followedBy(run: Run): Pick<FollowedSyncOptions, typeof whenSent> {
  return { [whenSent]: (part) => run.advance?.addPart(part) }
}

/** Changes virtual services from what is remembered. */
export async function changeVirtual(subsystems: Subsystems, changes: readonly ServiceChange[], run: Run): Promise<IpvsSyncReport> {
  const slices = new Slices()
  await slices.each(changes, ({ after }) => after !== undefined && subsystems.virtual.of(after))
  const before = virtualOf(subsystems, changes, 'before')
  const after = virtualOf(subsystems, changes, 'after')
  run.checkpoint()
  const { signal, isAtomic } = run
  const options = { draining: subsystems.draining, onError: isAtomic ? ('atomic' as const) : ('isolate' as const), signal }
  return await exchange(subsystems, before, after, { ...options, ...followedBy(run) })
}

/** Notes what a sync did; throws where it ended early. */
export function finish(report: IpvsSyncReport, run: Run): IpvsSyncReport {
  if (report.systemCalls > 0) run.wrote('virtual services and real servers', report.systemCalls, 0)
  if (report.stopped === undefined) return report
  if (run.signal?.aborted === true) run.checkpoint()
  throw new BackendFailure('final', false, report.stopped)
}

/**
 * The services of which a part was refused.
 *
 * @param services Whose virtual services were asked for, and those that were there before.
 * @throws {BackendFailure} The kernel refuses the whole.
 */
export function refusalsOf({ failed }: IpvsSyncReport, services: Iterable<Service | undefined>, virtual: VirtualServices): Refusal[] {
  if (failed.length === 0) return []
  const owners = new Map<string, string>()
  for (const service of services) {
    if (service === undefined) continue
    for (const one of virtual.of(service)) owners.set(virtualServiceName(one), service.name)
  }
  const refusals = new Map<string, Refusal>()
  for (const { service, errors, unknown } of failed) {
    const whole = errors.find(({ code }) => WHOLE.has(code))
    if (whole !== undefined) throw new BackendFailure('final', false, whole)
    if (errors.length === 0 || unknown.length > 0)
      throw new BackendFailure(
        'final',
        false,
        errors[0] ?? new NetplaneError('ERR_NETPLANE_INTERNAL', `what became of ${virtualServiceName(service)} is unknown`)
      )
    const name = owners.get(virtualServiceName(service))
    if (name === undefined) throw new BackendFailure('final', false, errors[0])
    if (!refusals.has(name)) refusals.set(name, { service: name, error: errors[0]! })
  }
  return [...refusals.values()]
}

/** Puts services back as they were before the changes. @throws {BackendFailure} That is not possible: something of the changes is left, whatever became of this. */
export async function putBack(
  subsystems: Subsystems,
  changes: readonly ServiceChange[],
  kept: readonly ServiceChange[],
  run: Run
): Promise<void> {
  const taken = new Set(virtualOf(subsystems, kept, 'after').map(virtualServiceName))
  const isFree = (service: DesiredService): boolean => !taken.has(virtualServiceName(service))
  const now = virtualOf(subsystems, changes, 'after').filter(isFree)
  const before = virtualOf(subsystems, changes, 'before').filter(isFree)
  try {
    const report = await exchange(subsystems, now, before, { draining: AT_ONCE, onError: 'isolate' })
    finish(report, run)
    if (report.failed.length > 0) throw report.failed[0]!.errors[0] ?? new Error('a service could not be put back')
  } catch (error) {
    throw failureOf(error, false)
  }
}

/** Whether an error of a sync says that everything is as before. */
export function isUndone(error: unknown): boolean {
  if (error instanceof TransactionError) return error.applied.length === 0 && error.unknown.length === 0
  return error instanceof NetlinkError && !error.outcomeUnknown
}
