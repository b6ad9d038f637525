/**
 * A fake nf_tables as the kernel lists it.
 */
import { Buffer } from 'node:buffer'
import { asNative } from '../../core/columns.js'
import { ENOENT } from '../../core/errno.js'
import type {
  NativeKind,
  NativeListed,
  NativeListedElements,
  NativeListedKind,
  NativeListing,
  NativeListRequest,
  NativeRecord
} from '../../native/index.js'
import { toColumns, type ElementRow } from '../../nftables/columns.js'
import { COUNTER_TYPE, QUOTA_TYPE } from '../../nftables/stateful-objects.js'
import { AttributeBuffer } from '../../nftables/wire/buffer.js'
import { encodeOperation } from '../../nftables/wire/operation.js'
import { hasFlag } from './operation.js'
import {
  countUses,
  type Uses,
  liveElements,
  objectKey,
  Refusal,
  type FakeChain,
  type FakeElement,
  type FakeObject,
  type FakeRule,
  type FakeSet,
  type FakeState,
  type FakeTable
} from './state.js'

/** Fields that only mean something inside the batch that wrote them. */
const PASSING: readonly string[] = ['id', 'chainId', 'positionId', 'position']

function lasting(value: NativeRecord): Record<string, unknown> {
  const flags = value['flags'] as readonly unknown[] | undefined
  const kept = Object.entries(value).filter(([field]) => !PASSING.includes(field))
  return { ...Object.fromEntries(kept), ...(flags?.length === 0 ? { flags: undefined } : {}) }
}

/** Without what is undefined: the kernel lists what is there. */
function compact(record: Record<string, unknown>): NativeRecord {
  return Object.fromEntries(Object.entries(record).filter(([, content]) => content !== undefined))
}

/** A table's record. */
export function describeTable(table: FakeTable): NativeRecord {
  const use = table.chains.size + table.sets.size + table.objects.size + table.flowtables.size
  return compact({ ...lasting(table.value), name: table.name, handle: table.handle, use, owner: table.owner })
}

/** A chain's record. `use`: rules in it, and jumps to it. */
export function describeChain(table: FakeTable, chain: FakeChain, use: number): NativeRecord {
  const { value } = chain
  const isBase = value['hook'] !== undefined
  const flags = ((value['flags'] ?? []) as readonly unknown[]).filter((flag) => flag !== 'base')
  return compact({
    ...lasting(value),
    table: table.name,
    name: chain.name,
    handle: chain.handle,
    use,
    policy: isBase ? (value['policy'] ?? 'accept') : undefined,
    flags: isBase ? ['base', ...flags] : flags.length === 0 ? undefined : flags
  })
}

/** A rule's record. */
export function describeRule(table: FakeTable, chain: FakeChain, rule: FakeRule): NativeRecord {
  return compact({ ...lasting(rule.value), table: table.name, chain: chain.name, handle: rule.handle })
}

/** A set's record, with the number of its elements (Linux 6.18). */
export function describeSet(table: FakeTable, set: FakeSet): NativeRecord {
  return compact({ ...lasting(set.value), table: table.name, name: set.name, handle: set.handle, count: set.elements.size })
}

/** An object's or flowtable's record. */
export function describeObject(table: FakeTable, object: FakeObject, use: number): NativeRecord {
  return compact({ ...lasting(object.value), table: table.name, name: object.name, handle: object.handle, use })
}

/** A row as it is now: what is left of its time. */
export function describeElement(element: FakeElement, now: number): ElementRow {
  if (element.expiresAt === undefined) return element.row
  return { ...element.row, expirationMs: Math.max(1, Math.ceil(element.expiresAt - now)) }
}

interface Found {
  readonly tables: NativeListed[]
  readonly chains: NativeListed[]
  readonly rules: NativeListed[]
  readonly sets: NativeListed[]
  readonly objects: NativeListed[]
  readonly flowtables: NativeListed[]
  readonly elements: NativeListedElements[]
}

function collectChains(table: FakeTable, request: NativeListRequest, uses: ReadonlyMap<string, number>, found: Found): void {
  const { family } = table
  for (const chain of table.chains.values()) {
    if (request.chains === true) found.chains.push({ family, value: describeChain(table, chain, uses.get(chain.name) ?? 0) })
    if (request.rules !== true || (request.chain !== undefined && request.chain !== chain.name)) continue
    for (const rule of chain.rules) found.rules.push({ family, value: describeRule(table, chain, rule) })
  }
}

/** What an object has counted, at its beginning. */
function zeroed({ objectType, data }: NativeRecord): NativeRecord {
  if (objectType === COUNTER_TYPE) return { counter: { packets: 0n, bytes: 0n } }
  return objectType === QUOTA_TYPE && !(data instanceof Uint8Array) ? { data: { ...(data as NativeRecord), consumed: 0n } } : {}
}

/** Reading with `reset` zeroes, as NFT_MSG_GETOBJ_RESET does. */
function collectObjects(table: FakeTable, request: NativeListRequest, uses: Uses, found: Found): void {
  const isAsked = ({ name }: FakeObject): boolean => request.name === undefined || request.name === name
  const isOfType = ({ value: { objectType } }: FakeObject): boolean =>
    request.objectType === undefined ? objectType !== request.otherThanType : objectType === request.objectType
  for (const object of [...table.objects.values()].filter((each) => isAsked(each) && isOfType(each))) {
    if (request.objects !== true) continue
    const use = uses.objects.get(objectKey(object.value['objectType'], object.name)) ?? 0
    found.objects.push({ family: table.family, value: describeObject(table, object, use) })
    if (request.reset === true) object.value = { ...object.value, ...zeroed(object.value) }
  }
  for (const flowtable of [...table.flowtables.values()].filter(isAsked)) {
    if (request.flowtables !== true) continue
    found.flowtables.push({ family: table.family, value: describeObject(table, flowtable, uses.flowtables.get(flowtable.name) ?? 0) })
  }
}

function collectSets(table: FakeTable, request: NativeListRequest, now: number, found: Found): void {
  const { family } = table
  for (const set of table.sets.values()) {
    if (request.name !== undefined && request.name !== set.name) continue
    if (request.sets === true) found.sets.push({ family, value: describeSet(table, set) })
    if (request.elements !== true || (request.staticElements === true && hasFlag(set.value, 'eval'))) continue
    const rows = Array.from(liveElements(set, now), (element) => describeElement(element, now))
    found.elements.push({ family, table: table.name, set: set.name, chunks: rows.length === 0 ? [] : [asNative(toColumns(rows))] })
  }
}

function checkFound(request: NativeListRequest, tables: readonly FakeTable[], found: Found): void {
  const { table, chain, name } = request
  if (table !== undefined && tables.length === 0) throw new Refusal(ENOENT, '', undefined, `there is no table ${table}`)
  if (table !== undefined && chain !== undefined && !tables.some(({ chains }) => chains.has(chain))) {
    throw new Refusal(ENOENT, '', undefined, `there is no chain ${chain} in table ${table}`)
  }
  const named = found.sets.length + found.elements.length + found.objects.length + found.flowtables.length
  if (name !== undefined && named === 0) throw new Refusal(ENOENT, '', undefined, `there is nothing named ${name}`)
}

const KINDS = { tables: 'table', chains: 'chain', rules: 'rule', sets: 'set', objects: 'object', flowtables: 'flowtable' } as const

/** Records as they cross from the kernel's side. */
function runOf(kind: NativeKind, found: readonly NativeListed[]): Uint8Array {
  const written = found.map(({ family, value }) => {
    const { bytes, from, to } = encodeOperation({ verb: 'add', kind, family }, value, new AttributeBuffer(256), true)
    return bytes.subarray(from, to)
  })
  return Buffer.concat(written)
}

/** Lists what is asked for. @throws {Refusal} `ENOENT`: what is named does not exist. */
export function listState(state: FakeState, request: NativeListRequest, generation: number, now: number): NativeListing {
  const { family = 'unspec', table: wanted } = request
  const isAsked = (table: FakeTable): boolean =>
    (family === 'unspec' || table.family === family) && (wanted === undefined || table.name === wanted)
  const tables = [...state.values()].filter(isAsked)
  const found: Found = { tables: [], chains: [], rules: [], sets: [], objects: [], flowtables: [], elements: [] }
  for (const table of tables) {
    const uses = countUses(table)
    if (request.tables === true) found.tables.push({ family: table.family, value: describeTable(table) })
    collectChains(table, request, uses.chains, found)
    collectSets(table, request, now, found)
    collectObjects(table, request, uses, found)
  }
  checkFound(request, tables, found)
  const kinds = ['tables', 'chains', 'rules', 'sets', 'objects', 'flowtables'] as const
  const counts = Object.fromEntries(kinds.map((kind) => [kind, found[kind].length])) as Record<NativeListedKind, number>
  return {
    generation,
    counts: { ...counts, elements: found.elements.length },
    take: (kind, from, count) => runOf(KINDS[kind], found[kind].slice(from, from + count)),
    takeElements: (from, count) => found.elements.slice(from, from + count)
  }
}
