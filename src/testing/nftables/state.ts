/**
 * What a fake nf_tables holds, and who refers to whom in it.
 */
import type { NativeEvent, NativeFamily, NativeRecord } from '../../native/index.js'
import type { ElementRow } from '../../nftables/columns.js'
import { OBJECT_KINDS } from '../../nftables/set-constants.js'

// include/uapi/asm-generic/errno-base.h, errno.h

/** What a fake refuses; the operation's index is known to the caller. `errno` is positive. */
export class Refusal extends Error {
  readonly errno: number
  readonly field: string
  readonly row: number | undefined

  constructor(errno: number, field: string, row?: number, message = '') {
    super(message)
    this.errno = errno
    this.field = field
    this.row = row
  }
}

/** A rule; never changed, only replaced. */
export interface FakeRule {
  readonly handle: bigint
  readonly id: number | undefined
  readonly value: NativeRecord
}

export interface FakeChain {
  readonly name: string
  readonly handle: bigint
  /** Hook, type, policy, flags, userdata as declared. */
  value: NativeRecord
  rules: readonly FakeRule[]
  /** A rule that it belongs to jumps to it: no one may change it any more (nft_chain_is_bound). */
  isBound: boolean
}

export interface FakeElement {
  readonly row: ElementRow
  /** `performance.now()` when it is gone. */
  readonly expiresAt: number | undefined
}

export interface FakeSet {
  readonly name: string
  readonly handle: bigint
  readonly value: NativeRecord
  /** By key; in the order they came. */
  elements: Map<string, FakeElement>
  /** The map belongs to another state too: copy it before changing it. */
  isShared: boolean
}

export interface FakeObject {
  readonly name: string
  readonly handle: bigint
  value: NativeRecord
}

export interface FakeTable {
  readonly family: NativeFamily
  readonly name: string
  readonly handle: bigint
  value: NativeRecord
  /** Port of the socket that owns it. */
  owner: number | undefined
  readonly chains: Map<string, FakeChain>
  readonly sets: Map<string, FakeSet>
  /** By number of the kind, and name. */
  readonly objects: Map<string, FakeObject>
  readonly flowtables: Map<string, FakeObject>
}

/** All tables, by family and name. */
export type FakeState = Map<string, FakeTable>

/** One batch while it is worked off. */
export interface FakeBatchContext {
  readonly state: FakeState
  /** Socket that sent it. */
  readonly portId: number
  /** Gives out handles. */
  readonly takeHandle: () => bigint
  readonly events: NativeEvent[]
  /** Names of sets and chains by the ids that this batch gave them. */
  readonly setIds: Map<number, string>
  readonly chainIds: Map<number, string>
  /** Anonymous sets, and chains that belong to rules, made by this batch: a rule of it must bind them. */
  readonly unbound: Set<FakeSet | FakeChain>
  readonly now: number
}

export function tableKey(family: string, name: string): string {
  return `${family} ${name}`
}

export function objectKey(objectType: unknown, name: string): string {
  return `${String(objectType)} ${name}`
}

/** A copy that can be changed without the original noticing; elements are copied when they are first changed. */
export function cloneState(state: FakeState): FakeState {
  const copy = (table: FakeTable): FakeTable => ({
    ...table,
    chains: new Map([...table.chains].map(([name, chain]) => [name, { ...chain }])),
    sets: new Map([...table.sets].map(([name, set]) => [name, { ...set, isShared: true }])),
    objects: new Map([...table.objects].map(([name, object]) => [name, { ...object }])),
    flowtables: new Map([...table.flowtables].map(([name, object]) => [name, { ...object }]))
  })
  return new Map([...state].map(([key, table]) => [key, copy(table)]))
}

/** The elements of a set, for changing. */
export function ownElements(set: FakeSet): Map<string, FakeElement> {
  if (set.isShared) {
    set.elements = new Map(set.elements)
    set.isShared = false
  }
  return set.elements
}

/** Elements that have not expired. */
export function* liveElements(set: FakeSet, now: number): Generator<FakeElement> {
  for (const element of set.elements.values()) if (element.expiresAt === undefined || element.expiresAt > now) yield element
}

type Loose = Readonly<Record<string, unknown>>

/** What an expression refers to. */
export interface Reference {
  readonly kind: 'chain' | 'set' | 'object' | 'flowtable'
  readonly name: string | undefined
  /** NFTA_*_ID where it is named by the batch's own id. */
  readonly id: number | undefined
  /** Of objects. */
  readonly objectType: number | undefined
  /** Index of the expression. */
  readonly index: number
}

function referencesOf(expression: Loose, index: number): Reference[] {
  const data = expression['data'] as Loose | undefined
  const found: Reference[] = []
  const none = { id: undefined, objectType: undefined, index }
  if (expression['type'] === 'immediate' && (data?.['verdict'] === 'jump' || data?.['verdict'] === 'goto')) {
    found.push({ ...none, kind: 'chain', name: data['chain'] as string | undefined, id: data['chainId'] as number | undefined })
  }
  if (typeof expression['set'] === 'string' || typeof expression['setId'] === 'number') {
    found.push({ ...none, kind: 'set', name: expression['set'] as string | undefined, id: expression['setId'] as number | undefined })
  }
  if (expression['type'] === 'flow_offload') found.push({ ...none, kind: 'flowtable', name: expression['flowtable'] as string | undefined })
  if (expression['type'] === 'objref' && typeof expression['name'] === 'string') {
    const named = expression['objectType']
    found.push({
      ...none,
      kind: 'object',
      name: expression['name'],
      objectType: typeof named === 'number' ? named : OBJECT_KINDS.indexOf(String(named))
    })
  }
  return found
}

/** What the expressions of a rule refer to, in order. */
export function ruleReferences(value: NativeRecord): Reference[] {
  return ((value['expressions'] ?? []) as readonly Loose[]).flatMap(referencesOf)
}

/** How often each chain, set, object and flowtable of a table is referred to. */
export interface Uses {
  readonly chains: ReadonlyMap<string, number>
  readonly sets: ReadonlyMap<string, number>
  /** By {@link objectKey}. */
  readonly objects: ReadonlyMap<string, number>
  readonly flowtables: ReadonlyMap<string, number>
}

/** Counts references, rules of a chain included, as the kernel's `use` does. */
export function countUses(table: FakeTable): Uses {
  const none = (): Map<string, number> => new Map<string, number>()
  const uses = { chains: none(), sets: none(), objects: none(), flowtables: none() }
  const named = { chain: uses.chains, set: uses.sets, flowtable: uses.flowtables }
  const count = (map: Map<string, number>, name: string): unknown => map.set(name, (map.get(name) ?? 0) + 1)
  for (const chain of table.chains.values()) {
    for (const rule of chain.rules) {
      count(uses.chains, chain.name)
      for (const { kind, name, objectType } of ruleReferences(rule.value)) {
        if (kind === 'object') count(uses.objects, objectKey(objectType, name!))
        else if (name !== undefined) count(named[kind], name)
        // The jump that a chain belongs to counts once more (nf_tables_bind_chain).
        if (kind === 'chain' && table.chains.get(name ?? '')?.isBound === true) count(uses.chains, name!)
      }
    }
  }
  for (const set of table.sets.values()) {
    for (const { row } of set.elements.values()) {
      if (row.chain !== undefined) count(uses.chains, row.chain)
      if (row.object !== undefined) count(uses.objects, objectKey(set.value['objectType'], row.object))
    }
  }
  return uses
}

/** NFT_JUMP_STACK_SIZE, include/net/netfilter/nf_tables.h. */
const MAX_DEPTH = 16

/** Chains that a chain goes on to, by verdicts and by the verdict maps it looks up. */
function nextChains(table: FakeTable, chain: FakeChain): Set<string> {
  const next = new Set<string>()
  for (const rule of chain.rules) {
    for (const { kind, name } of ruleReferences(rule.value)) {
      if (kind === 'chain' && name !== undefined) next.add(name)
      const set = kind === 'set' ? table.sets.get(name ?? '') : undefined
      for (const { row } of set?.elements.values() ?? []) if (row.chain !== undefined) next.add(row.chain)
    }
  }
  return next
}

/** Whether packets could go round in circles, or too deep, from any base chain (nft_chain_validate). */
export function hasLoop(table: FakeTable): boolean {
  const depths = new Map<string, number>()
  const depthOf = (name: string, level: number): number => {
    const known = depths.get(name)
    if (known !== undefined) return known
    const chain = table.chains.get(name)
    if (level > MAX_DEPTH || chain === undefined) return level > MAX_DEPTH ? Infinity : 0
    const deepest = 1 + Math.max(0, ...[...nextChains(table, chain)].map((next) => depthOf(next, level + 1)))
    if (deepest !== Infinity) depths.set(name, deepest)
    return deepest
  }
  return [...table.chains.values()].some((chain) => chain.value['hook'] !== undefined && depthOf(chain.name, 1) > MAX_DEPTH)
}
