/**
 * Flows from the columns of native/conntrack/flow_columns.h.
 */
import { formatAddress } from '../core/address.js'
import { NO_SYMBOL } from '../core/columns.js'
import { AF_INET6 } from '../core/protocols.js'
import type { NativeFlowPiece, NativeRecord } from '../native/index.js'
import { PRESENT, PROTOCOLS, STATES, protocolName, statusNames, tupleForm } from './constants.js'
import { decodeDetails } from './details.js'
import type { Flow, FlowProtocol, FlowTuple } from './types.js'

/** Bytes a row of an address column. */
export const ADDRESS_WIDTH = 16
/** Distinct addresses that are remembered as text while a listing is read. */
const MAX_TEXTS = 65_536

/**
 * Flows as typed arrays, one entry a row; addresses are 16 bytes a row in network order, of which IPv4 takes the first 4. What lies beside the addresses in a
 * tuple is called a port: for icmp the identifier, and `type << 8 | code`; for gre the keys.
 */
export interface FlowColumns {
  readonly rows: number
  /** 2: IPv4, 10: IPv6. */
  readonly family: Uint8Array
  readonly protocol: Uint8Array
  readonly originalSource: Uint8Array
  readonly originalDestination: Uint8Array
  readonly originalSourcePort: Uint16Array
  readonly originalDestinationPort: Uint16Array
  readonly replySource: Uint8Array
  readonly replyDestination: Uint8Array
  readonly replySourcePort: Uint16Array
  readonly replyDestinationPort: Uint16Array
  /**
   * Which of the following a flow has: 1 timeoutSeconds, 2 mark, 4 and 8 counters, 16 start, 32 stop, 64 state, 128 and 256 what TCP and SCTP add, 512 labels,
   * 1024 use, 2048 id, 4096 status, 8192 zone, 16384 and 32768 zones of a direction, 65536 event time.
   */
  readonly present: Uint32Array
  readonly zone: Uint16Array
  readonly originalZone: Uint16Array
  readonly replyZone: Uint16Array
  /** IPS_* bits. */
  readonly status: Uint32Array
  readonly timeoutSeconds: Uint32Array
  readonly mark: Uint32Array
  readonly id: Uint32Array
  readonly use: Uint32Array
  readonly state: Uint8Array
  readonly originalWindowScale: Uint8Array
  readonly replyWindowScale: Uint8Array
  readonly originalTcpFlags: Uint8Array
  readonly replyTcpFlags: Uint8Array
  readonly originalTag: Uint32Array
  readonly replyTag: Uint32Array
  readonly originalPackets: BigUint64Array
  readonly originalBytes: BigUint64Array
  readonly replyPackets: BigUint64Array
  readonly replyBytes: BigUint64Array
  readonly startNanoseconds: BigUint64Array
  readonly stopNanoseconds: BigUint64Array
  readonly eventNanoseconds: BigUint64Array
  /** Bytes of row r: from `labelsOffsets[r]` to `labelsOffsets[r + 1]`; bit n is byte n / 8, bit n % 8. */
  readonly labels: Uint8Array
  readonly labelsOffsets: Uint32Array
  /** Index into `helperTable`; 4294967295: none. */
  readonly helper: Uint32Array
  readonly helperTable: readonly string[]
  readonly securityContext: Uint32Array
  readonly securityContextTable: readonly string[]
}

/** Makes a tuple, each form as one literal: an object that grows property by property takes half as much memory again. */
const TUPLES: Readonly<
  Record<ReturnType<typeof tupleForm>, (source: string, destination: string, first: number, second: number) => FlowTuple>
> = {
  ports: (source, destination, sourcePort, destinationPort) => ({ source, destination, sourcePort, destinationPort }),
  keys: (source, destination, sourceKey, destinationKey) => ({ source, destination, sourceKey, destinationKey }),
  icmp: (source, destination, icmpId, rest) => ({ source, destination, icmpId, icmpType: rest >>> 8, icmpCode: rest & 0xff }),
  none: (source, destination) => ({ source, destination })
}

/** What nearly every flow has, and what a TCP one has besides. */
const COMMON = PRESENT.id | PRESENT.timeout | PRESENT.mark | PRESENT.use
const COMMON_TCP = COMMON | PRESENT.state | PRESENT.tcp

/** Bits that are set, from the first byte's lowest on. */
function bitsOf(bytes: Uint8Array): number[] {
  const bits: number[] = []
  for (const [index, byte] of bytes.entries()) for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) bits.push(index * 8 + bit)
  return bits
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Makes objects of a piece's rows. */
export class FlowReader {
  readonly #columns: FlowColumns
  readonly #details = new Map<number, NativeRecord>()
  readonly #texts: Map<number, string>
  readonly #tcps = new Map<number, NonNullable<Flow['tcp']>>()

  /** @param texts IPv4 addresses that were met before: few make many flows, so the pieces of a listing share their texts. */
  constructor({ columns, details }: NativeFlowPiece, texts = new Map<number, string>()) {
    this.#columns = columns as unknown as FlowColumns
    this.#texts = texts
    for (const { row, value } of details) this.#details.set(row, value)
  }

  get rows(): number {
    return this.#columns.rows
  }

  flow(row: number): Flow {
    const columns = this.#columns
    const present = columns.present[row]!
    const flow = this.#frame(row, present)
    if ((present & COMMON) !== COMMON) this.#readCommon(flow, row, present)
    if (present & PRESENT.zone) flow.zone = columns.zone[row]!
    if (present & (PRESENT.originalCounters | PRESENT.replyCounters)) this.#readCounters(flow, row)
    if (present & PRESENT.start) flow.startNanoseconds = columns.startNanoseconds[row]!
    if (present & PRESENT.stop) flow.stopNanoseconds = columns.stopNanoseconds[row]!
    if (present & PRESENT.eventTime) flow.eventNanoseconds = columns.eventNanoseconds[row]!
    if ((present & COMMON_TCP) !== COMMON_TCP) this.#readProtocol(flow, row, present)
    this.#readRare(flow, row, present)
    return flow
  }

  /** As {@link TUPLES}: the usual flows in one literal, so that hundreds of thousands are little work for the garbage collector. */
  #frame(row: number, present: number): Mutable<Flow> {
    const columns = this.#columns
    const number = columns.protocol[row]!
    const protocol = protocolName(number) as FlowProtocol
    const family = columns.family[row] === AF_INET6 ? 'ip6' : 'ip'
    const original = this.#tuple(row, number, 'original', present & PRESENT.originalZone)
    const reply = this.#tuple(row, number, 'reply', present & PRESENT.replyZone)
    const status = statusNames(columns.status[row]!) as Flow['status']
    if ((present & COMMON) !== COMMON) return { family, protocol, original, reply, status }
    const id = columns.id[row]!
    const timeoutSeconds = columns.timeoutSeconds[row]!
    const mark = columns.mark[row]!
    const use = columns.use[row]!
    if ((present & COMMON_TCP) !== COMMON_TCP) return { family, protocol, original, reply, status, id, timeoutSeconds, mark, use }
    const state = this.#state(row, number)
    return { family, protocol, original, reply, status, id, timeoutSeconds, mark, use, state, tcp: this.#tcp(row) }
  }

  #readCommon(flow: Mutable<Flow>, row: number, present: number): void {
    const columns = this.#columns
    if (present & PRESENT.id) flow.id = columns.id[row]!
    if (present & PRESENT.timeout) flow.timeoutSeconds = columns.timeoutSeconds[row]!
    if (present & PRESENT.mark) flow.mark = columns.mark[row]!
    if (present & PRESENT.use) flow.use = columns.use[row]!
  }

  #readProtocol(flow: Mutable<Flow>, row: number, present: number): void {
    const columns = this.#columns
    if (present & PRESENT.state) flow.state = this.#state(row, columns.protocol[row]!)
    if (present & PRESENT.tcp) flow.tcp = this.#tcp(row)
    if (present & PRESENT.tags) flow.sctp = { originalTag: columns.originalTag[row]!, replyTag: columns.replyTag[row]! }
  }

  #state(row: number, protocol: number): Flow['state'] {
    return STATES[protocol]?.[this.#columns.state[row]!] as Flow['state']
  }

  /** Few values make many flows: equal ones share an object. */
  #tcp(row: number): NonNullable<Flow['tcp']> {
    const columns = this.#columns
    const originalWindowScale = columns.originalWindowScale[row]!
    const replyWindowScale = columns.replyWindowScale[row]!
    const originalFlags = columns.originalTcpFlags[row]!
    const replyFlags = columns.replyTcpFlags[row]!
    const key = (originalWindowScale << 24) | (replyWindowScale << 16) | (originalFlags << 8) | replyFlags
    let tcp = this.#tcps.get(key)
    if (tcp === undefined) {
      tcp = Object.freeze({ originalWindowScale, replyWindowScale, originalFlags, replyFlags })
      this.#tcps.set(key, tcp)
    }
    return tcp
  }

  #readCounters(flow: Mutable<Flow>, row: number): void {
    const columns = this.#columns
    flow.counters = {
      original: { packets: columns.originalPackets[row]!, bytes: columns.originalBytes[row]! },
      reply: { packets: columns.replyPackets[row]!, bytes: columns.replyBytes[row]! }
    }
  }

  #readRare(flow: Mutable<Flow>, row: number, present: number): void {
    const columns = this.#columns
    if (present & PRESENT.labels) flow.labels = bitsOf(columns.labels.subarray(columns.labelsOffsets[row], columns.labelsOffsets[row + 1]))
    const helper = columns.helper[row]!
    if (helper !== NO_SYMBOL) flow.helper = columns.helperTable[helper]!
    const context = columns.securityContext[row]!
    if (context !== NO_SYMBOL) flow.securityContext = columns.securityContextTable[context]!
    const details = this.#details.get(row)
    if (details !== undefined) decodeDetails(details, flow)
  }

  #tuple(row: number, protocol: number, direction: 'original' | 'reply', hasZone: number): FlowTuple {
    const columns = this.#columns
    const tuple: Mutable<FlowTuple> = TUPLES[tupleForm(protocol)](
      this.#address(columns[`${direction}Source`], row),
      this.#address(columns[`${direction}Destination`], row),
      columns[`${direction}SourcePort`][row]!,
      columns[`${direction}DestinationPort`][row]!
    )
    if (hasZone) tuple.zone = columns[`${direction}Zone`][row]!
    return tuple
  }

  #address(bytes: Uint8Array, row: number): string {
    const at = row * ADDRESS_WIDTH
    if (this.#columns.family[row] === AF_INET6) return formatAddress(bytes.subarray(at, at + ADDRESS_WIDTH))
    const key = ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
    let text = this.#texts.get(key)
    if (text === undefined) {
      text = `${bytes[at]!}.${bytes[at + 1]!}.${bytes[at + 2]!}.${bytes[at + 3]!}`
      if (this.#texts.size < MAX_TEXTS) this.#texts.set(key, text)
    }
    return text
  }
}

/** Whether a flow of this protocol has TCP's extras. */
export function isTcp(protocol: number): boolean {
  return protocol === PROTOCOLS.tcp
}
