/**
 * Tables, chains, rules, counters, other stateful objects and flowtables: what callers declare and read, to and from the kernel's records.
 */
import { ValidationError } from '../core/errors.js'
import type { NativeListed, NativeRecord } from '../native/index.js'
import type { Expression } from './expressions.js'
import { family, hookName, hookNumber, priorityNumber, type Family, type Hook, type PriorityName } from './families.js'
import { COUNTER_TYPE, objectTypeName, objectTypeNumber, type ListedObject, type StatefulObject } from './stateful-objects.js'
import { commentedBy, userdataOf, type Commented } from './userdata.js'
import { EncodedExpressions } from './wire/encoded-expressions.js'

/** A table. `owner` ties it to the socket that made it: others cannot change it, and it goes with the socket unless it is `persist` (Linux 5.12, 6.9). */
export interface Table extends Commented {
  readonly family: Family
  /** 1–255 bytes. */
  readonly name: string
  readonly flags?: readonly ('dormant' | 'owner' | 'persist' | number)[] | undefined
}

/** A table as the kernel has it. */
export interface ListedTable extends Table {
  readonly handle: bigint
  /** Chains, sets, objects and flowtables in it. */
  readonly use: number
  /** Port id of the socket that owns it. */
  readonly owner?: number | undefined
}

/** A chain; with `hook`, a base chain. */
export interface Chain extends Commented {
  readonly family: Family
  readonly table: string
  /** 1–255 bytes. Of a chain with the flag `binding`, only what rules of the same transaction call it: the kernel gives it a name of its own. */
  readonly name: string
  /** Of base chains; default `filter`. */
  readonly type?: 'filter' | 'nat' | 'route' | (string & {}) | undefined
  readonly hook?: Hook | undefined
  /** Of base chains: lower runs first. A number, a name, or a name with an offset: `filter-1`. */
  readonly priority?: number | PriorityName | `${PriorityName}${'+' | '-'}${number}` | undefined
  /** Of base chains: what happens to packets that reach the end; default `accept`. */
  readonly policy?: 'accept' | 'drop' | number | undefined
  /** Of base chains at `ingress` and `egress`: the links. */
  readonly devices?: readonly string[] | undefined
  /** Of base chains: packets that the policy was used for, and their bytes: where they start, or stood when the chain was listed. Absent: they are not counted. */
  readonly counters?: { readonly packets: bigint; readonly bytes: bigint } | undefined
  /**
   * `base` follows from `hook`. `binding`: the chain belongs to the one rule that jumps to it, and goes with it (`jump { … }` of nft; Linux 5.9). Its rules are added first,
   * then that rule, all in one transaction; the rule builder does so for `jump([rule(…), …])`.
   */
  readonly flags?: readonly ('base' | 'hw-offload' | 'binding' | number)[] | undefined
}

/** A chain as the kernel has it. */
export interface ListedChain extends Chain {
  readonly handle: bigint
  /** Rules in it and jumps to it. */
  readonly use: number
  readonly priority?: number | undefined
}

/** Names a chain. */
export interface ChainReference {
  readonly family: Family
  readonly table: string
  readonly chain: string
}

/** A rule. */
export interface Rule extends ChainReference, Commented {
  readonly expressions: readonly Expression[]
  /** Of `replace`: the rule to replace; it keeps its handle. */
  readonly handle?: bigint | undefined
  /** Of `add`: after the rule with this handle. */
  readonly after?: bigint | undefined
  /** Of `insert`: before the rule with this handle. */
  readonly before?: bigint | undefined
  /**
   * NFTA_RULE_COMPAT, for rules with matches and targets of xtables, which check it: the protocol that the rule asks for, and NFT_RULE_COMPAT_F_INV (2) where it asks for
   * any other. The kernel does not list it. Default: what the comparison of the protocol before the first of them says.
   */
  readonly compat?: { readonly protocol: number; readonly flags: number } | undefined
}

/** A rule whose expressions were encoded before. */
export interface EncodedRule extends ChainReference, Pick<Rule, 'compat'> {
  readonly expressions: EncodedExpressions
  /** Of the rule to replace. */
  readonly handle?: bigint | undefined
  /** Of the rule behind which it is added, or before which it is inserted. */
  readonly position?: bigint | undefined
}

/** A rule that was queued, with its expressions, as an error has it; undefined: it is no rule. */
export function queuedRule(object: unknown): Rule | undefined {
  if (typeof object !== 'object' || object === null || !('expressions' in object)) return undefined
  const { expressions } = object
  if (expressions instanceof EncodedExpressions) return { ...(object as EncodedRule), expressions: expressions.decode() }
  return Array.isArray(expressions) ? (object as Rule) : undefined
}

/** A rule as the kernel has it. */
export interface ListedRule extends Rule {
  readonly handle: bigint
}

/** A named counter. */
export interface Counter extends Commented {
  readonly family: Family
  readonly table: string
  readonly name: string
  readonly packets?: bigint | undefined
  readonly bytes?: bigint | undefined
}

/** A counter as the kernel has it. */
export interface ListedCounter extends Counter {
  readonly packets: bigint
  readonly bytes: bigint
  readonly handle: bigint
  readonly use: number
}

/** A flowtable: established flows take a short cut from ingress to egress. */
export interface Flowtable {
  readonly family: Family
  readonly table: string
  readonly name: string
  readonly priority: number | PriorityName
  readonly devices: readonly string[]
  readonly flags?: readonly ('hw-offload' | 'counter' | number)[] | undefined
}

/** A flowtable as the kernel has it. */
export interface ListedFlowtable extends Flowtable {
  readonly priority: number
  readonly handle: bigint
  readonly use: number
}

/** What is listed, without what is undefined. A copy: an object that loses fields is slow from then on. */
function compact(record: Record<string, unknown>): NativeRecord {
  const kept: Record<string, unknown> = {}
  for (const name in record) if (record[name] !== undefined) kept[name] = record[name]
  return kept
}

/** Fields that the kernel reports and that come back unread when a listed object is written. */
type Listed<T> = T & { readonly opaque?: unknown }

/** The native record of a table. */
export function toNativeTable(table: Listed<Table>): NativeRecord {
  return { name: table.name, flags: table.flags, userdata: userdataOf('table', table), opaque: table.opaque }
}

function toNativeHook(chain: Chain): NativeRecord | undefined {
  if (chain.hook === undefined) {
    for (const field of ['priority', 'policy', 'type', 'devices', 'counters'] as const) {
      if (chain[field] !== undefined) throw new ValidationError(field, chain[field], 'nothing, as the chain has no hook')
    }
    return undefined
  }
  const devices = chain.devices ?? []
  return compact({
    hook: hookNumber('hook', chain.family, chain.hook),
    priority: priorityNumber('priority', chain.family, chain.priority ?? 0),
    device: devices.length === 1 ? devices[0] : undefined,
    devices: devices.length > 1 ? devices : undefined
  })
}

/**
 * The native record of a chain. One that belongs to a rule goes by `id` instead of its name, which the kernel gives.
 *
 * @throws {ValidationError}
 */
export function toNativeChain(chain: Listed<Chain>, id?: number): NativeRecord {
  const hook = toNativeHook(chain)
  return {
    table: chain.table,
    name: id === undefined ? chain.name : undefined,
    id,
    hook,
    chainType: hook === undefined ? undefined : (chain.type ?? 'filter'),
    policy: chain.policy,
    counters: chain.counters,
    // The hook says it; without one nf_tables_addchain refuses it.
    flags: chain.flags?.filter((flag) => flag !== 'base'),
    userdata: userdataOf('chain', chain),
    opaque: chain.opaque
  }
}

/** The native record of a chain that gets another name; it is found by its handle. */
export function toNativeRenaming({
  table,
  name,
  handle
}: {
  readonly table: string
  readonly name: string
  readonly handle: bigint
}): NativeRecord {
  if (typeof handle !== 'bigint') throw new ValidationError('handle', handle, 'a bigint, as listed')
  return { table, name, handle }
}

/**
 * The native record of a rule. One of a chain that belongs to a rule names the chain by `chainId`.
 *
 * @throws {ValidationError}
 */
export function toNativeRule(
  rule: Omit<Listed<Rule>, 'family' | 'expressions'>,
  expressions: Rule['expressions'],
  verb: 'add' | 'insert' | 'replace',
  chainId?: number
): NativeRecord {
  const { table, chain, handle, after, before, compat, opaque } = rule
  if (after !== undefined && verb !== 'add') throw new ValidationError('after', after, 'nothing, but in add')
  if (before !== undefined && verb !== 'insert') throw new ValidationError('before', before, 'nothing, but in insert')
  if (!Array.isArray(expressions)) throw new ValidationError('expressions', expressions, 'a list of expressions')
  if (verb === 'replace' && handle === undefined) throw new ValidationError('handle', undefined, 'the handle of the rule to replace')
  return {
    table,
    chain: chainId === undefined ? chain : undefined,
    chainId,
    handle: verb === 'replace' ? handle : undefined,
    position: after ?? before,
    expressions,
    compat,
    userdata: userdataOf('rule', rule),
    opaque
  }
}

/** The native record of a counter. */
export function toNativeCounter(counter: Listed<Counter>): NativeRecord {
  return {
    table: counter.table,
    name: counter.name,
    objectType: COUNTER_TYPE,
    counter: { bytes: counter.bytes ?? 0n, packets: counter.packets ?? 0n },
    userdata: userdataOf('object', counter),
    opaque: counter.opaque
  }
}

/** The native record of another stateful object. @throws {ValidationError} */
export function toNativeObject(object: Listed<StatefulObject>): NativeRecord {
  const { table, name, data } = object
  const objectType = objectTypeNumber('objectType', object.objectType)
  return { table, name, objectType, data, userdata: userdataOf('object', object), opaque: object.opaque }
}

/** The native record of a flowtable. @throws {ValidationError} */
export function toNativeFlowtable(flowtable: Listed<Flowtable>): NativeRecord {
  const INGRESS = 0
  // Flowtables hook in at ingress whatever their family, so their priorities are those of netdev.
  const hook = { hook: INGRESS, priority: priorityNumber('priority', 'netdev', flowtable.priority), devices: flowtable.devices }
  return { table: flowtable.table, name: flowtable.name, hook, flags: flowtable.flags, opaque: flowtable.opaque }
}

interface RawHook {
  readonly hook: number
  readonly priority: number
  readonly device?: string
  readonly devices?: readonly string[]
}

interface Raw {
  readonly table: string
  readonly chain: string
  readonly name: string
  readonly handle?: bigint
  readonly use?: number
  readonly flags?: readonly never[]
  readonly userdata?: Uint8Array
  readonly owner?: number
  readonly hook?: RawHook
  readonly chainType?: string
  readonly policy?: Chain['policy']
  readonly counters?: { readonly packets?: bigint; readonly bytes?: bigint }
  readonly expressions?: readonly Expression[]
  readonly compat?: Rule['compat']
  readonly objectType: number
  readonly counter?: { readonly packets?: bigint; readonly bytes?: bigint }
  readonly data?: StatefulObject['data']
  readonly opaque?: unknown
}

function rawOf(listed: NativeListed): Raw {
  return listed.value as unknown as Raw
}

function common(listed: NativeListed): { family: Family; handle: bigint; use: number } {
  const { handle = 0n, use = 0 } = rawOf(listed)
  return { family: family('family', listed.family), handle, use }
}

function totals(counter: Raw['counter']): { packets: bigint; bytes: bigint } {
  return { packets: counter?.packets ?? 0n, bytes: counter?.bytes ?? 0n }
}

/** A table from what the kernel lists. */
export function fromNativeTable(listed: NativeListed): ListedTable {
  const { name, flags, userdata, owner, opaque } = rawOf(listed)
  return compact({ ...common(listed), name, flags, owner, ...commentedBy('table', userdata), opaque }) as unknown as ListedTable
}

/** A chain from what the kernel lists. There are many: what it lacks is not even put there. */
export function fromNativeChain(listed: NativeListed): ListedChain {
  const { table, name, hook, chainType, policy, counters, flags, userdata, opaque, handle = 0n, use = 0 } = rawOf(listed)
  const inFamily = family('family', listed.family)
  const chain: Record<string, unknown> = { family: inFamily, handle, use, table, name }
  if (chainType !== undefined) chain['type'] = chainType
  if (hook !== undefined) {
    chain['hook'] = hookName(inFamily, hook.hook)
    chain['priority'] = hook.priority
    const devices = hook.devices ?? (hook.device === undefined ? undefined : [hook.device])
    if (devices !== undefined) chain['devices'] = devices
  }
  if (policy !== undefined) chain['policy'] = policy
  if (counters !== undefined) chain['counters'] = totals(counters)
  if (flags !== undefined) chain['flags'] = flags
  return withRest(chain, 'chain', userdata, opaque) as unknown as ListedChain
}

/** What all kinds may have beside their own fields. */
function withRest(object: Record<string, unknown>, kind: 'chain' | 'rule', userdata: Uint8Array | undefined, opaque: unknown): object {
  if (userdata !== undefined) Object.assign(object, commentedBy(kind, userdata))
  if (opaque !== undefined) object['opaque'] = opaque
  return object
}

/** A rule from what the kernel lists. */
export function fromNativeRule(listed: NativeListed): ListedRule {
  const { table, chain, expressions = [], compat, userdata, handle = 0n, opaque } = rawOf(listed)
  const rule: Record<string, unknown> = { family: family('family', listed.family), table, chain, handle, expressions }
  if (compat !== undefined) rule['compat'] = compat
  return withRest(rule, 'rule', userdata, opaque) as unknown as ListedRule
}

/** Whether a listed object is a counter. */
export function isNativeCounter(listed: NativeListed): boolean {
  return rawOf(listed).objectType === COUNTER_TYPE
}

/** A counter from what the kernel lists. */
export function fromNativeCounter(listed: NativeListed): ListedCounter {
  const { table, name, counter, userdata, opaque } = rawOf(listed)
  return compact({
    ...common(listed),
    table,
    name,
    ...totals(counter),
    ...commentedBy('object', userdata),
    opaque
  }) as unknown as ListedCounter
}

/** Another stateful object from what the kernel lists. */
export function fromNativeObject(listed: NativeListed): ListedObject {
  const { table, name, objectType, data = new Uint8Array(0), userdata, opaque } = rawOf(listed)
  return compact({
    ...common(listed),
    table,
    name,
    objectType: objectTypeName(objectType),
    data,
    ...commentedBy('object', userdata),
    opaque
  }) as unknown as ListedObject
}

/** A flowtable from what the kernel lists. */
export function fromNativeFlowtable(listed: NativeListed): ListedFlowtable {
  const { table, name, hook, flags, opaque } = rawOf(listed)
  return compact({
    ...common(listed),
    table,
    name,
    priority: hook?.priority ?? 0,
    devices: hook?.devices ?? [],
    flags,
    opaque
  }) as unknown as ListedFlowtable
}
