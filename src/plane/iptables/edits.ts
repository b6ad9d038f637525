/**
 * What is to be changed in the kernel, in an order in which packets never miss their way.
 */
import type { IptablesRule, IptablesTableReference } from '../../iptables/index.js'
import type { ObjectCounts } from '../core/backend.js'
import type { Place } from './rules.js'

/** A chain that is to hold exactly these rules. */
export interface Filling {
  readonly place: Place
  /** It is to be made; else what it holds goes. */
  readonly isNew: boolean
  readonly rules: readonly IptablesRule[]
}

/** Rules to be put into a chain that has others too. */
export interface Addition {
  readonly place: Place
  readonly rules: readonly IptablesRule[]
  /** Before all others, or behind them. */
  readonly at: 'begin' | 'end'
}

/** A rule to be taken away. */
export interface Removal {
  readonly place: Place
  readonly handle: bigint
  /** By which it is known, where handles are kept. */
  readonly key?: string | undefined
}

/** What is to be done for one service. */
export interface ServiceEdits {
  readonly service: string
  readonly fillings: readonly Filling[]
  readonly additions: readonly Addition[]
}

/** Everything that is to be done. */
export interface Edits {
  /** Tables to be made, or, where another process made them dormant, to be woken. */
  readonly tables: readonly (IptablesTableReference & { readonly isNew: boolean })[]
  /** Base chains to be made. */
  readonly bases: readonly Place[]
  /** Chains to be made that have rules of several services. */
  readonly made: readonly Place[]
  /** Chains for all services. */
  readonly fillings: readonly Filling[]
  /** Rules for all services. */
  readonly additions: readonly Addition[]
  readonly services: readonly ServiceEdits[]
  readonly removals: readonly Removal[]
  /** Chains that go, with all that they hold. */
  readonly gone: readonly Place[]
  /** Chains that nobody wants, and that rules of other programs lead to: they stay, without rules. */
  readonly emptied: readonly Place[]
  /** Rules of services that are written and deleted. */
  readonly counts: ObjectCounts
}

/** Whether nothing is to be done. */
export function isNothing({ tables, bases, made, fillings, additions, services, removals, gone, emptied }: Edits): boolean {
  return [tables, bases, made, fillings, additions, services, removals, gone, emptied].every(({ length }) => length === 0)
}
