import { setImmediate } from 'node:timers/promises'
import type { FlowColumns } from 'netplane'
import { describeRow, type FlowRow } from './describe.js'
import type { SortKey } from './options.js'

/** What one reading of the table came to. */
export interface Sample {
  /** Flows that were read: those that match the filter. */
  readonly flows: number
  /** How many of each protocol, and of each TCP state. */
  readonly protocols: ReadonlyMap<number, number>
  readonly tcpStates: ReadonlyMap<number, number>
  readonly translated: number
  /** Whether any flow had counters. */
  readonly isCounted: boolean
  /** Of all flows together; undefined at the first reading and while nothing is counted. */
  readonly bytesPerSecond: number | undefined
  readonly packetsPerSecond: number | undefined
  /** The first flows in the order asked for. */
  readonly top: readonly FlowRow[]
}

/** Bits of `present` (see FlowColumns), of `status` (IPS_SRC_NAT, IPS_DST_NAT), and the number of TCP. */
const HAS_COUNTERS = 4 | 8
const HAS_STATE = 64
const NAT = 0x10 | 0x20
const TCP = 6

/** Counters of a reading, by flow. */
interface Counts {
  readonly at: number
  readonly rows: Map<number, number>
  readonly bytes: Float64Array
  readonly packets: Float64Array
}

const none: Counts = { at: 0, rows: new Map(), bytes: new Float64Array(0), packets: new Float64Array(0) }

/** A flow's identity from one reading to the next: the kernel's id, with a port against chance. Below 2^53. */
const keyOf = (columns: FlowColumns, row: number): number => columns.id[row]! * 65_536 + columns.originalSourcePort[row]!

/** The best `limit` of many, in falling order: what is worse than all of them costs one comparison. */
class Best {
  readonly #limit: number
  readonly #entries: { readonly score: number; readonly row: FlowRow }[] = []

  constructor(limit: number) {
    this.#limit = limit === 0 ? Number.POSITIVE_INFINITY : limit
  }

  offer(score: number, describe: () => FlowRow): void {
    const entries = this.#entries
    // Room for twice as many, so that sorting is rare.
    if (entries.length >= 2 * this.#limit) this.#cut()
    if (entries.length >= this.#limit && score <= entries[this.#limit - 1]!.score) return
    entries.push({ score, row: describe() })
    if (entries.length === this.#limit) this.#cut()
  }

  #cut(): void {
    this.#entries.sort((left, right) => right.score - left.score)
    if (this.#entries.length > this.#limit) this.#entries.length = this.#limit
  }

  take(): FlowRow[] {
    this.#cut()
    return this.#entries.map(({ row }) => row)
  }
}

const count = (counts: Map<number, number>, key: number): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** Turns readings of the table into rates: remembers the counters of the one before. */
export class Sampler {
  #before = none

  /** @param at Milliseconds of a steady clock at which the pieces were read. */
  async take(pieces: readonly FlowColumns[], at: number, sort: SortKey, limit: number): Promise<Sample> {
    const flows = pieces.reduce((sum, { rows }) => sum + rows, 0)
    const now: Counts = { at, rows: new Map(), bytes: new Float64Array(flows), packets: new Float64Array(flows) }
    const reading = new Reading(this.#before, now, sort, limit)
    for (const columns of pieces) {
      for (let row = 0; row < columns.rows; row += 1) reading.add(columns, row)
      // A full table is much to read: keys and resizes come between.
      await setImmediate()
    }
    this.#before = now
    return reading.finish()
  }
}

class Reading {
  readonly #before: Counts
  readonly #now: Counts
  readonly #sort: SortKey
  readonly #best: Best
  readonly #seconds: number
  readonly #protocols = new Map<number, number>()
  readonly #tcpStates = new Map<number, number>()
  #translated = 0
  #isCounted = false
  #bytes = 0
  #packets = 0
  #flows = 0

  constructor(before: Counts, now: Counts, sort: SortKey, limit: number) {
    this.#before = before
    this.#now = now
    this.#sort = sort
    this.#best = new Best(limit)
    this.#seconds = before === none ? 0 : (now.at - before.at) / 1000
  }

  add(columns: FlowColumns, row: number): void {
    count(this.#protocols, columns.protocol[row]!)
    if (columns.protocol[row] === TCP && (columns.present[row]! & HAS_STATE) !== 0) count(this.#tcpStates, columns.state[row]!)
    if ((columns.status[row]! & NAT) !== 0) this.#translated += 1
    const counted = (columns.present[row]! & HAS_COUNTERS) !== 0 ? this.#count(columns, row) : undefined
    this.#flows += 1
    const scores = {
      rate: counted?.bytesPerSecond ?? counted?.bytes ?? -1,
      packets: counted?.packetsPerSecond ?? counted?.packets ?? -1,
      total: counted?.bytes ?? -1,
      timeout: columns.timeoutSeconds[row]!
    }
    this.#best.offer(scores[this.#sort], () => describeRow(columns, row, counted))
  }

  /** Notes the flow's counters; its rates, where it was there the last time, or began since. */
  #count(columns: FlowColumns, row: number): FlowRow['counted'] {
    const bytes = Number(columns.originalBytes[row]! + columns.replyBytes[row]!)
    const packets = Number(columns.originalPackets[row]! + columns.replyPackets[row]!)
    const key = keyOf(columns, row)
    const { rows, bytes: allBytes, packets: allPackets } = this.#now
    this.#isCounted = true
    rows.set(key, this.#flows)
    allBytes[this.#flows] = bytes
    allPackets[this.#flows] = packets
    if (this.#seconds <= 0) return { bytes, packets, bytesPerSecond: undefined, packetsPerSecond: undefined }
    const old = this.#before.rows.get(key)
    // Another process may have set the counters back to zero.
    const moreBytes = Math.max(0, bytes - (old === undefined ? 0 : this.#before.bytes[old]!))
    const morePackets = Math.max(0, packets - (old === undefined ? 0 : this.#before.packets[old]!))
    this.#bytes += moreBytes
    this.#packets += morePackets
    return { bytes, packets, bytesPerSecond: moreBytes / this.#seconds, packetsPerSecond: morePackets / this.#seconds }
  }

  finish(): Sample {
    const hasRates = this.#isCounted && this.#seconds > 0
    return {
      flows: this.#flows,
      protocols: this.#protocols,
      tcpStates: this.#tcpStates,
      translated: this.#translated,
      isCounted: this.#isCounted,
      bytesPerSecond: hasRates ? this.#bytes / this.#seconds : undefined,
      packetsPerSecond: hasRates ? this.#packets / this.#seconds : undefined,
      top: this.#best.take()
    }
  }
}
