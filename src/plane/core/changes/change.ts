/**
 * The one form in which a change of services travels through a plane.
 */
import type { Service, Services } from '../../model.js'

/** One service before and after; absent: it was not, or is no longer, there. Both are accepted, so that a reference stands for a content. */
export interface ServiceChange {
  readonly name: string
  readonly before?: Service | undefined
  readonly after?: Service | undefined
}

/** What leads from some services to others: new and changed ones in the order of `after`, then those that go. */
export function changesBetween(before: Services, after: Services): ServiceChange[] {
  const changes: ServiceChange[] = []
  for (const [name, service] of after) {
    const old = before.get(name)
    if (old !== service) changes.push({ name, before: old, after: service })
  }
  for (const [name, service] of before) if (!after.has(name)) changes.push({ name, before: service })
  return changes
}

/** How many services changes add, change and remove. */
export function countChanges(changes: Iterable<ServiceChange>): { added: number; changed: number; removed: number } {
  const counts = { added: 0, changed: 0, removed: 0 }
  for (const { before, after } of changes) {
    if (after === undefined) counts.removed++
    else if (before === undefined) counts.added++
    else counts.changed++
  }
  return counts
}

/** Changes to the same end, from services that are not what they were when the changes were made. */
export function rebase(changes: readonly ServiceChange[], services: Services): ServiceChange[] {
  return changes.map(({ name, after }) => ({ name, before: services.get(name), after })).filter(({ before, after }) => before !== after)
}
