/**
 * Copies of the columns that callers pass in. structuredClone would do, but copies large columns twice, and clones the whole buffer behind a view of a few bytes.
 */

import { copyArray, detachedError, isDetached, toList } from '../core/checks.js'

function copyBytes(path: string, bytes: Uint8Array): Uint8Array {
  if (isDetached(bytes)) throw detachedError(path, bytes)
  return new Uint8Array(bytes)
}

function copyColumn(name: string, column: unknown): unknown {
  // Not `slice`: that of a Buffer shares its memory.
  if (column instanceof Uint8Array) return copyBytes(name, column)
  if (ArrayBuffer.isView(column) && 'slice' in column) return copyArray(name, column as Uint32Array)
  return Array.isArray(column) ? toList(name, column as unknown[]) : column
}

/** A copy of typed arrays and lists by name, each of its own memory. */
export function copyColumns<T extends object>(columns: T): T {
  return Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, copyColumn(name, column)])) as T
}
