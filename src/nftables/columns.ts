/**
 * Set elements as columns: typed arrays with one entry a row, which cross to the kernel in one call for any number of elements.
 */
import { NO_SYMBOL } from '../core/columns.js'
import type { NativeColumns } from '../native/index.js'
/** Rows of a set as typed arrays (native/nftables/elements.h). All but `rows` and `key` may be missing. One row is one element of the kernel's. */
export interface ElementColumns {
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

/** Elements that the native side gave. */
export function fromNative(columns: NativeColumns): ElementColumns {
  return columns as unknown as ElementColumns
}

/** In the column `verdict`: none. */
export const NO_VERDICT = 0x7fff_ffff
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

/** Whether a row is the end of a range. */
export function isEnd({ flags }: ElementRow): boolean {
  return (flags & INTERVAL_END) !== 0
}

type NumberArray = Uint8Array | Uint32Array | Int32Array | Float64Array | BigUint64Array

const FIRST_CAPACITY = 16

/** A column that grows; absent until a row has something else than the default. */
class NumberColumn<Values extends NumberArray> {
  readonly #make: (length: number) => Values
  #values: Values | undefined

  constructor(make: (length: number) => Values) {
    this.#make = make
  }

  set(row: number, value: Values[number]): void {
    const values = row < (this.#values?.length ?? 0) ? this.#values! : this.#grow(row + 1)
    values[row] = value
  }

  /** Undefined where no row was set. */
  finish(rows: number): Values | undefined {
    if (this.#values === undefined) return undefined
    return (rows <= this.#values.length ? this.#values : this.#grow(rows)).subarray(0, rows) as Values
  }

  #grow(rows: number): Values {
    const before = this.#values
    const values = this.#make(Math.max(FIRST_CAPACITY, rows, 2 * (before?.length ?? 0)))
    if (before !== undefined) values.set(before as never)
    return (this.#values = values)
  }
}

/** Bytes back to back. */
class ByteRun {
  #bytes = new Uint8Array(FIRST_CAPACITY * 4)
  length = 0

  push(bytes: Uint8Array): void {
    const end = this.length + bytes.length
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length))
      larger.set(this.view())
      this.#bytes = larger
    }
    this.#bytes.set(bytes, this.length)
    this.length = end
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }
}

/** Bytes of any length a row; absent until a row has some. */
class BlobColumn {
  readonly #bytes = new ByteRun()
  readonly #lengths = new NumberColumn((length) => new Uint32Array(length))

  set(row: number, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return
    this.#bytes.push(bytes)
    this.#lengths.set(row, bytes.length)
  }

  finish(rows: number): { readonly bytes: Uint8Array; readonly offsets: Uint32Array } | undefined {
    const lengths = this.#lengths.finish(rows)
    if (lengths === undefined) return undefined
    const offsets = new Uint32Array(rows + 1)
    for (let row = 0; row < rows; row++) offsets[row + 1] = offsets[row]! + lengths[row]!
    return { bytes: this.#bytes.view(), offsets }
  }
}

/** Texts that repeat; absent until a row has one. */
class SymbolColumn {
  readonly #table = new Map<string, number>()
  readonly #indexes = new NumberColumn((length) => new Uint32Array(length).fill(NO_SYMBOL))

  set(row: number, text: string | undefined): void {
    if (text === undefined) return
    let index = this.#table.get(text)
    if (index === undefined) this.#table.set(text, (index = this.#table.size))
    this.#indexes.set(row, index)
  }

  finish(rows: number): { readonly indexes: Uint32Array; readonly table: string[] } | undefined {
    const indexes = this.#indexes.finish(rows)
    return indexes === undefined ? undefined : { indexes, table: [...this.#table.keys()] }
  }
}

/** Puts rows into columns, one at a time, so that many can be put in short slices. */
export class ColumnsBuilder {
  #rows = 0
  readonly #keys = new ByteRun()
  #keyEnds: ByteRun | undefined
  readonly #flags = new NumberColumn((length) => new Uint32Array(length))
  readonly #data = new BlobColumn()
  readonly #userdata = new BlobColumn()
  readonly #expressions = new BlobColumn()
  readonly #verdict = new NumberColumn((length) => new Int32Array(length).fill(NO_VERDICT))
  readonly #verdictChain = new SymbolColumn()
  readonly #objectReference = new SymbolColumn()
  readonly #timeoutMs = new NumberColumn((length) => new Float64Array(length))
  readonly #expirationMs = new NumberColumn((length) => new Float64Array(length))
  readonly #hasCounter = new NumberColumn((length) => new Uint8Array(length))
  readonly #counterPackets = new NumberColumn((length) => new BigUint64Array(length))
  readonly #counterBytes = new NumberColumn((length) => new BigUint64Array(length))

  /** Appends a row; its bytes are copied. */
  push(row: ElementRow): void {
    const at = this.#rows++
    if (row.keyEnd !== undefined && this.#keyEnds === undefined) {
      // A row without an end of its own ends where it begins.
      this.#keyEnds = new ByteRun()
      this.#keyEnds.push(this.#keys.view())
    }
    this.#keys.push(row.key)
    this.#keyEnds?.push(row.keyEnd ?? row.key)
    if (row.flags !== 0) this.#flags.set(at, row.flags)
    this.#data.set(at, row.data)
    this.#userdata.set(at, row.userdata)
    this.#expressions.set(at, row.expressions)
    if (row.verdict !== undefined) this.#verdict.set(at, row.verdict)
    this.#verdictChain.set(at, row.chain)
    this.#objectReference.set(at, row.object)
    if (row.timeoutMs !== 0) this.#timeoutMs.set(at, row.timeoutMs)
    if (row.expirationMs !== 0) this.#expirationMs.set(at, row.expirationMs)
    if (row.counter === undefined) return
    this.#hasCounter.set(at, 1)
    this.#counterPackets.set(at, row.counter.packets)
    this.#counterBytes.set(at, row.counter.bytes)
  }

  /** The columns; one that no row needs is left out. They view this builder's memory, which must not be pushed to afterwards. */
  finish(): ElementColumns {
    const rows = this.#rows
    const columns: Record<string, unknown> & { rows: number; key: Uint8Array } = { rows, key: this.#keys.view() }
    const put = (name: string, value: unknown): void => {
      if (value !== undefined) columns[name] = value
    }
    const putBlob = (name: string, column: BlobColumn): void => {
      const blob = column.finish(rows)
      put(name, blob?.bytes)
      put(`${name}Offsets`, blob?.offsets)
    }
    const putSymbols = (name: string, column: SymbolColumn): void => {
      const symbols = column.finish(rows)
      put(name, symbols?.indexes)
      put(`${name}Table`, symbols?.table)
    }
    put('keyEnd', this.#keyEnds?.view())
    put('flags', this.#flags.finish(rows))
    putBlob('data', this.#data)
    putBlob('userdata', this.#userdata)
    putBlob('expressions', this.#expressions)
    put('verdict', this.#verdict.finish(rows))
    putSymbols('verdictChain', this.#verdictChain)
    putSymbols('objectReference', this.#objectReference)
    put('timeoutMs', this.#timeoutMs.finish(rows))
    put('expirationMs', this.#expirationMs.finish(rows))
    put('hasCounter', this.#hasCounter.finish(rows))
    put('counterPackets', this.#counterPackets.finish(rows))
    put('counterBytes', this.#counterBytes.finish(rows))
    return columns
  }
}

/** Columns of rows; a column that no row needs is left out. */
export function toColumns(rows: readonly ElementRow[]): ElementColumns {
  const builder = new ColumnsBuilder()
  for (const row of rows) builder.push(row)
  return builder.finish()
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
