/**
 * The columns of services and real servers, as a list: what makes, copies, joins and cuts columns goes through it.
 */
import { MAX_INT } from './constants.js'

type Numbers = Uint8Array | Uint16Array | Uint32Array

/** One column. */
export interface ColumnForm {
  readonly name: string
  readonly type: Uint8ArrayConstructor | Uint16ArrayConstructor | Uint32ArrayConstructor
  /** Entries a row; default 1. */
  readonly width?: number
  /** Largest entry; default: what the type holds. */
  readonly max?: number
}

/** Bytes a row of `address`. */
export const ADDRESS_WIDTH = 16

// In each list wider types come first, so that columns that share memory are aligned.
export const serviceKeyForms: readonly ColumnForm[] = [
  { name: 'fwmark', type: Uint32Array },
  { name: 'port', type: Uint16Array },
  { name: 'family', type: Uint8Array },
  { name: 'protocol', type: Uint8Array },
  { name: 'address', type: Uint8Array, width: ADDRESS_WIDTH }
]
const settingForms: readonly ColumnForm[] = [
  { name: 'flags', type: Uint32Array },
  { name: 'timeoutSeconds', type: Uint32Array },
  { name: 'netmask', type: Uint32Array }
]
/** But for the names, which are {@link serviceSymbols}. */
export const serviceForms: readonly ColumnForm[] = [...settingForms, ...serviceKeyForms]
/** Columns of indexes into tables of names: those of `scheduler` are in `schedulerTable`. */
export const serviceSymbols = ['scheduler', 'persistenceEngine'] as const
/** Services with their indexes. */
export const indexedServiceForms: readonly ColumnForm[] = [...serviceSymbols.map((name) => ({ name, type: Uint32Array })), ...serviceForms]

export const serverKeyForms: readonly ColumnForm[] = [
  { name: 'service', type: Uint32Array },
  { name: 'port', type: Uint16Array },
  { name: 'family', type: Uint8Array },
  { name: 'address', type: Uint8Array, width: ADDRESS_WIDTH }
]
export const serverForms: readonly ColumnForm[] = [
  { name: 'service', type: Uint32Array },
  { name: 'weight', type: Uint32Array, max: MAX_INT },
  { name: 'upperThreshold', type: Uint32Array, max: MAX_INT },
  { name: 'lowerThreshold', type: Uint32Array, max: MAX_INT },
  { name: 'port', type: Uint16Array },
  { name: 'tunnelPort', type: Uint16Array },
  { name: 'tunnelFlags', type: Uint16Array, max: 3 },
  { name: 'forwarding', type: Uint8Array, max: 4 },
  { name: 'tunnelType', type: Uint8Array, max: 2 },
  { name: 'family', type: Uint8Array },
  { name: 'address', type: Uint8Array, width: ADDRESS_WIDTH }
]
/** What is listed only. */
export const counterForms: readonly ColumnForm[] = [
  { name: 'activeConnections', type: Uint32Array },
  { name: 'inactiveConnections', type: Uint32Array },
  { name: 'persistentConnections', type: Uint32Array }
]

/** Columns in one piece of memory, one behind the other. */
export function viewColumns(memory: ArrayBuffer, rows: number, forms: readonly ColumnForm[]): Record<string, unknown> {
  const columns: Record<string, unknown> = { rows }
  let at = 0
  for (const { name, type, width = 1 } of forms) {
    columns[name] = new type(memory, at, rows * width)
    at += rows * width * type.BYTES_PER_ELEMENT
  }
  return columns
}

/** Bytes that so many rows take. */
export function bytesOf(rows: number, forms: readonly ColumnForm[]): number {
  let rowBytes = 0
  for (const { type, width = 1 } of forms) rowBytes += type.BYTES_PER_ELEMENT * width
  return rows * rowBytes
}

/** Columns of zeros, in memory of their own. */
export function zeroColumns(rows: number, forms: readonly ColumnForm[]): Record<string, unknown> {
  return viewColumns(new ArrayBuffer(bytesOf(rows, forms)), rows, forms)
}

/** Rows [from, to) of a table, sharing memory; tables of symbols stay whole. */
export function sliceRows<T extends { readonly rows: number }>(columns: T, from: number, to: number): T {
  const slice: Record<string, unknown> = {}
  for (const [name, column] of Object.entries(columns)) {
    const width = name === 'address' ? ADDRESS_WIDTH : 1
    slice[name] = ArrayBuffer.isView(column) ? (column as unknown as Numbers).subarray(from * width, to * width) : column
  }
  slice.rows = to - from
  return slice as T
}

/** Rows of one table that follow one another. */
export interface Run {
  readonly columns: { readonly rows: number }
  readonly from: number
  to: number
}

/** Memory that columns are put into again and again: fresh memory is a page fault for every 4 KiB. What was in it before is lost. */
export class Scratch {
  #memory = new ArrayBuffer(0)

  /** At least so many bytes, of any content. */
  take(bytes: number): ArrayBuffer {
    if (this.#memory.byteLength < bytes) this.#memory = new ArrayBuffer(bytes)
    return this.#memory
  }
}

/**
 * Rows of several tables as one. A column that a table lacks is 0.
 *
 * @param scratch Where they are put; without it they have memory of their own.
 */
export function gatherRows(runs: readonly Run[], forms: readonly ColumnForm[], scratch?: Scratch): Record<string, unknown> {
  let rows = 0
  for (const { from, to } of runs) rows += to - from
  const gathered = scratch === undefined ? zeroColumns(rows, forms) : viewColumns(scratch.take(bytesOf(rows, forms)), rows, forms)
  for (const { name, width = 1 } of forms) {
    const target = gathered[name] as Numbers
    let at = 0
    for (const { columns, from, to } of runs) {
      const source = (columns as unknown as Record<string, Numbers | undefined>)[name]
      const end = at + (to - from) * width
      if (source !== undefined) target.set(source.subarray(from * width, to * width), at)
      else if (scratch !== undefined) target.fill(0, at, end)
      at = end
    }
  }
  return gathered
}
