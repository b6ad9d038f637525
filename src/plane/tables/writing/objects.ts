/**
 * What there is in the kernel for services besides their elements: sets with their sizes, chains, and the rules that ask sets which are made when they are needed.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { ChainForm } from '../../../nftables/compare.js'
import type { Transaction } from '../../../nftables/index.js'
import type { Step } from '../../../nftables/steps.js'
import { FAMILIES } from '../../core/frontend.js'
import { balancingChain, balancingName, placed, ruleChain, ruleFor, type PlacedClass } from '../layout/balancing.js'
import { declarationOf, declaredSize } from '../layout/declarations.js'
import { learningChains, type TableOptions } from '../layout/table.js'
import { learntSets } from '../layout/learnt-sets.js'
import { setsOf, type ElementSet, type SlotClass } from '../layout/sets.js'
import type { Writer } from './writer.js'

/** A set or map of the kernel, by its name there. */
export interface KernelSet {
  readonly family: AddressFamily
  readonly name: string
}

/** What there is, as we know it. */
export class ServiceObjects {
  /** Slot classes that have sets, a chain and a rule. */
  readonly classes: Readonly<Record<AddressFamily, Map<SlotClass, PlacedClass>>> = { ip: new Map(), ip6: new Map() }
  /** Sets that are made when they are needed, with the handle of the rule that asks each: members of classes, and frontends whose clients are remembered. */
  readonly rules: Readonly<Record<AddressFamily, Map<ElementSet, bigint>>> = { ip: new Map(), ip6: new Map() }
  /** Most elements that a set may hold, where its size is declared. */
  readonly capacities = new Map<ElementSet, number>()
  /** Maps that larger ones have taken the place of. */
  stale: readonly KernelSet[] = []

  /** What a set is called in the kernel. */
  nameOf(set: ElementSet): string {
    if (set.kind !== 'endpoints') return set.name
    return this.classes[set.family].get(set.slotClass!)?.map ?? set.name
  }

  /** Whether clients of some service are remembered. */
  hasSticky(family: AddressFamily): boolean {
    return [...this.rules[family].keys()].some(({ kind }) => kind === 'sticky')
  }

  /** Forgets a set whose rule was deleted, and the class that it belongs to. */
  forget(set: ElementSet): void {
    this.rules[set.family].delete(set)
    this.capacities.delete(set)
    if (set.slotClass === undefined) return
    this.classes[set.family].delete(set.slotClass)
    this.capacities.delete(setsOf(set.family, set.slotClass).endpoints)
  }
}

/** Bytes of the messages for a set, and for a chain or a rule, about. */
const SET_BYTES = 400
export const RULE_BYTES = 900

/**
 * Makes a set of services.
 *
 * @param rows Elements that it is to hold.
 * @param canGrow False where no message would be large enough to replace the set by a larger one: then no size is declared.
 */
export function setStep(
  table: string,
  objects: ServiceObjects,
  set: ElementSet,
  rows: number,
  canGrow: boolean,
  name: string = set.name
): Step {
  const size = canGrow && set.description.isSized ? declaredSize(rows) : undefined
  return {
    bytes: SET_BYTES,
    queue: (tx) => tx.add.set({ family: set.family, table, ...declarationOf(set, name), size }),
    done: () => {
      if (size === undefined) objects.capacities.delete(set)
      else objects.capacities.set(set, size)
    }
  }
}

/** Deletes maps that nothing leads to. */
export function staleSteps(table: string, objects: ServiceObjects): Step[] {
  if (objects.stale.length === 0) return []
  const { stale } = objects
  const queue = (tx: Transaction): void => {
    for (const { family, name } of stale) tx.delete.set({ family, table, name })
  }
  return [{ bytes: 100 * stale.length, queue, done: () => void (objects.stale = objects.stale.filter((set) => !stale.includes(set))) }]
}

/** Makes chains with their rules. */
export function chainSteps(family: AddressFamily, table: string, chains: readonly ChainForm[]): Step[] {
  const inTable = { family, table } as const
  return [
    ...chains.map(({ chain }): Step => ({ bytes: 200, queue: (tx) => tx.add.chain({ ...inTable, ...chain }) })),
    ...chains.flatMap(({ chain, rules }) =>
      rules.map((expressions): Step => ({ bytes: RULE_BYTES, queue: (tx) => tx.add.rule({ ...inTable, chain: chain.name, expressions }) }))
    )
  ]
}

/** Makes the rule that asks a set. */
export function ruleStep(table: string, objects: ServiceObjects, set: ElementSet): Step {
  const { family } = set
  return {
    bytes: RULE_BYTES,
    echo: true,
    queue: (tx) => tx.add.rule({ family, table, chain: ruleChain(set), expressions: ruleFor(set, table) }),
    done: ({ handles }, index) => void objects.rules[family].set(set, handles.get(index)!)
  }
}

/** What {@link neededSteps} needs to know. */
export interface ObjectParts {
  readonly options: TableOptions
  readonly objects: ServiceObjects
  readonly writer: Pick<Writer, 'canReplace'>
}

/** Makes everything that a set needs which is asked by a rule of its own. */
export function neededSteps(parts: ObjectParts, set: ElementSet, rowsOf: (set: ElementSet) => number, isFirstSticky: boolean): Step[] {
  const { options, objects, writer } = parts
  const { name: table } = options
  const { family, slotClass } = set
  const make = (one: ElementSet): Step => setStep(table, objects, one, rowsOf(one), writer.canReplace(one, rowsOf(one)))
  if (slotClass === undefined)
    return [make(set), ruleStep(table, objects, set), ...(isFirstSticky ? chainSteps(family, table, learningChains(family, options)) : [])]
  const placedClass = placed(slotClass)
  const [chain, ...rules] = chainSteps(family, table, [balancingChain(family, table, placedClass)]) as [Step, ...Step[]]
  const take: Step = { ...chain, done: () => void objects.classes[family].set(slotClass, placedClass) }
  return [make(set), make(setsOf(family, slotClass).endpoints), take, ...rules, ruleStep(table, objects, set)]
}

/** A rule that asks a set in which nobody is costs every new connection a look-up. */
function removalStep(options: TableOptions, objects: ServiceObjects, set: ElementSet, handle: bigint, isLastSticky: boolean): Step {
  const { family, slotClass } = set
  const inTable = { family, table: options.name } as const
  return {
    bytes: 600,
    queue: (tx) => {
      tx.delete.rule({ ...inTable, chain: ruleChain(set), handle })
      if (slotClass !== undefined) tx.delete.chain({ ...inTable, name: balancingName(slotClass) })
      tx.delete.set({ ...inTable, name: set.name })
      if (slotClass !== undefined) tx.delete.set({ ...inTable, name: objects.nameOf(setsOf(family, slotClass).endpoints) })
      if (!isLastSticky) return
      for (const { chain } of learningChains(family, options).reverse()) tx.delete.chain({ ...inTable, name: chain.name })
    },
    done: () => objects.forget(set)
  }
}

/** Removes sets that a rule of their own asks, and in which nobody is any more. */
export function unusedSteps(options: TableOptions, objects: ServiceObjects, rowsAfter: (set: ElementSet) => number): Step[] {
  return FAMILIES.flatMap((family) => {
    const unused = [...objects.rules[family]].filter(([set]) => rowsAfter(set) === 0)
    let sticky = [...objects.rules[family].keys()].filter(({ kind }) => kind === 'sticky').length
    return unused.map(([set, handle]) => {
      if (set.kind === 'sticky') sticky--
      return removalStep(options, objects, set, handle, set.kind === 'sticky' && sticky === 0)
    })
  })
}

/** The sets that packets fill, which are always there. */
export function learntSteps(family: AddressFamily, options: TableOptions): Step[] {
  return learntSets(family, options).map(({ set }) => ({
    bytes: SET_BYTES,
    queue: (tx) => tx.add.set({ family, table: options.name, ...set })
  }))
}
