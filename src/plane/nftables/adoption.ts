/**
 * A plan over what another process left in the kernel: services are not rebuilt from elements, so the elements say what differs.
 */
import type { PlanEntry } from '../plan.js'
import type { SyncReport } from '../types.js'
import { PHASES, type Changes, type SetTables } from './changes.js'
import { isNamed } from './compile.js'
import { commentOf } from './comment.js'
import { frontendOfKey } from './commits.js'
import type { Registry } from './registry.js'

interface Difference {
  added: number
  removed: number
}

/** Names the services whose elements differ. Those of services that are no longer desired are known by their comments. */
export function adoptionEntries(changes: Changes, kernel: SetTables, target: Registry): PlanEntry[] {
  const differences = new Map<string, Difference>()
  const count = (service: string | undefined, field: keyof Difference): void => {
    if (service === undefined) return
    const difference = differences.get(service) ?? { added: 0, removed: 0 }
    difference[field]++
    differences.set(service, difference)
  }
  for (const phase of PHASES) {
    for (const { family, set, add, remove } of changes.phase(phase)) {
      for (let row = 0; row < add.rows; row++) count(target.ownerOf(frontendOfKey(family, set, add.keyAt(row)) ?? ''), 'added')
      for (let row = 0; row < remove.rows; row++) {
        const key = remove.keyAt(row)
        const table = kernel.find(family, set)
        const comment = isNamed(set) && table !== undefined ? commentOf(table.buffer.userdataAt(table.find(key))) : undefined
        count(target.ownerOf(frontendOfKey(family, set, key) ?? '') ?? comment, 'removed')
      }
    }
  }
  return [...differences].map(([service, { added, removed }]) => ({
    action: !target.services.has(service) ? 'remove' : removed === 0 ? 'add' : 'change',
    service,
    details: [`${added} elements to write, ${removed} to delete`]
  }))
}

/** How many services are added, changed and removed. */
export function countActions(entries: readonly PlanEntry[]): SyncReport['services'] {
  const count = (action: PlanEntry['action']): number => entries.filter((entry) => entry.action === action).length
  return { added: count('add'), changed: count('change'), removed: count('remove') }
}
