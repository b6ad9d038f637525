/**
 * Changes of elements in the phases in which packets never miss their way.
 */
import { type ElementBuffer } from '../../../nftables/element-buffer.js'
import { elementsStep, type Step } from '../../../nftables/steps.js'
import type { Run } from '../../core/run.js'
import type { Changes, Contents } from '../elements/changes.js'
import { growthStep, overfull } from './growth.js'
import type { TableOptions } from '../layout/table.js'
import { neededSteps, staleSteps, unusedSteps, type ServiceObjects } from './objects.js'
import { PHASES, type ElementSet, type Phase } from '../layout/sets.js'
import { rowBytes, type Writer } from './writer.js'

/** What may be done once all stands that changed services need, and before what they need no longer goes: nothing. */
export const NOTHING_BETWEEN = (): Promise<void> => Promise.resolve()

/** What changes are applied to. */
export interface ApplyParts {
  readonly writer: Writer
  readonly options: TableOptions
  readonly objects: ServiceObjects
  readonly run: Run
  /** Done once the first phase stands. */
  readonly between: () => Promise<void>
}

/** What sets hold before and after. */
export interface ApplyContents {
  readonly before: Contents
  /** How many elements a set holds afterwards. */
  readonly rowsAfter: (set: ElementSet) => number
}

const WHAT: Readonly<Record<Phase, string>> = {
  1: 'what changed services need',
  2: 'removal of old memberships',
  3: 'removal of old slots and addresses'
}

/**
 * Commits each phase on its own; before them, larger sets in place of those that would be too full.
 *
 * @throws {NetlinkError}
 */
export async function applyChanges(parts: ApplyParts, changes: Changes, contents: ApplyContents): Promise<void> {
  const { writer, options, objects, run, between } = parts
  const stale = (): Step[] => staleSteps(options.name, objects)
  for (const full of overfull(changes.phase(1), objects.capacities, contents.before)) {
    const elements: ElementBuffer = await contents.before.elements(full.set)
    await writer.write([...stale(), growthStep(options, objects, full, elements)], run, `a larger set ${full.set.name}`)
  }
  for (const phase of PHASES) {
    const steps = [
      ...stale(),
      ...newSteps(parts, changes, phase),
      ...changes.phase(phase).map((change) => {
        const { set } = change
        return elementsStep({ family: set.family, table: options.name, name: objects.nameOf(set) }, change, rowBytes(set))
      }),
      ...(phase === 3 ? unusedSteps(options, objects, contents.rowsAfter) : [])
    ]
    await writer.write(steps, run, WHAT[phase])
    if (phase === 1) await between()
  }
}

/** Sets that a rule of their own asks, and that are not there yet. */
function newSteps(parts: ApplyParts, changes: Changes, phase: Phase): Step[] {
  const rows = new Map(changes.phase(phase).map(({ set, add }) => [set, add.rows]))
  const { objects } = parts
  const hasSticky = { ip: objects.hasSticky('ip'), ip6: objects.hasSticky('ip6') }
  return [...rows].flatMap(([set, count]) => {
    if ((set.kind !== 'members' && set.kind !== 'sticky') || count === 0 || objects.rules[set.family].has(set)) return []
    const isFirstSticky = set.kind === 'sticky' && !hasSticky[set.family]
    if (isFirstSticky) hasSticky[set.family] = true
    return neededSteps(parts, set, (one) => rows.get(one) ?? 0, isFirstSticky)
  })
}
