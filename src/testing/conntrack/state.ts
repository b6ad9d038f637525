/**
 * The flows of a fake connection tracking, its settings, and those who watch.
 */
import { PRESENT, PROTOCOLS, STATUSES } from '../../conntrack/constants.js'
import { EEXIST, ENOENT, EOPNOTSUPP, EPERM } from '../../core/errno.js'
import type {
  NativeColumns,
  NativeConntrackMonitorCallback,
  NativeConntrackMonitorOptions,
  NativeFlowChange,
  NativeFlowEvents,
  NativeMonitor,
  NativeRecord
} from '../../native/index.js'
import { refusalColumns } from '../outcome.js'
import type { FakeRefusal } from '../outcome.js'
import { applyChange, applyDetails, refusalOf } from './changes.js'
import { FakeExpectations } from './expectations.js'
import { matcherOf } from './filter.js'
import { changeAt, pieceOf, recordKey, tupleKey, type FakeChange, type FakeFlow } from './rows.js'

const FIRST_PORT = 4711
const EVENT_FILE = 'nf_conntrack_events'
const MAX_FILE = 'nf_conntrack_max'

/** Defaults of Linux 6.18 on a machine with some memory; `nf_conntrack_count` is counted. */
const DEFAULTS: Readonly<Record<string, number>> = {
  [MAX_FILE]: 262_144,
  nf_conntrack_buckets: 262_144,
  nf_conntrack_acct: 0,
  nf_conntrack_timestamp: 0,
  [EVENT_FILE]: 2,
  nf_conntrack_tcp_be_liberal: 0,
  nf_conntrack_tcp_loose: 1,
  nf_conntrack_udp_timeout: 30,
  nf_conntrack_udp_timeout_stream: 120,
  nf_conntrack_tcp_timeout_established: 432_000,
  nf_conntrack_generic_timeout: 600,
  nf_conntrack_icmp_timeout: 30
}

/** Files that only the initial network namespace may write, and one that no namespace may. */
const READ_ONLY: ReadonlySet<string> = new Set([MAX_FILE, 'nf_conntrack_buckets', 'nf_conntrack_count'])

interface FakeMonitor {
  readonly options: NativeConntrackMonitorOptions
  readonly matches: (flow: FakeFlow) => boolean
  readonly callback: NativeConntrackMonitorCallback
  isPaused: boolean
  waiting: (NativeFlowEvents | 'lost')[]
}

type EventType = NativeFlowEvents['type']
const KINDS = { new: 'created', update: 'updated', destroy: 'destroyed' } as const

/** The connection tracking of one network namespace. */
export class FakeConntrackCore {
  readonly isPrivileged: boolean
  readonly #helpers: ReadonlySet<string>
  readonly #settings = new Map(Object.entries(DEFAULTS))
  /** By both tuples. */
  readonly #tuples = new Map<string, FakeFlow>()
  readonly #flows = new Set<FakeFlow>()
  readonly expectations = new FakeExpectations((tuple, family, zone) => this.#tuples.get(recordKey(tuple, family, zone)))
  readonly #monitors = new Set<FakeMonitor>()
  #nextId = 1
  #nextPort = FIRST_PORT

  constructor(isPrivileged: boolean, helpers: readonly string[]) {
    this.isPrivileged = isPrivileged
    this.#helpers = new Set(helpers)
  }

  takePort(): number {
    return this.#nextPort++
  }

  get maxEntries(): number {
    return this.#settings.get(MAX_FILE)!
  }

  /** The flows that a filter means, with the time that each has left. */
  list(filter: Uint8Array | undefined, zeroes = false): FakeFlow[] {
    this.#expire()
    const found = [...this.#flows].filter(matcherOf(filter)).map((flow) => ({ ...flow }))
    if (zeroes)
      for (const flow of this.#flows) Object.assign(flow, { originalPackets: 0n, originalBytes: 0n, replyPackets: 0n, replyBytes: 0n })
    return found
  }

  /** The flow of a row: the kernel finds it by either of its tuples. */
  find(columns: NativeColumns, byReply: boolean): FakeFlow | undefined {
    this.#expire()
    return this.#tuples.get(tupleKey(changeAt(columns, 0, {}), byReply ? 'reply' : 'original'))
  }

  change({ verb, columns, details = [] }: NativeFlowChange, portId: number): { errors: NativeColumns; sent: number } {
    this.#expire()
    const records = new Map<number, NativeRecord>(details.map(({ row, value }) => [row, value]))
    const refused: FakeRefusal[] = []
    for (let row = 0; row < columns.rows; row++) {
      const change = changeAt(columns, row, records.get(row) ?? {})
      const errno = this.isPrivileged ? this[`_${verb}`](change, portId) : EPERM
      if (errno !== 0) refused.push({ index: row, errno })
    }
    return { errors: refusalColumns(refused), sent: columns.rows }
  }

  /** Deletes flows, or all. */
  drop(flows: Iterable<FakeFlow>, portId: number): number {
    let dropped = 0
    for (const { id } of flows) {
      const flow = [...this.#flows].find((other) => other.id === id)
      if (flow === undefined) continue
      this.#remove(flow, portId)
      dropped += 1
    }
    return dropped
  }

  /** Content of a file of /proc/sys/net/netfilter; undefined: there is none. */
  readSetting(name: string): string | undefined {
    if (name === 'nf_conntrack_count') return `${this.list(undefined).length}\n`
    const value = this.#settings.get(name)
    return value === undefined ? undefined : `${value}\n`
  }

  /** Whether the file may be written. */
  writeSetting(name: string, value: string): boolean {
    if (!this.isPrivileged || READ_ONLY.has(name)) return false
    this.#settings.set(name, Number(value))
    return true
  }

  monitor(options: NativeConntrackMonitorOptions, callback: NativeConntrackMonitorCallback): NativeMonitor {
    const monitor: FakeMonitor = { options, matches: matcherOf(options.filter), callback, isPaused: false, waiting: [] }
    this.#monitors.add(monitor)
    return {
      portId: this.takePort(),
      pause: () => (monitor.isPaused = true),
      resume: () => {
        monitor.isPaused = false
        const { waiting } = monitor
        monitor.waiting = []
        if (waiting.length > 0) monitor.callback(waiting, undefined)
      },
      ref: () => undefined,
      unref: () => undefined,
      close: () => void this.#monitors.delete(monitor)
    }
  }

  /** Makes all monitors miss events. */
  lose(): void {
    for (const monitor of this.#monitors) this.#deliver(monitor, 'lost')
  }

  _create(change: FakeChange, portId: number): number {
    if (change.helper !== undefined && !this.#helpers.has(change.helper)) return EOPNOTSUPP
    const isOn = (file: string): boolean => this.#settings.get(file) === 1
    const events = this.#settings.get(EVENT_FILE)
    const flow: FakeFlow = {
      ...change,
      present: PRESENT.id | PRESENT.status | PRESENT.timeout | PRESENT.mark | PRESENT.use,
      status: STATUSES.confirmed,
      mark: 0,
      id: this.#nextId++,
      use: 1,
      labels: new Uint8Array(),
      isReported: events === 1 || (events === 2 && this.#monitors.size > 0)
    }
    flow.present |= change.present & (PRESENT.originalZone | PRESENT.replyZone | (change.zone === 0 ? 0 : PRESENT.zone))
    if (flow.protocol === PROTOCOLS.tcp) flow.present |= PRESENT.state | PRESENT.tcp
    if (flow.protocol === PROTOCOLS.sctp) flow.present |= PRESENT.state | PRESENT.tags
    if (isOn('nf_conntrack_acct')) flow.present |= PRESENT.originalCounters | PRESENT.replyCounters
    if (isOn('nf_conntrack_timestamp')) {
      flow.present |= PRESENT.start
      flow.startNanoseconds = BigInt(Date.now()) * 1_000_000n
    }
    // Rules give no other helper to such a flow (IPS_HELPER).
    if (change.helper !== undefined) flow.status |= STATUSES.helper
    applyDetails(flow)
    applyChange(flow, change)
    const keys = [tupleKey(flow, 'original'), tupleKey(flow, 'reply')]
    if (keys.some((key) => this.#tuples.has(key))) return EEXIST
    for (const key of keys) this.#tuples.set(key, flow)
    this.#flows.add(flow)
    this.#emit('new', flow, portId)
    return 0
  }

  _update(change: FakeChange, portId: number): number {
    const flow = this.#tuples.get(tupleKey(change, 'original'))
    if (flow === undefined) return ENOENT
    const errno = refusalOf(flow, change, this.#helpers)
    if (errno !== 0) return errno
    applyChange(flow, change)
    if (change.helper === '') this.expectations.forget(flow)
    this.#emit('update', flow, portId)
    return 0
  }

  _delete(change: FakeChange, portId: number): number {
    const flow = this.#tuples.get(tupleKey(change, 'original'))
    if (flow === undefined || ((change.present & PRESENT.id) !== 0 && change.id !== flow.id)) return ENOENT
    this.#remove(flow, portId)
    return 0
  }

  #remove(flow: FakeFlow, portId: number): void {
    for (const direction of ['original', 'reply'] as const) this.#tuples.delete(tupleKey(flow, direction))
    this.#flows.delete(flow)
    this.expectations.forget(flow)
    this.#emit('destroy', flow, portId)
  }

  /** Forgets what is overdue, and writes the time that the others have left. */
  #expire(): void {
    const now = Date.now()
    for (const flow of this.#flows) {
      if (flow.expiresAt <= now) this.#remove(flow, 0)
      else flow.timeoutSeconds = Math.floor((flow.expiresAt - now) / 1000)
    }
  }

  #emit(type: EventType, flow: FakeFlow, portId: number): void {
    if (!flow.isReported) return
    flow.timeoutSeconds = Math.max(0, Math.floor((flow.expiresAt - Date.now()) / 1000))
    const counters = type === 'destroy' ? 0 : PRESENT.originalCounters | PRESENT.replyCounters
    const told = { ...flow, present: flow.present & ~counters }
    for (const monitor of this.#monitors) {
      if (monitor.options[KINDS[type]] && monitor.matches(told)) this.#deliver(monitor, { type, portId, ...pieceOf([told]) })
    }
  }

  #deliver(monitor: FakeMonitor, event: NativeFlowEvents | 'lost'): void {
    if (monitor.isPaused) monitor.waiting.push(event)
    else monitor.callback([event], undefined)
  }
}
