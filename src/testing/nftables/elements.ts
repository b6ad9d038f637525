/**
 * Operations of a fake nf_tables on elements: the checks of nft_add_set_elem and nft_del_setelem.
 */
import { Buffer } from 'node:buffer'
import { asNative } from '../../core/columns.js'
import { EBUSY, EEXIST, EINVAL, ENFILE, ENOENT, EOPNOTSUPP } from '../../core/errno.js'
import type { NativeFamily, NativeRecord, NativeVerb } from '../../native/index.js'
import { CATCHALL, INTERVAL_END, rowAt, toColumns, type ElementColumns, type ElementRow } from '../../nftables/columns.js'
import { checkConcatenation, FakeTree, findRemoved, isTree } from './intervals.js'
import { hasFlag, requireTable } from './operation.js'
import {
  countUses,
  liveElements,
  objectKey,
  ownElements,
  Refusal,
  type FakeBatchContext,
  type FakeElement,
  type FakeSet,
  type FakeTable
} from './state.js'

/** NFT_DATA_VERDICT, include/uapi/linux/netfilter/nf_tables.h. */
const DATA_VERDICT = 0xffff_ff00

/** One queued operation on elements; without columns it means all of them. */
export interface FakeElementsOperation {
  readonly verb: NativeVerb
  readonly family: NativeFamily
  readonly header: NativeRecord
  readonly columns: ElementColumns | undefined
}

function keyOf({ key, keyEnd, flags }: ElementRow): string {
  if ((flags & CATCHALL) !== 0) return '*'
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
  return `${flags & INTERVAL_END} ${text(key)} ${keyEnd === undefined || Buffer.compare(keyEnd, key) === 0 ? '' : text(keyEnd)}`
}

function findSet(context: FakeBatchContext, table: FakeTable, header: NativeRecord): FakeSet {
  const { set: name, setId } = header as { set?: string; setId?: number }
  const set = table.sets.get(name ?? '') ?? table.sets.get(context.setIds.get(setId ?? -1) ?? '')
  if (set === undefined) throw new Refusal(ENOENT, 'set')
  return set
}

function checkKey(set: FakeSet, row: ElementRow, index: number): void {
  if ((row.flags & CATCHALL) === 0 && row.key.length !== set.value['keyLength']) throw new Refusal(EINVAL, 'key', index)
}

/** What a row must and must not have, by the kind of its set. */
function checkContent(table: FakeTable, set: FakeSet, row: ElementRow, index: number): void {
  const isEnd = (row.flags & INTERVAL_END) !== 0
  const hasData = row.data !== undefined || row.verdict !== undefined
  if (hasFlag(set.value, 'map') !== hasData && !isEnd) throw new Refusal(EINVAL, hasData ? 'data' : '', index)
  if (hasFlag(set.value, 'object') !== (row.object !== undefined) && !isEnd) throw new Refusal(EINVAL, '', index)
  if (row.timeoutMs > 0 && !hasFlag(set.value, 'timeout')) throw new Refusal(EINVAL, '', index)
  if (hasData && (row.verdict !== undefined) !== (set.value['dataType'] === DATA_VERDICT)) throw new Refusal(EINVAL, 'data', index)
  if (row.data !== undefined && row.data.length !== set.value['dataLength']) throw new Refusal(EINVAL, 'data', index)
  if (row.chain !== undefined) {
    const chain = table.chains.get(row.chain)
    if (chain === undefined) throw new Refusal(ENOENT, '', index)
    if (chain.value['hook'] !== undefined) throw new Refusal(EOPNOTSUPP, '', index)
    if (hasFlag(chain.value, 'binding')) throw new Refusal(EINVAL, '', index)
  }
  if (row.object !== undefined && !table.objects.has(objectKey(set.value['objectType'], row.object))) {
    throw new Refusal(ENOENT, 'objectReference', index)
  }
}

/** Whether two elements of one key hold the same. */
function isSameContent(left: ElementRow, right: ElementRow): boolean {
  const bytes = Buffer.compare(left.data ?? new Uint8Array(0), right.data ?? new Uint8Array(0)) === 0
  return bytes && left.verdict === right.verdict && left.chain === right.chain && left.object === right.object
}

/** Ends of ranges are no elements to the limit. */
function countElements(set: FakeSet): number {
  let count = 0
  for (const { row } of set.elements.values()) if ((row.flags & (INTERVAL_END | CATCHALL)) === 0) count += 1
  return count
}

/** A row with what the set gives each of its elements. */
function stored(set: FakeSet, row: ElementRow, now: number): FakeElement {
  const expressions = [set.value['expression'], ...((set.value['expressions'] ?? []) as unknown[])] as (
    { readonly type: string } | undefined
  )[]
  const counts = expressions.some((expression) => expression?.type === 'counter')
  const own = row.timeoutMs > 0 ? row.timeoutMs : ((set.value['timeoutMs'] as number | undefined) ?? 0)
  const timeoutMs = own === Infinity ? 0 : own
  const left = row.expirationMs > 0 ? row.expirationMs : timeoutMs
  // Typed arrays of the caller's columns are copied: rows are views of them.
  const copy = (bytes: Uint8Array | undefined): Uint8Array | undefined => (bytes === undefined ? undefined : Uint8Array.from(bytes))
  return {
    row: {
      ...row,
      key: Uint8Array.from(row.key),
      keyEnd: copy(row.keyEnd),
      data: copy(row.data),
      userdata: copy(row.userdata),
      expressions: copy(row.expressions),
      timeoutMs: timeoutMs === set.value['timeoutMs'] ? 0 : timeoutMs,
      counter: row.counter ?? (counts ? { packets: 0n, bytes: 0n } : undefined)
    },
    expiresAt: left > 0 ? now + left : undefined
  }
}

function addElements(context: FakeBatchContext, table: FakeTable, set: FakeSet, operation: FakeElementsOperation): ElementRow[] {
  const { verb, columns } = operation
  const { size } = (set.value['description'] ?? {}) as { size?: number }
  const added: ElementRow[] = []
  const elements = ownElements(set)
  const tree = isTree(set) ? new FakeTree(set, liveElements(set, context.now)) : undefined
  let count = size === undefined ? 0 : countElements(set)
  for (let index = 0; index < (columns?.rows ?? 0); index += 1) {
    const row = rowAt(columns!, index)
    checkKey(set, row, index)
    checkContent(table, set, row, index)
    const key = keyOf(row)
    const present = elements.get(key)
    if (present !== undefined && (present.expiresAt === undefined || present.expiresAt > context.now)) {
      if (verb === 'create' || !isSameContent(present.row, row)) throw new Refusal(EEXIST, '', index)
      continue
    }
    if ((row.flags & CATCHALL) === 0) tree?.insert(row, index)
    checkConcatenation(set, liveElements(set, context.now), row, index)
    const isCounted = (row.flags & (INTERVAL_END | CATCHALL)) === 0
    if (isCounted && size !== undefined && size > 0 && count >= size) throw new Refusal(ENFILE, '', index)
    if (isCounted) count += 1
    const element = stored(set, row, context.now)
    elements.delete(key)
    elements.set(key, element)
    added.push(element.row)
  }
  return added
}

function removeElements(context: FakeBatchContext, set: FakeSet, { verb, columns }: FakeElementsOperation): ElementRow[] {
  const elements = ownElements(set)
  if (columns === undefined) {
    const all = Array.from(elements.values(), ({ row }) => row)
    elements.clear()
    return all
  }
  const removed: ElementRow[] = []
  for (let index = 0; index < columns.rows; index += 1) {
    const row = rowAt(columns, index)
    checkKey(set, row, index)
    const key = findRemoved(set, elements, keyOf(row), row) ?? ''
    const present = elements.get(key)
    if (present === undefined || (present.expiresAt !== undefined && present.expiresAt <= context.now)) {
      if (verb === 'destroy') continue
      throw new Refusal(ENOENT, '', index)
    }
    elements.delete(key)
    removed.push(present.row)
  }
  return removed
}

/** Carries out an operation on elements. @throws {Refusal} With the row at fault. */
export function applyElements(context: FakeBatchContext, operation: FakeElementsOperation): void {
  const { verb, family, header } = operation
  const table = requireTable(context, family, header['table'], 'table')
  const set = findSet(context, table, header)
  const isBound = (): boolean => (countUses(table).sets.get(set.name) ?? 0) > 0
  if (hasFlag(set.value, 'constant') && isBound()) throw new Refusal(EBUSY, 'set')
  const isAddition = verb === 'add' || verb === 'create'
  const rows = isAddition ? addElements(context, table, set, operation) : removeElements(context, set, operation)
  if (rows.length === 0) return
  const type = isAddition ? 'newsetelem' : 'delsetelem'
  const value = { table: table.name, set: set.name }
  context.events.push({ type, family, portId: context.portId, sequence: 0, value, elements: asNative(toColumns(rows)) })
}
