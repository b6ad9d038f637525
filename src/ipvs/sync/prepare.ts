/**
 * From what is desired, and what the kernel holds or is remembered to hold, to changes.
 */
import { toList } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import { gatherRows, serverForms, serviceKeyForms, type Run } from '../column-forms.js'
import type { RealServerColumns, ServiceKeyColumns } from '../column-types.js'
import { describeServiceRow, emptyKeys, putKey } from '../keys.js'
import type { VirtualServiceKey } from '../types.js'
import { acceptAll, type Accepted } from './accept.js'
import { compareService, emptyChanges, serviceOperation, type Changes, type DiffContext } from './diff.js'
import { checkPolicies, obstacleOf } from './drain-policy.js'
import type { Drains } from './drains.js'
import { readServices } from './journal.js'
import { resolveOwns, type Owns } from './ownership.js'
import { addRun, serviceOf, type ServerRow, type ServiceRow } from './rows.js'
import type { SyncTarget } from './target.js'
import type { Desired, DesiredService, IpvsSyncOptions } from './types.js'

/** What a client remembers. */
export interface Memory {
  /** What earlier syncs were given, by key. */
  readonly services: Map<string, Accepted>
  /** Keys of those of which it is unknown what the kernel holds. */
  readonly doubtful: Set<string>
  readonly drains: Drains
  /** Whether all services were desired at once, so that what is not remembered has been looked at. */
  isWhole: boolean
}

/** What is to be done. */
export interface Prepared {
  readonly changes: Changes
  /** Desired services that were compared: all that the kernel was read for, or that differ from what is remembered. */
  readonly compared: readonly Accepted[]
  readonly isWhole: boolean
  readonly isFromMemory: boolean
  readonly notes: readonly string[]
}

/** What names a service: a row of keys. */
interface KeyRow {
  readonly services: ServiceKeyColumns
  readonly row: number
}

/** What is desired, checked. */
interface Wanted {
  readonly services: ReadonlyMap<string, Accepted>
  /** Keys to remove; undefined: all that are owned and not desired. */
  readonly removals: ReadonlyMap<string, KeyRow> | undefined
}

/** What is desired and what may be removed, checked: iterables have been read to their end, and are not asked again. */
export interface AcceptedDesired extends Wanted {
  readonly owns: Owns | undefined
}

function acceptKeys(path: string, keys: Iterable<VirtualServiceKey>): Map<string, KeyRow> {
  const list = toList(path, keys, 'an iterable of services')
  const services = emptyKeys(list.length)
  return new Map(
    list.map((key, row) => {
      putKey(`${path}[${row}]`, key, services, row)
      return [describeServiceRow(services, row), { services, row }]
    })
  )
}

async function accept(desired: Desired, slices: Slices): Promise<Wanted> {
  if (typeof (desired as unknown) !== 'object' || (desired as unknown) === null)
    throw new ValidationError('desired', desired, 'an iterable of services, or { set, delete }')
  if (Symbol.iterator in desired) return { services: await acceptAll('services', desired, slices), removals: undefined }
  for (const field in desired)
    if (field !== 'set' && field !== 'delete')
      throw new ValidationError(`desired.${field}`, (desired as Record<string, unknown>)[field], 'set and delete')
  const set: Iterable<DesiredService> = desired.set ?? []
  const services = await acceptAll('set', set, slices)
  const removals = acceptKeys('delete', desired.delete ?? [])
  for (const key of removals.keys())
    if (services.has(key)) throw new ValidationError('delete', key, 'a service is set or deleted, not both')
  return { services, removals }
}

function checkOptions({ from, onError, draining }: IpvsSyncOptions): void {
  if (from !== undefined && !['kernel', 'memory'].includes(from)) throw new ValidationError('options.from', from, "'kernel', 'memory'")
  if (onError !== undefined && !['atomic', 'isolate'].includes(onError))
    throw new ValidationError('options.onError', onError, "'atomic', 'isolate'")
  checkPolicies('options.draining', draining)
}

/** What would be left behind for ever is refused. */
async function checkOwned({ services }: Wanted, owns: Owns, slices: Slices): Promise<void> {
  await slices.each(services.values(), (service) => {
    if (!owns(serviceOf(service))) throw new ValidationError('services', service.key, 'services that the option owns covers')
  })
}

/** Reads services; undefined: all. */
async function read(target: SyncTarget, wanted: Iterable<KeyRow> | undefined, slices: Slices): Promise<Map<string, ServiceRow>> {
  if (wanted === undefined) return await readServices(target, undefined, slices)
  const runs: Run[] = []
  await slices.each(wanted, ({ services, row }) => addRun(runs, services, row))
  return await readServices(target, gatherRows(runs, serviceKeyForms) as unknown as ServiceKeyColumns, slices)
}

interface Reading {
  /** What the kernel holds, read or remembered. */
  readonly known: (key: string) => ServiceRow | undefined
  /** All that is known, of a whole comparison. */
  readonly all: () => Iterable<ServiceRow>
  readonly isFromMemory: boolean
}

async function readKernel(target: SyncTarget, { services, removals }: Wanted, slices: Slices): Promise<Reading> {
  const found = await read(target, removals === undefined ? undefined : [...services.values(), ...removals.values()], slices)
  return { known: (key) => found.get(key), all: () => found.values(), isFromMemory: false }
}

/** What the kernel holds of a remembered service: what was desired, and what drains. */
function remembered(service: Accepted, draining: readonly ServerRow[]): ServiceRow {
  if (draining.length === 0) return service
  const { key, services, row, servers, from, to } = service
  const runs: Run[] = [
    { columns: servers, from, to },
    ...draining.map((server) => ({ columns: server.servers, from: server.row, to: server.row + 1 }))
  ]
  const known = gatherRows(runs, serverForms) as unknown as RealServerColumns
  return { key, services, row, servers: known, from: 0, to: known.rows }
}

async function readMemory(memory: Memory, target: SyncTarget, { services, removals }: Wanted, slices: Slices): Promise<Reading> {
  const missing = new Map<string, KeyRow>()
  const isCertain = (key: string): boolean => memory.services.has(key) && !memory.doubtful.has(key)
  const need = (key: string, row: KeyRow): void => {
    if (!isCertain(key)) missing.set(key, row)
  }
  await slices.each(services.values(), (service) => need(service.key, service))
  await slices.each(removals ?? memory.services, ([key, service]) => need(key, service))
  const found = await read(target, missing.values(), slices)
  const known = (key: string): ServiceRow | undefined => {
    const service = memory.services.get(key)
    return service === undefined || memory.doubtful.has(key) ? found.get(key) : remembered(service, memory.drains.of(key))
  }
  const all = function* (): Generator<ServiceRow> {
    for (const key of memory.services.keys()) {
      const service = services.has(key) ? undefined : known(key)
      if (service !== undefined) yield service
    }
  }
  return { known, all, isFromMemory: true }
}

/** Services that are not desired: those that may go do. */
async function compareRemovals(
  changes: Changes,
  reading: Reading,
  { services, removals }: Wanted,
  isOwned: (service: ServiceRow) => boolean,
  slices: Slices
): Promise<void> {
  if (removals === undefined) {
    await slices.each(reading.all(), (service) => {
      if (!services.has(service.key) && isOwned(service)) changes.removeServices.push(serviceOperation('remove', service))
    })
    return
  }
  await slices.each(removals.keys(), (key) => {
    const service = reading.known(key)
    if (service === undefined) return
    if (!isOwned(service)) throw new ValidationError('delete', key, 'services that the option owns covers')
    changes.removeServices.push(serviceOperation('remove', service))
  })
}

const QUIESCENT = 'expire_quiescent_template'

/** What the caller should know about the draining of this plan. */
async function makeNotes(target: SyncTarget, { draining, removeServers }: Changes): Promise<string[]> {
  const notes = new Set<string>()
  for (const service of new Set(removeServers.flatMap(({ service: own, why }) => (why === 'at-once' ? [own] : [])))) {
    const obstacle = obstacleOf(serviceOf(service))
    if (obstacle !== undefined) notes.add(`${service.key}: real servers go at once: ${obstacle}`)
  }
  const services = [...new Set(draining.map(({ service }) => service))]
  const persistent = services.filter((service) => serviceOf(service).persistence !== null).map(({ key }) => key)
  if (persistent.length > 0 && (await target.setting(QUIESCENT)) === 0) {
    const which = persistent.length === 1 ? persistent.join('') : `${persistent[0]} and ${persistent.length - 1} more`
    notes.add(`${which}: persistent clients come back to real servers that drain until the deadline (net.ipv4.vs.${QUIESCENT} is 0)`)
  }
  return [...notes]
}

/**
 * Checks what a call was given, once, however often it is compared then.
 *
 * @throws {ValidationError} What is desired, or an option, is not what it should be.
 */
export async function acceptDesired(desired: Desired, options: IpvsSyncOptions): Promise<AcceptedDesired> {
  checkOptions(options)
  const owns = resolveOwns('options.owns', options.owns)
  const slices = new Slices()
  const wanted = await accept(desired, slices)
  if (owns !== undefined) await checkOwned(wanted, owns, slices)
  return { ...wanted, owns }
}

/**
 * Finds out what is to be done.
 *
 * @throws {ValidationError} What is to be deleted is not owned.
 * @throws The kernel cannot be read: then nothing is known, and nothing may be removed.
 */
export async function prepare(memory: Memory, target: SyncTarget, wanted: AcceptedDesired, options: IpvsSyncOptions): Promise<Prepared> {
  const { owns } = wanted
  const slices = new Slices()
  const isWhole = wanted.removals === undefined
  const mayRemember = options.from === 'memory' && (memory.isWhole || !isWhole)
  const reading = await (mayRemember ? readMemory(memory, target, wanted, slices) : readKernel(target, wanted, slices))
  const changes = emptyChanges()
  const context: DiffContext = {
    policies: options.draining ?? {},
    drainingSeconds: (key, server) => memory.drains.seconds(key, server)
  }
  const compared: Accepted[] = []
  await slices.each(wanted.services.values(), (service) => {
    if (mayRemember && memory.services.get(service.key) === service && !memory.doubtful.has(service.key)) return
    compareService(changes, reading.known(service.key), service, context)
    compared.push(service)
  })
  // A deletion that is asked for by name needs no further leave.
  const isOwned = (service: ServiceRow): boolean => owns?.(serviceOf(service)) ?? (!isWhole || memory.services.has(service.key))
  await compareRemovals(changes, reading, wanted, isOwned, slices)
  return { changes, compared, isWhole, isFromMemory: mayRemember, notes: await makeNotes(target, changes) }
}
