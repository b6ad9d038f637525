/**
 * What a call says is to be, as it was when the call was made: lists and maps may change before it is its turn. The services themselves are looked at in its turn.
 */
import { types } from 'node:util'
import { requireFields, requireKnown, toList } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import type { Service, Services } from '../../model.js'
import type { ServiceUpdate } from '../../types.js'

/** An update, checked but for its services. */
export interface CheckedUpdate {
  readonly set: ReadonlyMap<string, Service>
  /** Names of services to delete. */
  readonly gone: readonly string[]
}

/** A copy that nobody else has, for the plane to keep. */
export type TakenServices = Map<string, Service>

/** Checks that services are a Map, of any realm, and takes a copy of it, in the order of their priorities. @throws {ValidationError} */
export function takeServices(services: Services): TakenServices {
  if (!types.isMap(services)) throw new ValidationError('services', services, 'a Map of services by their names')
  const given = services as ReadonlyMap<unknown, Service>
  const prior: [name: string, service: Service, priority: number][] = []
  for (const [name, service] of given) {
    if (typeof name !== 'string') throw new ValidationError('services', name, 'names of services as the keys of the Map')
    const priority = priorityOf(service)
    if (priority !== 0) prior.push([name, service, priority])
  }
  return prior.length === 0 ? new Map(given as ReadonlyMap<string, Service>) : inOrder(given as ReadonlyMap<string, Service>, prior)
}

/** Of a service that was not checked yet: it may be anything. */
function priorityOf(service: Service): number {
  try {
    const { priority } = service
    return typeof priority === 'number' && Number.isFinite(priority) ? priority : 0
  } catch {
    return 0
  }
}

/** Services with a higher priority first; else as they stand. Those with one are few, and the others are not compared. @param prior Those with another priority than 0. */
function inOrder(
  services: ReadonlyMap<string, Service>,
  prior: [name: string, service: Service, priority: number][]
): Map<string, Service> {
  prior.sort(([, , left], [, , right]) => right - left)
  const ordered = new Map<string, Service>()
  for (const [name, service, priority] of prior) if (priority > 0) ordered.set(name, service)
  // Those that stand there already keep their place.
  for (const [name, service] of services) ordered.set(name, service)
  for (const [name, service, priority] of prior) if (priority < 0 && ordered.delete(name)) ordered.set(name, service)
  return ordered
}

function nameOf(path: string, service: unknown): string {
  let name: unknown
  try {
    name = (service as Partial<Service> | null | undefined)?.name
  } catch {
    // A getter of the caller's: it has no name, either.
  }
  if (typeof name === 'string') return name
  throw new ValidationError(path, service, 'a service with a name')
}

/** Checks an update and takes a copy of its lists. @throws {ValidationError} */
export function takeUpdate(update: ServiceUpdate): CheckedUpdate {
  requireFields('update', update, '{ set, delete }')
  requireKnown('update.', update, ['set', 'delete'])
  const { set: given = [], delete: names = [] } = update
  const set = new Map<string, Service>()
  for (const [index, service] of toList('update.set', given).entries()) {
    const path = `update.set[${index}]`
    const name = nameOf(path, service)
    if (set.has(name)) throw new ValidationError(`${path}.name`, name, 'each service once')
    set.set(name, service)
  }
  const gone = toList('update.delete', names)
  for (const [index, name] of gone.entries()) {
    const path = `update.delete[${index}]`
    if (typeof (name as unknown) !== 'string') throw new ValidationError(path, name, 'the name of a service')
    if (set.has(name)) throw new ValidationError(path, name, 'a service that is not set by the same call')
  }
  return { set, gone }
}
