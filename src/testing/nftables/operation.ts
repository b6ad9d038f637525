/**
 * What all operations of a fake nf_tables share.
 */
import { ENOENT, EPERM } from '../../core/errno.js'
import type { NativeFamily, NativeKind, NativeRecord, NativeVerb } from '../../native/index.js'
import { Refusal, tableKey, type FakeBatchContext, type FakeTable } from './state.js'

/** One queued operation on anything but elements. */
export interface FakeOperation {
  readonly verb: NativeVerb
  readonly kind: NativeKind
  readonly family: NativeFamily | 'unspec'
  readonly value: NativeRecord
}

/** The value where it is text. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** The table an operation is about (nft_table_lookup). */
export function requireTable(context: FakeBatchContext, family: string, name: unknown, field: string): FakeTable {
  const table = context.state.get(tableKey(family, text(name) ?? ''))
  if (table === undefined) throw new Refusal(ENOENT, field)
  if (table.owner !== undefined && table.owner !== context.portId) throw new Refusal(EPERM, field)
  return table
}

/** Tells monitors, once the batch is committed. */
export function emit(context: FakeBatchContext, type: string, table: FakeTable, value: NativeRecord): void {
  context.events.push({ type, family: table.family, portId: context.portId, sequence: 0, value })
}

/** Whether absence is no fault. */
export function isDestroy({ verb }: FakeOperation): boolean {
  return verb === 'destroy'
}

/** The object that a removal names, by name or else by handle; undefined where `destroy` may pass over its absence. */
export function findNamed<T extends { readonly handle: bigint }>(
  map: ReadonlyMap<string, T>,
  key: string | undefined,
  operation: FakeOperation
): T | undefined {
  const { handle } = operation.value
  const found = key === undefined ? [...map.values()].find((object) => object.handle === handle) : map.get(key)
  if (found === undefined && !isDestroy(operation)) throw new Refusal(ENOENT, key === undefined ? 'handle' : 'name')
  return found
}

/** Whether a record has a flag. */
export function hasFlag(value: NativeRecord, flag: string): boolean {
  return ((value['flags'] ?? []) as readonly unknown[]).includes(flag)
}
