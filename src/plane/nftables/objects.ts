/**
 * What there is in the kernel for services besides their elements: sets with their sizes, chains, dispatch rules.
 */
import type { AddressFamily } from '../../address.js'
import type { CommitReport, Transaction } from '../../nftables/index.js'
import { endpointsOf, type ElementSet, type MembershipSet } from './compile.js'
import { balancingChain, declarationOf, declaredSize, dispatchRule, membershipName, type PlacedSize } from './layout.js'

/** A table of ours. */
export interface OurTable {
  readonly family: AddressFamily
  readonly table: string
}

/** A set or map of the kernel, by its name there. */
export interface KernelSet {
  readonly family: AddressFamily
  readonly name: string
}

/** The objects of a size, and the handle of its dispatch rule. */
export interface BoundSize {
  readonly size: PlacedSize
  readonly handle: bigint
}

/** What there is, as we know it. */
export interface ServiceObjects {
  /** Sizes that have sets, a chain and a dispatch rule. */
  readonly sizes: Readonly<Record<AddressFamily, Map<MembershipSet, BoundSize>>>
  /** Most elements that a set may hold (`ip random-3`), where its size is declared. */
  readonly capacities: Map<string, number>
  /** Maps that larger ones have taken the place of. */
  stale: readonly KernelSet[]
}

/** Nothing. */
export function noObjects(): ServiceObjects {
  return { sizes: { ip: new Map(), ip6: new Map() }, capacities: new Map(), stale: [] }
}

/** What a transaction will have made when it is committed. */
export interface QueuedObjects {
  /** Operations that make dispatch rules. */
  readonly dispatch: Map<number, { readonly family: AddressFamily; readonly size: PlacedSize }>
  /** Sizes whose endpoints map is another one, while their dispatch rule stays. */
  readonly moved: { readonly family: AddressFamily; readonly size: PlacedSize }[]
  readonly capacities: Map<string, number>
  readonly stale: KernelSet[]
}

/** Nothing yet. */
export function nothingQueued(): QueuedObjects {
  return { dispatch: new Map(), moved: [], capacities: new Map(), stale: [] }
}

/**
 * Queues a set of services.
 *
 * @param rows Elements that it is to hold.
 * @param name In the kernel.
 */
export function queueSet(tx: Transaction, table: OurTable, set: ElementSet, rows: number, made: QueuedObjects, name: string = set): void {
  const size = declaredSize(rows)
  tx.add.set({ ...table, ...declarationOf(table.family, set, name), size })
  if (size !== undefined) made.capacities.set(`${table.family} ${set}`, size)
}

/** Queues the deletion of maps that nothing leads to. */
export function queueStale(tx: Transaction, table: string, objects: ServiceObjects): void {
  for (const { family, name } of objects.stale) tx.delete.set({ family, table, name })
}

/** Queues everything that a size needs. */
export function queueSize(
  tx: Transaction,
  table: OurTable,
  size: PlacedSize,
  rowsOf: (set: ElementSet) => number,
  made: QueuedObjects
): void {
  const membership = membershipName(size)
  queueSet(tx, table, membership, rowsOf(membership), made)
  queueSet(tx, table, endpointsOf(membership), rowsOf(endpointsOf(membership)), made, size.map)
  const { chain, rules } = balancingChain(table.family, size)
  tx.add.chain({ ...table, ...chain })
  for (const expressions of rules) tx.add.rule({ ...table, chain: chain.name, expressions })
  queueDispatchRule(tx, table, size, made)
}

/** Queues the rule that sends frontends of a size to its chain. */
export function queueDispatchRule(tx: Transaction, table: OurTable, size: PlacedSize, made: QueuedObjects): void {
  made.dispatch.set(tx.size, { family: table.family, size })
  tx.add.rule({ ...table, chain: 'services', expressions: dispatchRule(table.family, size) })
}

/** Takes over what a transaction made that began with {@link queueStale}; it must have been committed with `echo` if it made dispatch rules. */
export function takeObjects(objects: ServiceObjects, made: QueuedObjects, report: CommitReport): void {
  for (const [index, { family, size }] of made.dispatch)
    objects.sizes[family].set(membershipName(size), { size, handle: report.handles.get(index)! })
  for (const { family, size } of made.moved) {
    const name = membershipName(size)
    objects.sizes[family].set(name, { ...objects.sizes[family].get(name)!, size })
  }
  for (const [set, capacity] of made.capacities) objects.capacities.set(set, capacity)
  objects.stale = made.stale
}

/** Forgets a size whose objects were deleted. */
export function forgetSize(objects: ServiceObjects, family: AddressFamily, set: MembershipSet): void {
  objects.sizes[family].delete(set)
  for (const name of [set, endpointsOf(set)]) objects.capacities.delete(`${family} ${name}`)
}
