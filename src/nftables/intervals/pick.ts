/**
 * Some rows of columns, in another order.
 */
import type { Slices } from '../../core/slices.js'
import type { ElementColumns } from '../columns.js'

type Numbers = Uint8Array | Uint32Array | Int32Array | Float64Array | BigUint64Array

/** Columns with one entry a row. */
const NUMBERS = [
  'flags',
  'verdict',
  'verdictChain',
  'timeoutMs',
  'expirationMs',
  'objectReference',
  'counterPackets',
  'counterBytes',
  'hasCounter'
] as const
/** Columns of bytes of any length, with offsets. */
const BLOBS = ['data', 'userdata', 'expressions'] as const

async function pickNumbers<Values extends Numbers>(values: Values, rows: Uint32Array, slices: Slices): Promise<Values> {
  const picked = new (values.constructor as new (length: number) => Values)(rows.length)
  await slices.times(rows.length, (at) => {
    picked[at] = values[rows[at]!]!
  })
  return picked
}

/** Of entries that take `width` values each, those of these rows, in this order. */
export async function pickFixed<Values extends Uint8Array | Uint32Array>(
  values: Values,
  width: number,
  rows: Uint32Array,
  slices: Slices
): Promise<Values> {
  const length = rows.length * width
  const picked = (values instanceof Uint32Array ? new Uint32Array(length) : new Uint8Array(length)) as Values
  await slices.times(rows.length, (at) => {
    const [from, to] = [rows[at]! * width, at * width]
    for (let index = 0; index < width; index++) picked[to + index] = values[from + index]!
  })
  return picked
}

async function pickBlobs(
  bytes: Uint8Array,
  offsets: Uint32Array,
  rows: Uint32Array,
  slices: Slices
): Promise<{ readonly bytes: Uint8Array; readonly offsets: Uint32Array }> {
  const picked = { offsets: new Uint32Array(rows.length + 1), bytes: new Uint8Array(0) }
  await slices.times(rows.length, (at) => {
    picked.offsets[at + 1] = picked.offsets[at]! + offsets[rows[at]! + 1]! - offsets[rows[at]!]!
  })
  picked.bytes = new Uint8Array(picked.offsets[rows.length]!)
  await slices.times(rows.length, (at) => {
    const [from, to] = [offsets[rows[at]!]!, offsets[rows[at]! + 1]!]
    if (from !== to) picked.bytes.set(bytes.subarray(from, to), picked.offsets[at])
  })
  return picked
}

/** These rows, in this order. */
export async function pickRows(columns: ElementColumns, rows: Uint32Array, slices: Slices): Promise<ElementColumns> {
  const width = columns.rows === 0 ? 0 : columns.key.length / columns.rows
  const picked: Record<string, unknown> & { rows: number; key: Uint8Array } = {
    ...columns,
    rows: rows.length,
    key: await pickFixed(columns.key, width, rows, slices)
  }
  if (columns.keyEnd !== undefined) picked['keyEnd'] = await pickFixed(columns.keyEnd, width, rows, slices)
  for (const name of NUMBERS) {
    if (columns[name] !== undefined) picked[name] = await pickNumbers<Numbers>(columns[name], rows, slices)
  }
  for (const name of BLOBS) {
    if (columns[name] === undefined) continue
    const { bytes, offsets } = await pickBlobs(columns[name], columns[`${name}Offsets`]!, rows, slices)
    picked[name] = bytes
    picked[`${name}Offsets`] = offsets
  }
  return picked
}
