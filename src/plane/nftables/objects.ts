/**
 * What there is in the kernel for services besides their elements: sets with their sizes, chains, dispatch rules.
 */
import type { AddressFamily } from '../../core/address.js'
import type { Transaction } from '../../nftables/index.js'
import type { Step } from '../../nftables/steps.js'
import { balancingChain, declarationOf, declaredSize, dispatchRule, placed, type PlacedClass, type TableOptions } from './layout.js'
import { setsOf, type ElementSet, type SlotClass } from './sets.js'
import type { Writer } from './writer.js'

/** A set or map of the kernel, by its name there. */
export interface KernelSet {
  readonly family: AddressFamily
  readonly name: string
}

/** The objects of a slot class, and the handle of its dispatch rule. */
export interface BoundClass {
  readonly placed: PlacedClass
  readonly handle: bigint
}

/** What there is, as we know it. */
export class ServiceObjects {
  /** Slot classes that have sets, a chain and a dispatch rule. */
  readonly classes: Readonly<Record<AddressFamily, Map<SlotClass, BoundClass>>> = { ip: new Map(), ip6: new Map() }
  /** Most elements that a set may hold, where its size is declared. */
  readonly capacities = new Map<ElementSet, number>()
  /** Maps that larger ones have taken the place of. */
  stale: readonly KernelSet[] = []

  /** What a set is called in the kernel. */
  nameOf(set: ElementSet): string {
    if (set.kind !== 'endpoints') return set.name
    return this.classes[set.family].get(set.slotClass!)?.placed.map ?? set.name
  }

  /** Forgets a class whose objects were deleted. */
  forget(family: AddressFamily, slotClass: SlotClass): void {
    this.classes[family].delete(slotClass)
    const { members, endpoints } = setsOf(family, slotClass)
    for (const set of [members, endpoints]) this.capacities.delete(set)
  }
}

/** Bytes of the messages for a set, and for a chain with a rule, about. */
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
  const size = canGrow ? declaredSize(rows) : undefined
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

/** Makes the rule that sends frontends of a class to its chain. */
export function dispatchStep(table: string, objects: ServiceObjects, family: AddressFamily, placedClass: PlacedClass): Step {
  const { slotClass } = placedClass
  return {
    bytes: RULE_BYTES,
    echo: true,
    queue: (tx) => tx.add.rule({ family, table, chain: 'services', expressions: dispatchRule(family, slotClass) }),
    done: ({ handles }, index) => void objects.classes[family].set(slotClass, { placed: placedClass, handle: handles.get(index)! })
  }
}

/** What {@link classSteps} needs to know. */
export interface ClassParts {
  readonly options: TableOptions
  readonly objects: ServiceObjects
  readonly writer: Pick<Writer, 'canReplace'>
}

/** Makes everything that a class needs. */
export function classSteps(
  { options: { name: table }, objects, writer }: ClassParts,
  family: AddressFamily,
  slotClass: SlotClass,
  rowsOf: (set: ElementSet) => number
): Step[] {
  const { members, endpoints } = setsOf(family, slotClass)
  const placedClass = placed(slotClass)
  const { chain, rules } = balancingChain(family, placedClass)
  const make = (set: ElementSet): Step => setStep(table, objects, set, rowsOf(set), writer.canReplace(set, rowsOf(set)))
  const queueChain = (tx: Transaction): void => {
    tx.add.chain({ family, table, ...chain })
    for (const expressions of rules) tx.add.rule({ family, table, chain: chain.name, expressions })
  }
  return [make(members), make(endpoints), { bytes: RULE_BYTES, queue: queueChain }, dispatchStep(table, objects, family, placedClass)]
}

/** A rule for a class that no service has costs every new connection a look-up. */
export function removalStep(
  table: string,
  objects: ServiceObjects,
  family: AddressFamily,
  { placed: { slotClass, map }, handle }: BoundClass
): Step {
  const inTable = { family, table } as const
  return {
    bytes: 600,
    queue: (tx) => {
      tx.delete.rule({ ...inTable, chain: 'services', handle })
      tx.delete.chain({ ...inTable, name: balancingChain(family, { slotClass, map }).chain.name })
      for (const name of [setsOf(family, slotClass).members.name, map]) tx.delete.set({ ...inTable, name })
    },
    done: () => objects.forget(family, slotClass)
  }
}
