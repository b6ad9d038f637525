/**
 * Operations of a fake nf_tables on sets, objects and flowtables.
 */
import { asNative } from '../../core/columns.js'
import { EBUSY, EEXIST, EINVAL, ENOENT } from '../../core/errno.js'
import type { NativeRecord } from '../../native/index.js'
import { toColumns } from '../../nftables/columns.js'
import { describeElement, describeObject, describeSet } from './listing.js'
import { emit, findNamed, hasFlag, requireTable, text, type FakeOperation } from './operation.js'
import {
  countUses,
  liveElements,
  objectKey,
  Refusal,
  type FakeBatchContext,
  type FakeObject,
  type FakeSet,
  type FakeTable
} from './state.js'

function isSameSet(left: NativeRecord, right: NativeRecord): boolean {
  const flags = (value: NativeRecord): string => [...((value['flags'] ?? []) as readonly string[])].sort().join()
  return (
    flags(left) === flags(right) &&
    ['keyType', 'keyLength', 'dataType', 'dataLength', 'objectType'].every((field) => left[field] === right[field])
  )
}

/** `__set%d`: the kernel puts the lowest number there that is free (nf_tables_set_alloc_name). */
function setName(table: FakeTable, wanted: string): string {
  if (!wanted.includes('%')) return wanted
  for (let number = 0; ; number += 1) {
    const name = wanted.replace('%d', String(number))
    if (!table.sets.has(name)) return name
  }
}

export function addSet(context: FakeBatchContext, { verb, family, value }: FakeOperation): NativeRecord {
  const table = requireTable(context, family, value['table'], 'table')
  const name = setName(table, text(value['name']) ?? '')
  const present = table.sets.get(name)
  if (present !== undefined) {
    if (verb === 'create' || !isSameSet(present.value, value)) throw new Refusal(EEXIST, 'name')
    return describeSet(table, present)
  }
  const width = value['keyLength']
  if (typeof width !== 'number' || width < 1 || width > 64) throw new Refusal(EINVAL, 'keyLength')
  const set: FakeSet = { name, handle: context.takeHandle(), value, elements: new Map(), isShared: false }
  table.sets.set(name, set)
  if (typeof value['id'] === 'number') context.setIds.set(value['id'], name)
  if (hasFlag(value, 'anonymous')) context.unbound.add(set)
  emit(context, 'newset', table, describeSet(table, set))
  return describeSet(table, set)
}

export function deleteSet(context: FakeBatchContext, operation: FakeOperation): undefined {
  const table = requireTable(context, operation.family, operation.value['table'], 'table')
  const set = findNamed(table.sets, text(operation.value['name']), operation)
  if (set === undefined) return undefined
  if ((countUses(table).sets.get(set.name) ?? 0) > 0)
    throw new Refusal(EBUSY, text(operation.value['name']) === undefined ? 'handle' : 'name')
  table.sets.delete(set.name)
  emit(context, 'delset', table, describeSet(table, set))
  return undefined
}

export function flushSet(context: FakeBatchContext, { family, value }: FakeOperation): undefined {
  const table = requireTable(context, family, value['table'], 'table')
  const set = table.sets.get(text(value['name']) ?? '')
  if (set === undefined) throw new Refusal(ENOENT, 'name')
  const gone = [...liveElements(set, context.now)].map((element) => describeElement(element, context.now))
  set.elements = new Map()
  set.isShared = false
  // Each element is deleted and notified by itself (nft_set_flush), and none is no change.
  const told = { table: table.name, set: set.name }
  if (gone.length > 0)
    context.events.push({
      type: 'delsetelem',
      family,
      portId: context.portId,
      sequence: 0,
      value: told,
      elements: asNative(toColumns(gone))
    })
  return undefined
}

/** Objects and flowtables differ in where they are kept and in what else names them. */
function holderOf(
  table: FakeTable,
  { kind, value }: FakeOperation
): { readonly map: Map<string, FakeObject>; readonly key: string | undefined; readonly noun: string } {
  const name = text(value['name'])
  if (kind === 'flowtable') return { map: table.flowtables, key: name, noun: 'flowtable' }
  return { map: table.objects, key: name === undefined ? undefined : objectKey(value['objectType'], name), noun: 'obj' }
}

export function addObject(context: FakeBatchContext, operation: FakeOperation): NativeRecord {
  const { verb, family, value } = operation
  const table = requireTable(context, family, value['table'], 'table')
  const { map, key, noun } = holderOf(table, operation)
  if (key === undefined) throw new Refusal(EINVAL, '', undefined, 'name is missing')
  const present = map.get(key)
  if (present !== undefined) {
    if (verb === 'create') throw new Refusal(EEXIST, 'name')
    return describeObject(table, present, 0)
  }
  const object: FakeObject = { name: text(value['name'])!, handle: context.takeHandle(), value }
  map.set(key, object)
  emit(context, `new${noun}`, table, describeObject(table, object, 0))
  return describeObject(table, object, 0)
}

export function deleteObject(context: FakeBatchContext, operation: FakeOperation): undefined {
  const table = requireTable(context, operation.family, operation.value['table'], 'table')
  const { map, key, noun } = holderOf(table, operation)
  const object = findNamed(map, key, operation)
  if (object === undefined) return undefined
  const { objects, flowtables } = countUses(table)
  const uses = noun === 'obj' ? objects.get(objectKey(object.value['objectType'], object.name)) : flowtables.get(object.name)
  const inUse = (uses ?? 0) > 0
  if (inUse) throw new Refusal(EBUSY, key === undefined ? 'handle' : 'name')
  for (const [name, candidate] of map) if (candidate === object) map.delete(name)
  emit(context, `del${noun}`, table, describeObject(table, object, 0))
  return undefined
}
