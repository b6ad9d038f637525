/**
 * The work behind a fake nf_tables: commits, listings, monitors, and the sockets that clients hold.
 */
import { asNative } from '../../core/columns.js'
import { EBADF, EINVAL, EMLINK, ENOENT, EPERM, ERESTART } from '../../core/errno.js'
import type {
  NativeBatch,
  NativeColumns,
  NativeCommitResult,
  NativeEvent,
  NativeFamily,
  NativeGenerationWatch,
  NativeItemError,
  NativeListing,
  NativeListRequest,
  NativeListedElements,
  NativeMonitor,
  NativeMonitorCallback,
  NativeNftablesSocket,
  NativeOutcome,
  NativeRecord,
  NativeRefusedOperation
} from '../../native/index.js'
import { type ElementColumns, fromNative, rowAt, toColumns } from '../../nftables/columns.js'
import { readOperations, type OperationHead } from '../../nftables/wire/operation.js'
import { failed } from '../outcome.js'
import { FakeGenerationWatch } from './generation-watch.js'
import { findHolding } from './intervals.js'
import { applyElements, type FakeElementsOperation } from './elements.js'
import { describeElement, listState } from './listing.js'
import { applyOperation, hasForm } from './objects.js'
import { type FakeOperation } from './operation.js'
import { cloneState, hasLoop, liveElements, Refusal, tableKey, type FakeBatchContext, type FakeState } from './state.js'

const FIRST_PORT = 4711

interface FakeMonitor {
  /** Whether it is told of packets, not of changes. */
  readonly traces: boolean
  readonly callback: NativeMonitorCallback
  isPaused: boolean
  /** What came while it was paused. */
  readonly waiting: (NativeEvent | 'lost')[]
}

interface QueuedElements extends FakeElementsOperation {
  readonly kind: 'elements'
}

interface QueuedObject extends FakeOperation {
  readonly echo: boolean
}

type Queued = QueuedObject | QueuedElements

interface CommitRequest {
  readonly generation?: number
  readonly dryRun?: boolean
  readonly record?: boolean
}

/** The nf_tables of one network namespace. */
export class FakeNftablesCore {
  /** Whether callers have CAP_NET_ADMIN. */
  readonly #isPrivileged: boolean
  readonly #monitors = new Set<FakeMonitor>()
  #state: FakeState = new Map()
  #generation = 1
  #nextHandle = 1n
  #nextPort = FIRST_PORT
  #gate: Promise<void> | undefined

  constructor(isPrivileged: boolean) {
    this.#isPrivileged = isPrivileged
  }

  /** A port for one more socket. */
  takePort(): number {
    this.#nextPort += 1
    return this.#nextPort
  }

  /** All tables. */
  get state(): FakeState {
    return this.#state
  }

  /** Hands events to all monitors, or to those of one kind. */
  deliver(events: readonly (NativeEvent | 'lost')[], traces?: boolean): void {
    for (const monitor of this.#monitors) {
      if (traces !== undefined && monitor.traces !== traces) continue
      if (monitor.isPaused) monitor.waiting.push(...structuredClone(events))
      else monitor.callback(structuredClone(events), undefined)
    }
  }

  /** Subscribes. */
  monitor(traces: boolean, callback: NativeMonitorCallback): NativeOutcome<NativeMonitor> {
    if (!this.#isPrivileged) return failed(EPERM, 'setsockopt(NETLINK_ADD_MEMBERSHIP)')
    const monitor: FakeMonitor = { traces, callback, isPaused: false, waiting: [] }
    this.#monitors.add(monitor)
    return {
      value: {
        portId: this.takePort(),
        pause: () => void (monitor.isPaused = true),
        resume: () => {
          monitor.isPaused = false
          const events = monitor.waiting.splice(0)
          if (events.length > 0) monitor.callback(events, undefined)
        },
        ref: () => undefined,
        unref: () => undefined,
        close: () => void this.#monitors.delete(monitor)
      }
    }
  }

  /** Keeps jobs waiting until the returned function is called. */
  hold(): () => void {
    let release = (): void => undefined
    this.#gate = new Promise((resolve) => {
      release = () => {
        this.#gate = undefined
        resolve()
      }
    })
    return release
  }

  /** Resolves when work may go on. */
  async waitForGate(): Promise<void> {
    await this.#gate
  }

  /** NFT_MSG_GETGEN. */
  generation(): NativeOutcome<NativeRecord> {
    if (!this.#isPrivileged) return failed(EPERM, 'getgen', 'Operation not permitted')
    return { value: { id: this.#generation, processId: process.pid, processName: 'fake' } }
  }

  /** Dumps. */
  list(request: NativeListRequest): NativeOutcome<NativeListing> {
    if (!this.#isPrivileged) return failed(EPERM, 'list')
    try {
      return { value: listState(this.#state, request, this.#generation, performance.now()) }
    } catch (error) {
      if (error instanceof Refusal) return failed(error.errno, 'list', error.message)
      throw error
    }
  }

  /** NFT_MSG_GETSETELEM without a dump. */
  getElements(family: NativeFamily, tableName: string, setName: string, keys: ElementColumns): NativeOutcome<NativeListedElements> {
    if (!this.#isPrivileged) return failed(EPERM, 'getElements')
    const set = this.#state.get(tableKey(family, tableName))?.sets.get(setName)
    if (set === undefined) return failed(ENOENT, 'getElements')
    const now = performance.now()
    const rows = Array.from({ length: keys.rows }, (_, row) => rowAt(keys, row))
    const elements = [...liveElements(set, now)]
    const found = rows.flatMap((wanted) => findHolding(set, elements, wanted).map((element) => describeElement(element, now)))
    return { value: { family, table: tableName, set: setName, chunks: found.length === 0 ? [] : [asNative(toColumns(found))] } }
  }

  /** A whole batch. */
  commit(operations: readonly Queued[], request: CommitRequest, portId: number): NativeCommitResult {
    const size = { bytes: operations.length * 64, systemCalls: 2, ...(request.record === true ? { datagram: new Uint8Array(0) } : {}) }
    const refused = { applied: false, generation: 0, errors: [], echoes: [], ...size }
    const whole = (errno: number): NativeCommitResult => ({ ...refused, ...failed(errno, 'commit') })
    if (!this.#isPrivileged) return whole(EPERM)
    const { generation } = request
    if (generation !== undefined && generation !== 0 && generation !== this.#generation) return whole(ERESTART)
    const context = this.#beginBatch(portId)
    const { errors, echoes } = work(context, operations)
    if (errors.length > 0) return { ...refused, errors }
    if (context.unbound.size > 0) return whole(EINVAL)
    if ([...context.state.values()].some(hasLoop)) return whole(EMLINK)
    if (request.dryRun === true) return { ...refused, applied: true }
    this.#publish(context)
    return { ...refused, applied: true, generation: this.#generation, echoes }
  }

  /** What goes with a socket: the tables that it owns (nft_rcv_nl_event). */
  closePort(portId: number): void {
    const context = this.#beginBatch(portId)
    for (const table of [...context.state.values()].filter(({ owner }) => owner === portId)) {
      const flags = (table.value['flags'] ?? []) as readonly string[]
      table.owner = undefined
      if (flags.includes('persist')) table.value = { ...table.value, flags: flags.filter((flag) => flag !== 'owner') }
      else context.state.delete(tableKey(table.family, table.name))
    }
    this.#state = context.state
  }

  #beginBatch(portId: number): FakeBatchContext {
    const takeHandle = (): bigint => {
      const handle = this.#nextHandle
      this.#nextHandle += 1n
      return handle
    }
    const now = performance.now()
    return {
      state: cloneState(this.#state),
      portId,
      takeHandle,
      events: [],
      setIds: new Map(),
      chainIds: new Map(),
      unbound: new Set(),
      now
    }
  }

  #publish(context: FakeBatchContext): void {
    this.#state = context.state
    if (context.events.length === 0) return
    this.#generation += 1
    const value = { id: this.#generation, processId: process.pid, processName: 'fake' }
    this.deliver([...context.events, { type: 'newgen', family: 'unspec', portId: context.portId, sequence: 0, value }], false)
  }
}

/** Works off all operations, as the kernel does even after one was refused. */
function work(context: FakeBatchContext, operations: readonly Queued[]): Pick<NativeCommitResult, 'errors' | 'echoes'> {
  const errors: NativeItemError[] = []
  const echoes: { index: number; value: NativeRecord }[] = []
  for (const [index, operation] of operations.entries()) {
    try {
      if (operation.kind === 'elements') {
        applyElements(context, operation)
        continue
      }
      const made = applyOperation(context, operation)
      if (operation.echo && made !== undefined) echoes.push({ index, value: structuredClone(made) })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      errors.push({
        index,
        errno: error.errno,
        message: error.message,
        field: error.field,
        ...(error.row === undefined ? {} : { row: error.row })
      })
    }
  }
  return { errors, echoes }
}

/** Fields that operations on other objects than tables cannot do without, as the schemas have them. */
const REQUIRED = ['table', 'set'] as const

function missing(operation: OperationHead & { readonly value: NativeRecord }): string | undefined {
  const required = operation.kind === 'table' ? [] : operation.kind === 'elements' ? REQUIRED : REQUIRED.slice(0, 1)
  return required.find((field) => operation.value[field] === undefined)
}

type Submit<T> = (operations: readonly Queued[], request: CommitRequest) => T

class FakeBatch implements NativeBatch {
  readonly #operations: Queued[] = []
  readonly #submit: Submit<Promise<NativeCommitResult>>
  readonly #submitHere: Submit<NativeCommitResult>

  constructor(submit: Submit<Promise<NativeCommitResult>>, submitHere: Submit<NativeCommitResult>) {
    this.#submit = submit
    this.#submitHere = submitHere
  }

  add(run: Uint8Array, echoes: boolean): NativeRefusedOperation | undefined {
    return this.#read(run, (head, value) => {
      const { verb, kind, family } = head
      if (kind === 'elements') this.#pushElements(head, value, undefined)
      else this.#operations.push({ verb, kind, family, value, echo: echoes && !['delete', 'destroy', 'flush'].includes(verb) })
    })
  }

  addElements(operation: Uint8Array, columns: NativeColumns | undefined): NativeRefusedOperation | undefined {
    return this.#read(operation, (head, header) => this.#pushElements(head, header, structuredClone(columns)))
  }

  #pushElements({ verb, family }: OperationHead, header: NativeRecord, columns: NativeColumns | undefined): void {
    const own = columns === undefined ? undefined : fromNative(columns)
    this.#operations.push({ verb, kind: 'elements', family: family as NativeFamily, header, columns: own })
  }

  #read(run: Uint8Array, take: (head: OperationHead, value: NativeRecord) => void): NativeRefusedOperation | undefined {
    let index = 0
    for (const operation of readOperations(run)) {
      const { verb, kind, value } = operation
      if (kind !== 'elements' && !hasForm(verb, kind))
        return { index, path: '', value: undefined, allowed: 'an operation, and a verb that nf_tables has for its kind' }
      const path = missing(operation)
      if (path !== undefined) return { index, path, value: undefined, allowed: 'a value: this verb needs it' }
      take(operation, value)
      index += 1
    }
    return undefined
  }

  commit(request: CommitRequest): Promise<NativeCommitResult> {
    return this.#submit(this.#operations, request)
  }

  commitHere(request: CommitRequest): NativeCommitResult {
    return this.#submitHere(this.#operations, request)
  }
}

/** The client's view of a {@link FakeNftablesCore}. */
export class FakeNftablesSocket implements NativeNftablesSocket {
  readonly portId: number
  readonly maxSendBytes = 1 << 20
  readonly #core: FakeNftablesCore
  #isClosed = false

  constructor(core: FakeNftablesCore) {
    this.#core = core
    this.portId = core.takePort()
  }

  close(): Promise<void> {
    if (!this.#isClosed) this.#core.closePort(this.portId)
    this.#isClosed = true
    return Promise.resolve()
  }

  beginBatch(): NativeBatch {
    const closed = { applied: false, generation: 0, errors: [], echoes: [], bytes: 0, systemCalls: 0, ...failed(EBADF, 'submit') }
    const commit: Submit<NativeCommitResult> = (operations, request) => this.#core.commit(operations, request, this.portId)
    return new FakeBatch(
      (operations, request) =>
        this.#job(
          () => commit(operations, request),
          () => closed
        ),
      (operations, request) => (this.#isClosed ? closed : commit(operations, request))
    )
  }

  list(request: NativeListRequest): Promise<NativeOutcome<NativeListing>> {
    return this.#outcome(() => this.#core.list(request))
  }

  listHere(request: NativeListRequest): NativeOutcome<NativeListing> {
    return this.#isClosed ? failed(EBADF, 'submit') : this.#core.list(request)
  }

  getElements({
    family,
    table,
    set,
    keys
  }: Parameters<NativeNftablesSocket['getElements']>[0]): Promise<NativeOutcome<NativeListedElements>> {
    return this.#outcome(() => this.#core.getElements(family, table, set, fromNative(keys)))
  }

  generation(): Promise<NativeOutcome<NativeRecord>> {
    return this.#outcome(() => this.#core.generation())
  }

  generationHere(): NativeOutcome<NativeRecord> {
    return this.#isClosed ? failed(EBADF, 'submit') : this.#core.generation()
  }

  watchGeneration(callback: () => void): NativeGenerationWatch {
    return new FakeGenerationWatch(() => this.generationHere(), callback)
  }

  #outcome<T>(start: () => NativeOutcome<T>): Promise<NativeOutcome<T>> {
    return this.#job(start, () => failed(EBADF, 'submit'))
  }

  /** A turn of the event loop passes, as with a job on another thread. */
  async #job<T>(start: () => T, closed: () => T): Promise<T> {
    await new Promise((resolve) => setImmediate(resolve))
    await this.#core.waitForGate()
    return this.#isClosed ? closed() : start()
  }
}
