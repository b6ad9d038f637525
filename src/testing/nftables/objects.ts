/**
 * Operations of a fake nf_tables on tables, chains, rules, sets, objects and flowtables: the checks of net/netfilter/nf_tables_api.c.
 */
import { EBUSY, EEXIST, EINVAL, ENOENT, EOPNOTSUPP } from '../../core/errno.js'
import type { NativeFamily, NativeKind, NativeRecord, NativeVerb } from '../../native/index.js'
import { describeChain, describeObject, describeRule, describeSet, describeTable } from './listing.js'
import { emit, findNamed, hasFlag, isDestroy, requireTable, text, type FakeOperation } from './operation.js'
import { addObject, addSet, deleteObject, deleteSet, flushSet } from './sets.js'
import {
  countUses,
  objectKey,
  Refusal,
  ruleReferences,
  tableKey,
  type FakeBatchContext,
  type FakeChain,
  type FakeRule,
  type FakeSet,
  type FakeTable
} from './state.js'

type Handler = (context: FakeBatchContext, operation: FakeOperation) => NativeRecord | undefined

const CHAIN_TYPES: Readonly<Record<string, readonly string[]>> = {
  filter: ['inet', 'ip', 'ip6', 'arp', 'bridge', 'netdev'],
  nat: ['inet', 'ip', 'ip6'],
  route: ['inet', 'ip', 'ip6']
}

/** Flags of a table that exists: one that persists without an owner can be taken over; nothing else changes whom it belongs to (nf_tables_updtable). */
function updateFlags(context: FakeBatchContext, table: FakeTable, flags: readonly string[]): void {
  const before = (table.value['flags'] ?? []) as readonly string[]
  const isOrphan = before.includes('persist') && table.owner === undefined
  const isOwned = flags.includes('owner')
  if (before.includes('persist') !== flags.includes('persist')) throw new Refusal(EOPNOTSUPP, '')
  if (isOwned !== (table.owner !== undefined) && !(isOwned && isOrphan)) throw new Refusal(EOPNOTSUPP, '')
  if (isOwned) table.owner = context.portId
  table.value = { ...table.value, flags }
}

function addTable(context: FakeBatchContext, { verb, family, value }: FakeOperation): NativeRecord | undefined {
  const name = text(value['name'])
  if (name === undefined) throw new Refusal(EINVAL, '', undefined, 'name is missing')
  const flags = (value['flags'] ?? []) as readonly string[]
  const key = tableKey(family, name)
  if (context.state.has(key)) {
    const present = requireTable(context, family, name, '')
    if (verb === 'create') throw new Refusal(EEXIST, 'name')
    if (value['flags'] === undefined) return undefined
    updateFlags(context, present, flags)
    emit(context, 'newtable', present, describeTable(present))
    return describeTable(present)
  }
  const made: FakeTable = {
    family: family as NativeFamily,
    name,
    handle: context.takeHandle(),
    value,
    owner: flags.includes('owner') ? context.portId : undefined,
    chains: new Map(),
    sets: new Map(),
    objects: new Map(),
    flowtables: new Map()
  }
  context.state.set(key, made)
  emit(context, 'newtable', made, describeTable(made))
  return describeTable(made)
}

/** Everything in a table goes with it, in the kernel's order (nft_flush_table). */
export function dropTable(context: FakeBatchContext, table: FakeTable): void {
  for (const chain of table.chains.values())
    for (const rule of chain.rules) emit(context, 'delrule', table, describeRule(table, chain, rule))
  for (const flowtable of table.flowtables.values()) emit(context, 'delflowtable', table, describeObject(table, flowtable, 0))
  for (const set of table.sets.values()) emit(context, 'delset', table, describeSet(table, set))
  for (const object of table.objects.values()) emit(context, 'delobj', table, describeObject(table, object, 0))
  for (const chain of table.chains.values()) emit(context, 'delchain', table, describeChain(table, chain, 0))
  emit(context, 'deltable', table, describeTable(table))
  context.state.delete(tableKey(table.family, table.name))
}

/** Deletes one table; without a name all of the family, or of every family, but those that others own (nft_flush). */
function deleteTable(context: FakeBatchContext, operation: FakeOperation): undefined {
  const { family, value } = operation
  if (value['name'] === undefined && value['handle'] === undefined) {
    for (const table of [...context.state.values()]) {
      const isForeign = table.owner !== undefined && table.owner !== context.portId
      if (!isForeign && (family === 'unspec' || table.family === family)) dropTable(context, table)
    }
    return undefined
  }
  const byHandle = value['name'] === undefined ? [...context.state.values()].find(({ handle }) => handle === value['handle']) : undefined
  const name = byHandle?.name ?? text(value['name'])
  if (isDestroy(operation) && !context.state.has(tableKey(family, name ?? ''))) return undefined
  dropTable(context, requireTable(context, family, name, value['name'] === undefined ? 'handle' : 'name'))
  return undefined
}

function flushTable(context: FakeBatchContext, operation: FakeOperation): undefined {
  if (operation.value['name'] === undefined) return deleteTable(context, operation)
  const table = requireTable(context, operation.family, operation.value['name'], 'name')
  for (const chain of table.chains.values()) dropRules(context, table, chain, () => true)
  return undefined
}

function checkBase(family: string, value: NativeRecord): void {
  const { hook, chainType } = value as { hook?: { readonly priority: number }; chainType?: string }
  if (hook === undefined) {
    if (value['policy'] !== undefined) throw new Refusal(EOPNOTSUPP, 'policy')
    return
  }
  const type = chainType ?? 'filter'
  if (CHAIN_TYPES[type]?.includes(family) !== true) throw new Refusal(ENOENT, 'chainType')
  // NAT must come after conntrack (NF_IP_PRI_CONNTRACK), nft_chain_parse_hook.
  if (type === 'nat' && hook.priority <= -200) throw new Refusal(EOPNOTSUPP, '')
}

function isSameHook(left: unknown, right: unknown): boolean {
  const hook = (value: unknown): string => {
    const { hook: number, priority } = value as { hook: number; priority: number }
    return `${number} ${priority}`
  }
  return hook(left) === hook(right)
}

function updateChain(context: FakeBatchContext, table: FakeTable, chain: FakeChain, value: NativeRecord): NativeRecord {
  if (value['hook'] !== undefined) {
    if (chain.value['hook'] === undefined) throw new Refusal(EEXIST, 'name')
    const isSameType = (value['chainType'] ?? 'filter') === (chain.value['chainType'] ?? 'filter')
    if (!isSameType || !isSameHook(chain.value['hook'], value['hook'])) throw new Refusal(EOPNOTSUPP, '')
  }
  if (value['policy'] !== undefined && chain.value['hook'] === undefined) throw new Refusal(EOPNOTSUPP, 'policy')
  for (const field of ['policy', 'counters']) if (value[field] !== undefined) chain.value = { ...chain.value, [field]: value[field] }
  const described = describeChain(table, chain, countUses(table).chains.get(chain.name) ?? 0)
  emit(context, 'newchain', table, described)
  return described
}

/** An expression that went on in a chain which has another name now. */
function renameCalled(expression: NativeRecord, from: string, to: string): NativeRecord {
  const data = expression['data'] as NativeRecord | undefined
  const isCall = expression['type'] === 'immediate' && data?.['chain'] === from
  return isCall ? { ...expression, data: { ...data, chain: to } } : expression
}

/** Gives a chain another name; here at once, not with the commit. */
function renameChain(context: FakeBatchContext, table: FakeTable, value: NativeRecord): NativeRecord {
  const name = String(value['name'])
  const chain = [...table.chains.values()].find(({ handle }) => handle === value['handle'])
  if (chain === undefined) throw new Refusal(ENOENT, 'handle')
  if (table.chains.has(name)) throw new Refusal(EEXIST, 'name')
  const from = chain.name
  const renamed: FakeChain = { ...chain, name, value: { ...chain.value, name } }
  table.chains.delete(from)
  table.chains.set(name, renamed)
  for (const each of table.chains.values())
    each.rules = each.rules.map((rule) => {
      const expressions = (rule.value['expressions'] as readonly NativeRecord[] | undefined) ?? []
      return { ...rule, value: { ...rule.value, expressions: expressions.map((expression) => renameCalled(expression, from, name)) } }
    })
  const described = describeChain(table, renamed, countUses(table).chains.get(name) ?? 0)
  emit(context, 'newchain', table, described)
  return described
}

function addChain(context: FakeBatchContext, { verb, family, value }: FakeOperation): NativeRecord {
  const table = requireTable(context, family, value['table'], 'table')
  if (value['handle'] !== undefined) return renameChain(context, table, value)
  const isOwned = hasFlag(value, 'binding')
  if (text(value['name']) === undefined && !isOwned) throw new Refusal(EINVAL, '', undefined, 'name is missing')
  const name = text(value['name']) ?? `__chain${context.takeHandle()}`
  const present = table.chains.get(name)
  if (present !== undefined) {
    if (verb === 'create') throw new Refusal(EEXIST, 'name')
    return updateChain(context, table, present, value)
  }
  checkBase(family, value)
  if (isOwned && value['hook'] !== undefined) throw new Refusal(EOPNOTSUPP, '')
  const chain: FakeChain = { name, handle: context.takeHandle(), value, rules: [], isBound: false }
  table.chains.set(name, chain)
  if (isOwned) context.unbound.add(chain)
  if (typeof value['id'] === 'number') context.chainIds.set(value['id'], name)
  const described = describeChain(table, chain, 0)
  emit(context, 'newchain', table, described)
  return described
}

function deleteChain(context: FakeBatchContext, operation: FakeOperation): undefined {
  const table = requireTable(context, operation.family, operation.value['table'], 'table')
  const chain = findNamed(table.chains, text(operation.value['name']), operation)
  if (chain === undefined) return undefined
  checkFree(chain)
  dropRules(context, table, chain, () => true)
  if ((countUses(table).chains.get(chain.name) ?? 0) > 0)
    throw new Refusal(EBUSY, text(operation.value['name']) === undefined ? 'handle' : 'name')
  table.chains.delete(chain.name)
  emit(context, 'delchain', table, describeChain(table, chain, 0))
  return undefined
}

function flushChain(context: FakeBatchContext, { family, value }: FakeOperation): undefined {
  const table = requireTable(context, family, value['table'], 'table')
  const chain = requireChain(table, value['name'], 'name')
  checkFree(chain)
  dropRules(context, table, chain, () => true)
  return undefined
}

/** A chain that belongs to a rule changes only with it. */
function checkFree({ isBound }: FakeChain): void {
  if (isBound) throw new Refusal(EOPNOTSUPP, '')
}

function requireChain(table: FakeTable, name: unknown, field: string): FakeChain {
  const chain = table.chains.get(text(name) ?? '')
  if (chain === undefined) throw new Refusal(ENOENT, field)
  return chain
}

/** Removes rules, and the anonymous sets and bound chains that go with them. */
function dropRules(context: FakeBatchContext, table: FakeTable, chain: FakeChain, isDropped: (rule: FakeRule) => boolean): void {
  const dropped = chain.rules.filter(isDropped)
  chain.rules = chain.rules.filter((rule) => !isDropped(rule))
  for (const rule of dropped) {
    emit(context, 'delrule', table, describeRule(table, chain, rule))
    for (const { kind, name } of ruleReferences(rule.value)) {
      const set = kind === 'set' ? table.sets.get(name ?? '') : undefined
      if (set !== undefined && hasFlag(set.value, 'anonymous')) table.sets.delete(set.name)
      const bound = kind === 'chain' ? table.chains.get(name ?? '') : undefined
      if (bound === undefined || !hasFlag(bound.value, 'binding')) continue
      dropRules(context, table, bound, () => true)
      table.chains.delete(bound.name)
    }
  }
}

/** A rule takes a chain as its own (nf_tables_bind_chain). */
function bindChain(context: FakeBatchContext, from: FakeChain, chain: FakeChain, field: string): void {
  if (chain.isBound) throw new Refusal(EINVAL, field)
  if (!hasFlag(chain.value, 'binding')) return
  if (hasFlag(from.value, 'binding')) throw new Refusal(EOPNOTSUPP, field)
  chain.isBound = true
  context.unbound.delete(chain)
}

/** Checks what a rule refers to, and puts names where the batch's own ids were. */
function resolveExpressions(context: FakeBatchContext, table: FakeTable, chain: FakeChain, value: NativeRecord): NativeRecord {
  const expressions = [...((value['expressions'] ?? []) as readonly NativeRecord[])]
  for (const { kind, name, id, objectType, index } of ruleReferences(value)) {
    const field = `expressions[${index}]`
    if (kind === 'object' || kind === 'flowtable') {
      const isThere = kind === 'object' ? table.objects.has(objectKey(objectType, name!)) : table.flowtables.has(name ?? '')
      if (!isThere) throw new Refusal(ENOENT, field)
      continue
    }
    const held: ReadonlyMap<string, FakeChain | FakeSet> = kind === 'chain' ? table.chains : table.sets
    const ids = kind === 'chain' ? context.chainIds : context.setIds
    const found = held.get(name ?? '') ?? (id === undefined ? undefined : held.get(ids.get(id) ?? ''))
    if (found === undefined) throw new Refusal(ENOENT, field)
    if (kind === 'chain' && found.value['hook'] !== undefined) throw new Refusal(EOPNOTSUPP, field)
    if (kind === 'set') context.unbound.delete(found)
    else bindChain(context, chain, found as FakeChain, field)
    expressions[index] = renamed(expressions[index]!, kind, found.name)
  }
  return { ...value, expressions }
}

/** The kernel lists names, never ids. */
function renamed(expression: NativeRecord, kind: 'chain' | 'set', name: string): NativeRecord {
  const without = (record: NativeRecord, id: string): NativeRecord =>
    Object.fromEntries(Object.entries(record).filter(([field]) => field !== id))
  if (kind === 'set') return { ...without(expression, 'setId'), set: name }
  return { ...expression, data: { ...without(expression['data'] as NativeRecord, 'chainId'), chain: name } }
}

function findRule(chain: FakeChain, value: NativeRecord, handleField: string, idField: string): FakeRule | undefined {
  const handle = value[handleField]
  const id = value[idField]
  if (handle === undefined && id === undefined) return undefined
  const found = chain.rules.find((rule) => (handle === undefined ? rule.id === id : rule.handle === handle))
  if (found === undefined) throw new Refusal(ENOENT, handle === undefined ? idField : handleField)
  return found
}

function addRule(context: FakeBatchContext, { verb, family, value }: FakeOperation): NativeRecord {
  const table = requireTable(context, family, value['table'], 'table')
  const { chainId } = value
  const chain = requireChain(table, value['chain'] ?? (typeof chainId === 'number' ? context.chainIds.get(chainId) : undefined), 'chain')
  checkFree(chain)
  const old = verb === 'replace' ? findRule(chain, value, 'handle', 'id') : undefined
  if (verb === 'replace' && old === undefined) throw new Refusal(EINVAL, '', undefined, 'handle is missing')
  const neighbour = findRule(chain, value, 'position', 'positionId')
  const { id } = value
  const rule: FakeRule = {
    handle: context.takeHandle(),
    id: typeof id === 'number' ? id : undefined,
    value: resolveExpressions(context, table, chain, value)
  }
  const rules = [...chain.rules]
  const at = neighbour === undefined ? undefined : rules.indexOf(neighbour)
  if (old !== undefined) rules.splice(rules.indexOf(old) + 1, 0, rule)
  else if (verb === 'insert') rules.splice(at ?? 0, 0, rule)
  else rules.splice(at === undefined ? rules.length : at + 1, 0, rule)
  chain.rules = rules
  emit(context, 'newrule', table, describeRule(table, chain, rule))
  if (old !== undefined) dropRules(context, table, chain, (candidate) => candidate === old)
  return describeRule(table, chain, rule)
}

function deleteRule(context: FakeBatchContext, operation: FakeOperation): undefined {
  const { family, value } = operation
  const table = requireTable(context, family, value['table'], 'table')
  const chain = requireChain(table, value['chain'], 'chain')
  checkFree(chain)
  if (value['handle'] === undefined && value['id'] === undefined) throw new Refusal(EINVAL, '', undefined, 'handle is missing')
  const isThere = chain.rules.some(({ handle, id }) => (value['handle'] === undefined ? id === value['id'] : handle === value['handle']))
  if (!isThere && isDestroy(operation)) return undefined
  const rule = findRule(chain, value, 'handle', 'id')
  dropRules(context, table, chain, (candidate) => candidate === rule)
  return undefined
}

type Verbs = Partial<Record<NativeVerb, Handler>>
const HANDLERS: Readonly<Record<NativeKind, Verbs>> = {
  table: { add: addTable, create: addTable, delete: deleteTable, destroy: deleteTable, flush: flushTable },
  chain: { add: addChain, create: addChain, delete: deleteChain, destroy: deleteChain, flush: flushChain },
  rule: { add: addRule, insert: addRule, replace: addRule, delete: deleteRule, destroy: deleteRule },
  set: { add: addSet, create: addSet, delete: deleteSet, destroy: deleteSet, flush: flushSet },
  object: { add: addObject, create: addObject, delete: deleteObject, destroy: deleteObject },
  flowtable: { add: addObject, create: addObject, delete: deleteObject, destroy: deleteObject }
}

/** Whether nf_tables has a message for this. */
export function hasForm(verb: NativeVerb, kind: NativeKind): boolean {
  return HANDLERS[kind][verb] !== undefined
}

/** Carries out an operation; returns the object made, as the kernel would list it. @throws {Refusal} */
export function applyOperation(context: FakeBatchContext, operation: FakeOperation): NativeRecord | undefined {
  return HANDLERS[operation.kind][operation.verb]!(context, operation)
}
