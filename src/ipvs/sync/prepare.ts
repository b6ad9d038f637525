/**
 * From what is desired, and what the kernel holds or is remembered to hold, to changes.
 */
import { ValidationError } from '../../errors.js'
import { Slices } from '../../slices.js'
import { describeService, decodeKey, emptyKeys, putKey } from '../keys.js'
import { decodeListing } from '../listing.js'
import type { VirtualServiceKey, VirtualServiceListing } from '../types.js'
import { acceptAll, type Accepted } from './accept.js'
import { compareService, emptyChanges, removeService, type Changes, type DiffContext, type KnownService } from './diff.js'
import { checkPolicies, obstacleOf } from './drain-policy.js'
import type { Drains } from './drains.js'
import { resolveOwns, type Owns } from './ownership.js'
import type { SyncTarget } from './target.js'
import type { Desired, DesiredService, IpvsSyncOptions } from './types.js'

/** A service that an earlier sync was given. */
interface Remembered {
  readonly accepted: Accepted
  /** Whether the kernel holds it so, as far as this client knows. */
  readonly isCertain: boolean
}

/** What a client remembers. */
export interface Memory {
  /** By key. */
  readonly services: Map<string, Remembered>
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

/** What is desired, checked. */
interface Wanted {
  readonly services: ReadonlyMap<string, Accepted>
  /** Keys to remove; undefined: all that are owned and not desired. */
  readonly removals: ReadonlyMap<string, VirtualServiceKey> | undefined
}

function acceptKeys(path: string, keys: Iterable<VirtualServiceKey>): Map<string, VirtualServiceKey> {
  if (typeof keys === 'string' || typeof (keys as unknown) !== 'object' || !(Symbol.iterator in keys))
    throw new ValidationError(path, keys, 'an iterable of services')
  const list = [...keys]
  const columns = emptyKeys(list.length)
  return new Map(
    list.map((key, row) => {
      putKey(`${path}[${row}]`, key, columns, row)
      const canonical = decodeKey(columns, row)
      return [describeService(canonical), canonical]
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
  await slices.each(services.values(), ({ service, key }) => {
    if (!owns(service)) throw new ValidationError('services', key, 'services that the option owns covers')
  })
}

async function read(
  target: SyncTarget,
  keys: readonly VirtualServiceKey[] | undefined,
  slices: Slices
): Promise<Map<string, VirtualServiceListing>> {
  const found = new Map<string, VirtualServiceListing>()
  if (keys?.length === 0) return found
  const columns = keys === undefined ? undefined : emptyKeys(keys.length)
  if (columns !== undefined) await slices.each(keys ?? [], (key, row) => putKey('services', key, columns, row))
  const listed = await decodeListing(await target.list(columns), slices)
  await slices.each(listed, (service) => found.set(describeService(service), service))
  return found
}

function asKnown(listing: VirtualServiceListing | undefined): KnownService | undefined {
  return listing === undefined ? undefined : { service: listing, servers: listing.realServers }
}

/** What the kernel holds, read or remembered. */
type Known = (key: string) => KnownService | undefined

interface Reading {
  readonly known: Known
  /** All that is known, of a whole comparison. */
  readonly all: () => Iterable<readonly [key: string, service: KnownService]>
  readonly isFromMemory: boolean
}

async function readKernel(target: SyncTarget, { services, removals }: Wanted, slices: Slices): Promise<Reading> {
  const keys = removals === undefined ? undefined : [...[...services.values()].map(({ service }) => service), ...removals.values()]
  const found = await read(target, keys, slices)
  const known: Known = (key) => asKnown(found.get(key))
  const all = function* (): Generator<readonly [string, KnownService]> {
    for (const [key, listing] of found) yield [key, { service: listing, servers: listing.realServers }]
  }
  return { known, all, isFromMemory: false }
}

async function readMemory(memory: Memory, target: SyncTarget, { services, removals }: Wanted, slices: Slices): Promise<Reading> {
  const missing = new Map<string, VirtualServiceKey>()
  const need = (key: string, service: VirtualServiceKey): void => {
    if (memory.services.get(key)?.isCertain !== true) missing.set(key, service)
  }
  await slices.each(services.values(), ({ key, service }) => need(key, service))
  if (removals === undefined) await slices.each(memory.services, ([key, { accepted }]) => need(key, accepted.service))
  else await slices.each(removals, ([key, service]) => need(key, service))
  const found = await read(target, [...missing.values()], slices)
  const known: Known = (key) => {
    const remembered = memory.services.get(key)
    if (remembered?.isCertain !== true) return asKnown(found.get(key))
    const { service, servers } = remembered.accepted
    return { service, servers: [...servers, ...memory.drains.of(key)] }
  }
  const all = function* (): Generator<readonly [string, KnownService]> {
    for (const key of memory.services.keys()) {
      if (services.has(key)) continue
      const service = known(key)
      if (service !== undefined) yield [key, service]
    }
  }
  return { known, all, isFromMemory: true }
}

/** Services that are not desired: those that may go do. */
async function compareRemovals(
  changes: Changes,
  reading: Reading,
  { services, removals }: Wanted,
  isOwned: (key: string, service: KnownService) => boolean,
  slices: Slices
): Promise<void> {
  if (removals === undefined) {
    await slices.each(reading.all(), ([key, service]) => {
      if (!services.has(key) && isOwned(key, service)) removeService(changes, key, service)
    })
    return
  }
  await slices.each(removals.keys(), (key) => {
    const service = reading.known(key)
    if (service === undefined) return
    if (!isOwned(key, service)) throw new ValidationError('delete', key, 'services that the option owns covers')
    removeService(changes, key, service)
  })
}

const QUIESCENT = 'expire_quiescent_template'

/** What the caller should know about the draining of this plan. */
async function makeNotes(target: SyncTarget, { draining, removeServers }: Changes): Promise<string[]> {
  const notes = new Set<string>()
  for (const { key, service, why } of removeServers) {
    const obstacle = why === 'at-once' ? obstacleOf(service) : undefined
    if (obstacle !== undefined) notes.add(`${key}: real servers go at once: ${obstacle}`)
  }
  const persistent = [...new Set(draining.filter(({ service }) => service.persistence !== null).map(({ key }) => key))]
  if (persistent.length > 0 && (await target.setting(QUIESCENT)) === 0) {
    const which = persistent.length === 1 ? persistent.join('') : `${persistent[0]} and ${persistent.length - 1} more`
    notes.add(`${which}: persistent clients come back to real servers that drain until the deadline (net.ipv4.vs.${QUIESCENT} is 0)`)
  }
  return [...notes]
}

/**
 * Finds out what is to be done.
 *
 * @throws {ValidationError} What is desired, or an option, is not what it should be.
 * @throws The kernel cannot be read: then nothing is known, and nothing may be removed.
 */
export async function prepare(memory: Memory, target: SyncTarget, desired: Desired, options: IpvsSyncOptions): Promise<Prepared> {
  checkOptions(options)
  const owns = resolveOwns('options.owns', options.owns)
  const slices = new Slices()
  const wanted = await accept(desired, slices)
  if (owns !== undefined) await checkOwned(wanted, owns, slices)
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
    const remembered = mayRemember ? memory.services.get(service.key) : undefined
    if (remembered?.isCertain === true && remembered.accepted === service) return
    compareService(changes, reading.known(service.key), service, context)
    compared.push(service)
  })
  // A deletion that is asked for by name needs no further leave.
  const isOwned = (key: string, { service }: KnownService): boolean => owns?.(service) ?? (!isWhole || memory.services.has(key))
  await compareRemovals(changes, reading, wanted, isOwned, slices)
  return { changes, compared, isWhole, isFromMemory: mayRemember, notes: await makeNotes(target, changes) }
}
