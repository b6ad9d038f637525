/**
 * A kernel's connection tracking in memory, for tests of code that uses the conntrack client: same checks, same refusals, no privileges.
 *
 * Flows are those that clients make; they end by request or when their time is over. It evaluates the client's compiled filters, translates addresses of flows that
 * are made with NAT, and reports events as `nf_conntrack_events` says. It sees no packets, so counters stay 0; expectations are met by none, and labels have room always.
 */
import { Conntrack } from '../../conntrack/client.js'
import type { ConntrackOptions } from '../../conntrack/open.js'
import { EACCES, EBADF, ECANCELED, ENOENT, EPERM, EPROTONOSUPPORT } from '../../core/errno.js'
import { asFakeKernel, type FakeKernel, type NativeKernel, kernelPart } from '../../core/open.js'
import type {
  NativeBatchReport,
  NativeConntrackMonitorCallback,
  NativeConntrackMonitorOptions,
  NativeConntrackSocket,
  NativeRemovalReport,
  NativeFlowChange,
  NativeFlowPiece,
  NativeFlowQuery,
  NativeHeaderedRecord,
  NativeOutcome,
  NativeRecord
} from '../../native/index.js'
import { Faults, outcomes, type Fault, type FaultCalls, type FaultOptions, type FaultyMethods } from '../faults.js'
import { failed } from '../outcome.js'
import { dumpFlows } from './dump.js'
import { pieceOf, type FakeFlow } from './rows.js'
import { FakeConntrackCore } from './state.js'

const VERBS = { create: 'add', update: 'update', delete: 'remove' } as const

const METHODS: FaultyMethods = {
  change: { call: ({ verb }: NativeFlowChange) => VERBS[verb], answers: 'rows', rows: ({ columns }: NativeFlowChange) => columns.rows },
  changeExpectation: { call: ({ verb }: { readonly verb: keyof typeof VERBS }) => VERBS[verb], answers: 'outcome' },
  ...outcomes('remove', 'removeMatching'),
  ...outcomes('flush', 'flush'),
  ...outcomes('list', 'list', 'readStream', 'count', 'listExpectations'),
  ...outcomes('get', 'get'),
  ...outcomes('read', 'processorStatistics', 'globalStatistics', 'readSetting'),
  ...outcomes('write', 'writeSetting')
}

/** What a {@link FakeConntrackKernel} can do. */
export interface FakeConntrackOptions {
  /** Whether callers may read and change anything (CAP_NET_ADMIN); default true. */
  readonly privileged?: boolean
  /** Whether there is netfilter at all; default true. Without it `open` rejects with `UnsupportedError`. */
  readonly hasConntrack?: boolean
  /** Names of the helpers that are loaded; default none. */
  readonly helpers?: readonly string[]
}

/** Stands for the connection tracking of one network namespace, empty at first. Any number of clients can be opened on it. */
export class FakeConntrackKernel implements FakeKernel<'conntrack'> {
  readonly [kernelPart] = 'conntrack'
  readonly #core: FakeConntrackCore
  readonly #hasConntrack: boolean
  readonly #faults = new Faults<'conntrack'>(['add', 'update', 'remove', 'flush', 'list', 'get', 'read', 'write'])

  constructor(options: FakeConntrackOptions = {}) {
    this.#core = new FakeConntrackCore(options.privileged ?? true, options.helpers ?? [])
    this.#hasConntrack = options.hasConntrack ?? true
  }

  /** Opens a client whose kernel is this one. */
  open(options: Omit<ConntrackOptions, 'kernel'> = {}): Promise<Conntrack> {
    return Conntrack.open({ ...options, kernel: asFakeKernel<'conntrack'>(this) })
  }

  /**
   * Makes a call fail: `kernel.fail('add', { at: 3, code: 'EBUSY' })`. Several faults can wait at once.
   *
   * @throws {ValidationError} There is no such call, or no such errno.
   */
  fail(call: FaultCalls['conntrack'], options: FaultOptions): Fault {
    return this.#faults.add(call, options)
  }

  /** The flows, as text: a line for each, in the order of the lines, without ids, counters and the time that is left. */
  dump(): string {
    return dumpFlows(this.#core.list(undefined))
  }

  /** Makes every watch that is open miss events, as when the kernel's buffer was full. */
  loseEvents(): void {
    this.#core.lose()
  }

  /** @internal */
  openConntrack(): ReturnType<NativeKernel<'conntrack'>['openConntrack']> {
    if (!this.#hasConntrack) return Promise.resolve(failed(EPROTONOSUPPORT, 'socket(AF_NETLINK)'))
    return Promise.resolve({ value: this.#faults.wrap(new FakeConntrackSocket(this.#core), METHODS) })
  }

  /** @internal */
  monitorConntrack(
    options: NativeConntrackMonitorOptions,
    callback: NativeConntrackMonitorCallback
  ): ReturnType<NativeKernel<'conntrack'>['monitorConntrack']> {
    if (!this.#core.isPrivileged) return Promise.resolve(failed(EPERM, 'setsockopt(NETLINK_ADD_MEMBERSHIP)'))
    return Promise.resolve({ value: this.#core.monitor(options, callback) })
  }
}

const COUNTERS = [
  'found',
  'invalid',
  'insert',
  'insertFailed',
  'drop',
  'earlyDrop',
  'error',
  'searchRestart',
  'clashResolve',
  'chainTooLong'
]

/** The client's view of a {@link FakeConntrackKernel}. */
class FakeConntrackSocket implements NativeConntrackSocket {
  readonly portId: number
  readonly maxSendBytes = 1 << 20
  readonly #core: FakeConntrackCore
  #isClosed = false
  #isCancelled = false
  #stream: FakeFlow[] | undefined

  constructor(core: FakeConntrackCore) {
    this.#core = core
    this.portId = core.takePort()
  }

  close(): Promise<void> {
    this.#isClosed = true
    return Promise.resolve()
  }

  list(query: NativeFlowQuery): Promise<NativeOutcome<readonly NativeFlowPiece[]>> {
    return this.#privileged('IPCTNL_MSG_CT_GET', () => ({ value: [pieceOf(this.#read(query))] }))
  }

  readStream(query: NativeFlowQuery & { readonly rows: number }): ReturnType<NativeConntrackSocket['readStream']> {
    return this.#privileged('IPCTNL_MSG_CT_GET', () => {
      this.#stream ??= this.#read(query)
      const flows = this.#stream.splice(0, query.rows)
      return { value: { piece: pieceOf(flows), scanned: flows.length, done: this.#stream.length === 0 } }
    })
  }

  count(query: NativeFlowQuery): Promise<NativeOutcome<{ readonly matched: number; readonly scanned: number }>> {
    return this.#privileged('IPCTNL_MSG_CT_GET', () => ({
      value: { matched: this.#read(query).length, scanned: this.#core.list(undefined).length }
    }))
  }

  get({ columns, byReply }: NativeFlowChange & { readonly byReply: boolean }): Promise<NativeOutcome<NativeFlowPiece>> {
    return this.#privileged('IPCTNL_MSG_CT_GET', () => {
      const flow = this.#core.find(columns, byReply)
      return flow === undefined ? failed(ENOENT, 'IPCTNL_MSG_CT_GET') : { value: pieceOf([flow]) }
    })
  }

  change(change: NativeFlowChange): Promise<NativeOutcome<NativeBatchReport>> {
    return this.#job(() => {
      const { errors, sent } = this.#core.change(change, this.portId)
      return { value: { errors, sent, unknownFrom: sent, systemCalls: 1 } }
    })
  }

  removeMatching(query: NativeFlowQuery): Promise<NativeOutcome<NativeRemovalReport>> {
    this.#isCancelled = false
    return this.#job(() => {
      const none = { scanned: 0, matched: 0, deleted: 0, vanished: 0, refused: 0, unknown: 0, kernelFiltered: false, systemCalls: 1 }
      if (!this.#core.isPrivileged) return { value: { ...none, stopped: failed(EPERM, 'IPCTNL_MSG_CT_GET').failure } }
      if (this.#isCancelled) return { value: { ...none, stopped: failed(ECANCELED, 'deleteWhere', 'cancelled').failure } }
      const scanned = this.#core.list(undefined).length
      const found = this.#read(query)
      return { value: { ...none, scanned, matched: found.length, deleted: this.#core.drop(found, this.portId) } }
    })
  }

  cancel(): void {
    this.#isCancelled = true
  }

  flush(): Promise<NativeOutcome<undefined>> {
    return this.#privileged('IPCTNL_MSG_CT_DELETE', () => {
      this.#core.drop(this.#core.list(undefined), this.portId)
      return { value: undefined }
    })
  }

  listExpectations(): Promise<NativeOutcome<readonly NativeHeaderedRecord[]>> {
    return this.#privileged('IPCTNL_MSG_EXP_GET', () => ({ value: this.#core.expectations.list() }))
  }

  changeExpectation({ verb, family, value }: Parameters<NativeConntrackSocket['changeExpectation']>[0]): Promise<NativeOutcome<undefined>> {
    const operation = verb === 'delete' ? 'IPCTNL_MSG_EXP_DELETE' : 'IPCTNL_MSG_EXP_NEW'
    return this.#privileged(operation, () => {
      this.#core.list(undefined)
      const errno = this.#core.expectations.change(verb, family, value)
      return errno === 0 ? { value: undefined } : failed(errno, operation)
    })
  }

  processorStatistics({ expectations }: { readonly expectations: boolean }): Promise<NativeOutcome<readonly NativeHeaderedRecord[]>> {
    const value = expectations ? { ...this.#core.expectations.counters } : Object.fromEntries(COUNTERS.map((name) => [name, 0]))
    return this.#privileged('IPCTNL_MSG_CT_GET_STATS_CPU', () => ({ value: [{ family: 0, resource: 0, value }] }))
  }

  globalStatistics(): Promise<NativeOutcome<NativeRecord>> {
    return this.#privileged('IPCTNL_MSG_CT_GET_STATS', () => ({
      value: { entries: this.#core.list(undefined).length, maxEntries: this.#core.maxEntries }
    }))
  }

  readSetting({ name }: { readonly name: string }): Promise<NativeOutcome<string>> {
    return this.#job(() => {
      const value = this.#core.readSetting(name)
      return value === undefined ? failed(ENOENT, 'open') : { value }
    })
  }

  writeSetting({ name, value }: { readonly name: string; readonly value: string }): Promise<NativeOutcome<undefined>> {
    return this.#job(() => {
      if (this.#core.readSetting(name) === undefined) return failed(ENOENT, 'open')
      return this.#core.writeSetting(name, value) ? { value: undefined } : failed(EACCES, 'open')
    })
  }

  #read({ filter, source }: NativeFlowQuery): FakeFlow[] {
    return source === 'table' || source === 'zero' ? this.#core.list(filter, source === 'zero') : []
  }

  #privileged<T>(operation: string, work: () => NativeOutcome<T>): Promise<NativeOutcome<T>> {
    return this.#job(() => (this.#core.isPrivileged ? work() : failed(EPERM, operation)))
  }

  /** A turn of the event loop passes, as with a job on another thread. */
  #job<T>(work: () => NativeOutcome<T>): Promise<NativeOutcome<T>> {
    return new Promise((resolve) => setImmediate(() => resolve(this.#isClosed ? failed(EBADF, 'submit') : work())))
  }
}
