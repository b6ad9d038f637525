/**
 * Set elements as columns: typed arrays with one entry a row, which cross to the kernel in one call for any number of elements.
 */
import type { NativeColumns } from '../native.js'

/** Rows of a set as typed arrays (native/nftables/elements.h). All but `rows` and `key` may be missing. One row is one element of the kernel's. */
export interface ElementColumns extends NativeColumns {
  readonly rows: number
  /** Keys back to back, as they lie in registers: each field of a concatenation padded to 4 bytes, addresses and ports in network order. */
  readonly key: Uint8Array
  /** Inclusive ends of concatenated ranges, as `key`. */
  readonly keyEnd?: Uint8Array
  /** NFT_SET_ELEM_INTERVAL_END 1, NFT_SET_ELEM_CATCHALL 2. */
  readonly flags?: Uint32Array
  /** Data back to back, and where each row's begins: `rows + 1` offsets. */
  readonly data?: Uint8Array
  readonly dataOffsets?: Uint32Array
  /** NF_DROP 0, NF_ACCEPT 1, NFT_JUMP -3, NFT_GOTO -4 …; {@link NO_VERDICT} where a row has none. */
  readonly verdict?: Int32Array
  /** Index into `verdictChainTable`; 0xffffffff for none. */
  readonly verdictChain?: Uint32Array
  readonly verdictChainTable?: readonly string[]
  /** 0: the set's own. */
  readonly timeoutMs?: Float64Array
  readonly expirationMs?: Float64Array
  /** TLVs back to back (a comment), and where each row's begin. */
  readonly userdata?: Uint8Array
  readonly userdataOffsets?: Uint32Array
  readonly objectReference?: Uint32Array
  readonly objectReferenceTable?: readonly string[]
  readonly counterPackets?: BigUint64Array
  readonly counterBytes?: BigUint64Array
  readonly hasCounter?: Uint8Array
  /** NFTA_SET_ELEM_EXPRESSIONS as it came, where a row has more than a counter. */
  readonly expressions?: Uint8Array
  readonly expressionsOffsets?: Uint32Array
}

/** In the column `verdict`: none. */
export const NO_VERDICT = 0x7fff_ffff
/** In columns of indexes: none. */
export const NO_SYMBOL = 0xffff_ffff
/** NFT_SET_ELEM_INTERVAL_END. */
export const INTERVAL_END = 1
/** NFT_SET_ELEM_CATCHALL (Linux 5.13). */
export const CATCHALL = 2

/** One row, before it goes into columns or after it came out of them. */
export interface ElementRow {
  readonly key: Uint8Array
  readonly keyEnd?: Uint8Array | undefined
  readonly flags: number
  readonly data?: Uint8Array | undefined
  readonly verdict?: number | undefined
  readonly chain?: string | undefined
  readonly timeoutMs: number
  readonly expirationMs: number
  readonly userdata?: Uint8Array | undefined
  readonly object?: string | undefined
  readonly counter?: { readonly packets: bigint; readonly bytes: bigint } | undefined
  readonly expressions?: Uint8Array | undefined
}

type Columns = { -readonly [Name in keyof ElementColumns]: ElementColumns[Name] } & { rows: number; key: Uint8Array }

const NO_BYTES = new Uint8Array(0)

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

function blob(parts: readonly Uint8Array[]): { bytes: Uint8Array; offsets: Uint32Array } {
  const offsets = new Uint32Array(parts.length + 1)
  for (const [index, part] of parts.entries()) offsets[index + 1] = offsets[index]! + part.length
  return { bytes: joinBytes(parts), offsets }
}

function symbols(texts: readonly (string | undefined)[]): { indexes: Uint32Array; table: string[] } {
  const table = new Map<string, number>()
  const indexes = Uint32Array.from(texts, (text) => {
    if (text === undefined) return NO_SYMBOL
    if (!table.has(text)) table.set(text, table.size)
    return table.get(text)!
  })
  return { indexes, table: [...table.keys()] }
}

/** Adds a blob column where any row has one. */
function putBlob(columns: Columns, name: 'data' | 'userdata' | 'expressions', rows: readonly ElementRow[]): void {
  if (rows.every((row) => row[name] === undefined)) return
  const { bytes, offsets } = blob(rows.map((row) => row[name] ?? NO_BYTES))
  Object.assign(columns, { [name]: bytes, [`${name}Offsets`]: offsets })
}

function putSymbols(columns: Columns, name: string, texts: readonly (string | undefined)[]): void {
  if (texts.every((text) => text === undefined)) return
  const { indexes, table } = symbols(texts)
  Object.assign(columns, { [name]: indexes, [`${name}Table`]: table })
}

/** Columns of rows; a column that no row needs is left out. */
export function toColumns(rows: readonly ElementRow[]): ElementColumns {
  const columns: Columns = { rows: rows.length, key: joinBytes(rows.map(({ key }) => key)) }
  // A row without an end of its own ends where it begins.
  if (rows.some(({ keyEnd }) => keyEnd !== undefined)) Object.assign(columns, { keyEnd: joinBytes(rows.map(({ key, keyEnd }) => keyEnd ?? key)) })
  if (rows.some(({ flags }) => flags !== 0)) Object.assign(columns, { flags: Uint32Array.from(rows, ({ flags }) => flags) })
  putBlob(columns, 'data', rows)
  putBlob(columns, 'userdata', rows)
  putBlob(columns, 'expressions', rows)
  if (rows.some(({ verdict }) => verdict !== undefined)) Object.assign(columns, { verdict: Int32Array.from(rows, ({ verdict }) => verdict ?? NO_VERDICT) })
  putSymbols(columns, 'verdictChain', rows.map(({ chain }) => chain))
  putSymbols(columns, 'objectReference', rows.map(({ object }) => object))
  if (rows.some(({ timeoutMs }) => timeoutMs !== 0)) Object.assign(columns, { timeoutMs: Float64Array.from(rows, ({ timeoutMs }) => timeoutMs) })
  if (rows.some(({ expirationMs }) => expirationMs !== 0)) Object.assign(columns, { expirationMs: Float64Array.from(rows, ({ expirationMs }) => expirationMs) })
  if (rows.some(({ counter }) => counter !== undefined)) {
    Object.assign(columns, {
      hasCounter: Uint8Array.from(rows, ({ counter }) => (counter === undefined ? 0 : 1)),
      counterPackets: BigUint64Array.from(rows, ({ counter }) => counter?.packets ?? 0n),
      counterBytes: BigUint64Array.from(rows, ({ counter }) => counter?.bytes ?? 0n)
    })
  }
  return columns
}

function blobAt(bytes: Uint8Array | undefined, offsets: Uint32Array | undefined, row: number): Uint8Array | undefined {
  const part = bytes?.subarray(offsets![row], offsets![row + 1])
  return part === undefined || part.length === 0 ? undefined : part
}

function symbolAt(indexes: Uint32Array | undefined, table: readonly string[] | undefined, row: number): string | undefined {
  const index = indexes?.[row] ?? NO_SYMBOL
  return index === NO_SYMBOL ? undefined : table![index]
}

/** One row of columns. */
export function rowAt(columns: ElementColumns, row: number): ElementRow {
  const width = columns.rows === 0 ? 0 : columns.key.length / columns.rows
  const verdict = columns.verdict?.[row]
  const key = columns.key.subarray(row * width, (row + 1) * width)
  const keyEnd = columns.keyEnd?.subarray(row * width, (row + 1) * width)
  return {
    key,
    keyEnd,
    flags: columns.flags?.[row] ?? 0,
    data: blobAt(columns.data, columns.dataOffsets, row),
    verdict: verdict === NO_VERDICT ? undefined : verdict,
    chain: symbolAt(columns.verdictChain, columns.verdictChainTable, row),
    timeoutMs: columns.timeoutMs?.[row] ?? 0,
    expirationMs: columns.expirationMs?.[row] ?? 0,
    userdata: blobAt(columns.userdata, columns.userdataOffsets, row),
    object: symbolAt(columns.objectReference, columns.objectReferenceTable, row),
    counter: columns.hasCounter?.[row] === 1 ? { packets: columns.counterPackets![row]!, bytes: columns.counterBytes![row]! } : undefined,
    expressions: blobAt(columns.expressions, columns.expressionsOffsets, row)
  }
}
