/**
 * Larger sets in place of those whose declared size does not suffice any more.
 *
 * No kernel grows a set everywhere: before Linux 6.18 a second declaration with a larger size is ignored (nf_tables_newset). So rules are taken from the set, a larger one is filled, and they are put
 * back, in one transaction: a packet sees the old rules and the old set, or the new ones.
 */
import { type ElementBuffer } from '../../../nftables/element-buffer.js'
import type { Transaction } from '../../../nftables/index.js'
import type { Step } from '../../../nftables/steps.js'
import type { Contents, SetChange } from '../elements/changes.js'
import { balancingChain, ruleChain, type PlacedClass } from '../layout/balancing.js'
import { fixedChains, looksUp, type TableOptions } from '../layout/table.js'
import { RULE_BYTES, ruleStep, setStep, type ServiceObjects } from './objects.js'
import { mapNames, type ElementSet } from '../layout/sets.js'
import { rowBytes } from './writer.js'

/** A set, and how many elements it is to hold. */
export interface Overfull {
  readonly set: ElementSet
  readonly rows: number
}

/**
 * The sets that additions would overfill. Elements deleted earlier in the same transaction make room (`set->ndeact`, nft_add_set_elem in net/netfilter/nf_tables_api.c); those that later phases
 * delete do not.
 */
export function overfull(
  changes: readonly SetChange[],
  capacities: ReadonlyMap<ElementSet, number>,
  contents: Pick<Contents, 'rows'>
): Overfull[] {
  return changes.flatMap(({ set, add, remove }) => {
    const capacity = capacities.get(set)
    if (capacity === undefined) return []
    const rows = contents.rows(set) + add.rows - remove.rows
    return rows > capacity ? [{ set, rows }] : []
  })
}

/** Several steps that must be in one transaction. */
function together(steps: readonly Step[]): Step {
  const sizes: number[] = []
  return {
    bytes: steps.reduce((sum, { bytes }) => sum + bytes, 0),
    echo: steps.some(({ echo }) => echo === true),
    queue: (tx) => {
      const start = tx.size
      sizes.length = 0
      for (const step of steps) {
        sizes.push(tx.size - start)
        step.queue(tx)
      }
    },
    done: (report, index) => {
      for (const [position, step] of steps.entries()) step.done?.(report, index + sizes[position]!)
    }
  }
}

/**
 * A larger set with the same elements, as one step.
 *
 * A map's elements are inactive from the commit on that deletes it (nft_map_deactivate), so a packet that was already under way to it would find nothing: a larger map has another name, and the old
 * one is deleted by a later transaction. Elements of plain sets stay as they are until no packet can see the set any more.
 */
export function growthStep(options: TableOptions, objects: ServiceObjects, { set, rows }: Overfull, elements: ElementBuffer): Step {
  const { family, slotClass } = set
  const table = { family, table: options.name } as const
  const before = slotClass === undefined ? undefined : objects.classes[family].get(slotClass)
  const grown = set.kind === 'endpoints' && before !== undefined ? withOtherMap(before) : undefined
  const name = grown?.map ?? set.name
  const unbind = (tx: Transaction): void => {
    for (const chain of chainsToMake(options, objects, set, grown)) tx.flush.chain({ ...table, name: chain.name })
    if (grown === undefined) tx.delete.set({ ...table, name })
  }
  const fill: Step = {
    bytes: elements.rows * rowBytes(set),
    queue: (tx) => {
      if (elements.rows > 0) tx.add.elements({ ...table, name }, elements, { exclusive: true })
    },
    done: () => grown !== undefined && takeGrown(objects, set, grown)
  }
  const bind = chainsToMake(options, objects, set, grown).flatMap(({ steps }) => steps)
  return together([{ bytes: 100, queue: unbind }, setStep(options.name, objects, set, rows, true, name), ...bind, fill])
}

/** A chain that asks a set, and its rules. */
interface BoundChain {
  readonly name: string
  readonly steps: readonly Step[]
}

function chainsToMake(options: TableOptions, objects: ServiceObjects, set: ElementSet, grown: PlacedClass | undefined): BoundChain[] {
  const { family } = set
  const table = { family, table: options.name } as const
  if (grown === undefined && objects.rules[family].has(set)) {
    const chain = ruleChain(set)
    const others = [...objects.rules[family].keys()].filter((other) => ruleChain(other) === chain)
    return [{ name: chain, steps: others.map((other) => ruleStep(options.name, objects, other)) }]
  }
  const chains = grown === undefined ? fixedChains(family, options) : [balancingChain(family, options.name, grown)]
  const asking = chains.filter(({ rules }) => rules.some((expressions) => looksUp(expressions, grown?.map ?? set.name)))
  return asking.map(({ chain, rules }) => ({
    name: chain.name,
    steps: rules.map((expressions) => ({ bytes: RULE_BYTES, queue: (tx) => tx.add.rule({ ...table, chain: chain.name, expressions }) }))
  }))
}

function takeGrown(objects: ServiceObjects, { family }: ElementSet, grown: PlacedClass): void {
  objects.stale = [...objects.stale, { family, name: withOtherMap(grown).map }]
  objects.classes[family].set(grown.slotClass, grown)
}

function withOtherMap({ slotClass, map }: PlacedClass): PlacedClass {
  return { slotClass, map: mapNames(slotClass).find((name) => name !== map)! }
}
