/**
 * Flows of a fake connection tracking: one object each, from and to the columns that cross to the client.
 */
import { Buffer } from 'node:buffer'
import { PRESENT } from '../../conntrack/constants.js'
import { NO_SYMBOL } from '../../core/columns.js'
import type { NativeColumns, NativeFlowPiece, NativeRecord } from '../../native/index.js'

const ADDRESS_WIDTH = 16

type ArrayKind = 'u8' | 'u16' | 'u32' | 'u64' | 'address'

/** Columns of a flow but for blobs and symbols: kFlowColumns of native/conntrack/flow_columns.cc. */
const KINDS = {
  family: 'u8',
  protocol: 'u8',
  originalSource: 'address',
  originalDestination: 'address',
  originalSourcePort: 'u16',
  originalDestinationPort: 'u16',
  replySource: 'address',
  replyDestination: 'address',
  replySourcePort: 'u16',
  replyDestinationPort: 'u16',
  present: 'u32',
  zone: 'u16',
  originalZone: 'u16',
  replyZone: 'u16',
  status: 'u32',
  timeoutSeconds: 'u32',
  mark: 'u32',
  id: 'u32',
  use: 'u32',
  state: 'u8',
  originalWindowScale: 'u8',
  replyWindowScale: 'u8',
  originalTcpFlags: 'u8',
  replyTcpFlags: 'u8',
  originalTag: 'u32',
  replyTag: 'u32',
  originalPackets: 'u64',
  originalBytes: 'u64',
  replyPackets: 'u64',
  replyBytes: 'u64',
  startNanoseconds: 'u64',
  stopNanoseconds: 'u64',
  eventNanoseconds: 'u64'
} as const satisfies Readonly<Record<string, ArrayKind>>

type Values = {
  -readonly [Name in keyof typeof KINDS]: (typeof KINDS)[Name] extends 'address'
    ? Uint8Array
    : (typeof KINDS)[Name] extends 'u64'
      ? bigint
      : number
}

/** A tuple of kTupleSchema (native/conntrack/schemas.cc). */
export interface TupleRecord {
  readonly addresses: Readonly<Record<string, Uint8Array | undefined>>
  readonly protocol: Readonly<Record<string, number | undefined>>
}

/** A flow, by the names of its columns. Of what `present` does not name the value is 0. */
export interface FakeFlow extends Values {
  labels: Uint8Array
  helper: string | undefined
  details: NativeRecord
  /** Milliseconds since 1970 at which it is forgotten. */
  expiresAt: number
  /** Whether events tell of it (`nf_conntrack_events`). */
  isReported: boolean
}

/** What a change says of a flow: a flow, and masks. */
export interface FakeChange extends FakeFlow {
  readonly markMask: number
  readonly labelsMask: Uint8Array
}

const ARRAYS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, u64: BigUint64Array, address: Uint8Array } as const
const names = Object.keys(KINDS) as (keyof typeof KINDS)[]

function valueAt(columns: NativeColumns, name: keyof typeof KINDS, row: number): number | bigint | Uint8Array {
  const column = columns[name]
  const kind: ArrayKind = KINDS[name]
  if (kind === 'address') return (column as Uint8Array).slice(row * ADDRESS_WIDTH, (row + 1) * ADDRESS_WIDTH)
  const empty = kind === 'u64' ? 0n : 0
  return column === undefined ? empty : (column as Uint32Array)[row]!
}

function blobAt(columns: NativeColumns, name: string, row: number): Uint8Array {
  const offsets = columns[`${name}Offsets`] as Uint32Array | undefined
  return offsets === undefined ? new Uint8Array() : (columns[name] as Uint8Array).slice(offsets[row], offsets[row + 1])
}

/** What a row of a change says. */
export function changeAt(columns: NativeColumns, row: number, details: NativeRecord): FakeChange {
  const helper = columns['helper'] === undefined ? NO_SYMBOL : (columns['helper'] as Uint32Array)[row]!
  return {
    ...(Object.fromEntries(names.map((name) => [name, valueAt(columns, name, row)])) as unknown as Values),
    labels: blobAt(columns, 'labels', row),
    labelsMask: blobAt(columns, 'labelsMask', row),
    markMask: columns['markMask'] === undefined ? 0xffffffff : (columns['markMask'] as Uint32Array)[row]!,
    helper: helper === NO_SYMBOL ? undefined : (columns['helperTable'] as string[])[helper],
    details,
    expiresAt: 0,
    isReported: false
  }
}

function columnOf(flows: readonly FakeFlow[], name: keyof typeof KINDS): unknown {
  const kind: ArrayKind = KINDS[name]
  if (kind === 'address') {
    const bytes = new Uint8Array(flows.length * ADDRESS_WIDTH)
    for (const [row, flow] of flows.entries()) bytes.set(flow[name] as Uint8Array, row * ADDRESS_WIDTH)
    return bytes
  }
  const column = new ARRAYS[kind](flows.length)
  for (const [row, flow] of flows.entries()) column[row] = flow[name] as never
  return column
}

function labelColumns(flows: readonly FakeFlow[]): Record<string, unknown> {
  const labelsOffsets = new Uint32Array(flows.length + 1)
  for (const [row, { labels }] of flows.entries()) labelsOffsets[row + 1] = labelsOffsets[row]! + labels.length
  return { labels: Uint8Array.from(Buffer.concat(flows.map(({ labels }) => labels))), labelsOffsets }
}

/** Flows as the addon gives them. */
export function pieceOf(flows: readonly FakeFlow[]): NativeFlowPiece {
  const helperTable = [...new Set(flows.flatMap(({ helper }) => (helper === undefined ? [] : [helper])))]
  const none = new Uint32Array(flows.length).fill(NO_SYMBOL)
  return {
    columns: {
      rows: flows.length,
      ...Object.fromEntries(names.map((name) => [name, columnOf(flows, name)])),
      ...labelColumns(flows),
      helper: none.map((missing, row) => (flows[row]!.helper === undefined ? missing : helperTable.indexOf(flows[row]!.helper))),
      helperTable,
      securityContext: none,
      securityContextTable: []
    },
    details: flows.flatMap(({ details: value }, row) => (Object.keys(value).length === 0 ? [] : [{ row, value }]))
  }
}

/** A direction's tuple in its zone, as a key: equal ones cannot be two flows'. */
export function tupleKey(flow: FakeFlow, direction: 'original' | 'reply'): string {
  const own = (flow.present & (direction === 'original' ? PRESENT.originalZone : PRESENT.replyZone)) !== 0
  const zone = own ? flow[`${direction}Zone`] : flow.zone
  const ends = [flow[`${direction}Source`], flow[`${direction}Destination`]].map((address) => Buffer.from(address).toString('hex'))
  return [flow.family, flow.protocol, zone, ...ends, flow[`${direction}SourcePort`], flow[`${direction}DestinationPort`]].join(' ')
}

/** The same key, of a tuple that is a record of kTupleSchema (native/conntrack/schemas.cc). */
export function recordKey(tuple: TupleRecord, family: number, zone: number): string {
  const { addresses, protocol } = tuple
  const ends = (['source', 'destination'] as const).map((side) => {
    const address = new Uint8Array(ADDRESS_WIDTH)
    address.set((addresses[side] ?? addresses[`${side}6`])!)
    return Buffer.from(address).toString('hex')
  })
  const icmp = ['icmp', 'icmpv6'].find((name) => protocol[`${name}Id`] !== undefined) ?? ''
  const parts =
    icmp === ''
      ? [protocol['sourcePort'] ?? 0, protocol['destinationPort'] ?? 0]
      : [protocol[`${icmp}Id`], (protocol[`${icmp}Type`]! << 8) | protocol[`${icmp}Code`]!]
  return [family, protocol['number'], zone, ...ends, ...parts].join(' ')
}
