/**
 * Connection tracking by netlink: flows listed, watched, changed and removed.
 */
import { requireBulkOptions, type BulkReport } from '../core/bulk-run.js'
import type { BulkOptions } from '../core/bulk-run.js'
import { requireConfirmation, requireFields, requireInteger, requireOptions, toList } from '../core/checks.js'
import { ENOENT } from '../core/errno.js'
import { ClosedError, ValidationError } from '../core/errors.js'
import type { FailureContext } from '../core/failures.js'
import { JobQueue } from '../core/job-queue.js'
import { type NativeKernel, openSocket } from '../core/open.js'
import { type CallOptions, type InNetworkNamespace, networkNamespace, type OpenOptions, requireEnsure } from '../core/options.js'
import type { AddOptions, RemoveOptions } from '../core/options.js'
import type { NativeConntrackSocket } from '../native/index.js'
import type { FlowVerb } from './bulk.js'
import { encodeBulk, runBulk, runOne } from './bulk.js'
import { FlowReader, type FlowColumns } from './columns.js'
import { runRemoval } from './removal.js'
import { decodeExpectation } from './details.js'
import { FlowColumnWriter, settableStatus, wholeStatus } from './encode.js'
import { createExpectation, deleteExpectation, expectationKey, newExpectation } from './expectations.js'
import type { FlowFilter } from './filter.js'
import { compileRemoval } from './filter-compile.js'
import { FlowIteration } from './iterate.js'
import { readFlows } from './listing.js'
import type { ConntrackOptions } from './open.js'
import { queryOf, readQueryOf } from './query.js'
import { requestError, unwrap } from './refusals.js'
import { readSettings, SETTING_NAMES, settingFile, writeSettings, type ConntrackSettingName, type ConntrackSettings } from './settings.js'
import type {
  ConntrackProcessorStatistics,
  ConntrackUsage,
  RemoveFlowsReport,
  Expectation,
  ExpectationInput,
  Flow,
  FlowAttributes,
  FlowInput,
  FlowIterateOptions,
  FlowKey,
  FlowListOptions,
  FlowReadOptions,
  FlowTuple
} from './types.js'
import { usageOf, watchUsage, type UsageEvents, type UsageWatchOptions } from './usage.js'
import { coverageOf, openWatch, type ConntrackEvents, type ConntrackWatchOptions } from './watch.js'

/**
 * A client of connection tracking in one network namespace. Calls run one after the other, in the order in which they were made. Needs CAP_NET_ADMIN in the user
 * namespace that owns the network namespace (no root: a user namespace will do).
 *
 * A listing is no snapshot: the kernel walks its table while flows come and go, and says nothing of it; while the table is resized a flow can be given twice or missed.
 *
 * @example
 * await using conntrack = await Conntrack.open()
 * for (const flow of await conntrack.list({ filter: { protocol: 'udp', originalDestinationPort: 53 } })) console.log(flow.reply.source)
 * await conntrack.removeWhere({ protocol: 'udp', originalDestination: '10.96.0.10', replySourceNotIn: [{ address: '10.1.0.7', port: 53 }] })
 */
export class Conntrack implements InNetworkNamespace, AsyncDisposable {
  readonly #socket: NativeConntrackSocket
  readonly #kernel: NativeKernel<'conntrack'>
  readonly #options: OpenOptions
  readonly #queue: JobQueue
  readonly #streams = new Set<{ end(): void }>()

  private constructor(socket: NativeConntrackSocket, kernel: NativeKernel<'conntrack'>, deadlineMs: number) {
    this.#socket = socket
    this.#kernel = kernel
    this.#options = { netns: this, deadlineMs }
    this.#queue = new JobQueue('the Conntrack client', deadlineMs)
  }

  /**
   * Opens a socket.
   *
   * @throws {ValidationError} An option is malformed or out of range.
   * @throws {NetlinkError} `ENOENT`, `EINVAL`: no such network namespace; `EPERM`: it may not be entered.
   * @throws {UnsupportedError} The native addon cannot be loaded, or the kernel has no netfilter.
   */
  static async open(options: ConntrackOptions = {}): Promise<Conntrack> {
    const { socket, kernel, deadlineMs } = await openSocket(
      {
        part: 'conntrack',
        open: (kernel, native) => kernel.openConntrack(native),
        refusal: (failure, subject) => requestError(failure, { operation: 'conntrack.open', subject })
      },
      options
    )
    return new Conntrack(socket, kernel, deadlineMs)
  }

  /** Of use inside the package only. */
  get [networkNamespace](): unknown {
    return this.#socket.namespace
  }

  /** The netlink port of this client: events with this `portId` were caused by it. */
  get portId(): number {
    return this.#socket.portId
  }

  /**
   * Lists flows as objects, made in slices that leave the event loop alone. For hundreds of thousands, {@link Conntrack.iterate} needs less memory and
   * {@link Conntrack.listColumns} less time. Equivalent to `conntrack -L`.
   *
   * @throws {ValidationError} A condition of the filter is malformed, or can never hold.
   * @throws {NetlinkError} `EPERM`: no CAP_NET_ADMIN.
   * @throws {UnsupportedError} The kernel has no `nf_conntrack_netlink`.
   */
  async list(options: FlowReadOptions = {}): Promise<Flow[]> {
    const query = readQueryOf(options)
    return await readFlows(await this.#run('conntrack.list', options, (deadlineMs) => this.#socket.list({ ...query, deadlineMs })))
  }

  /** As {@link Conntrack.list}, as typed arrays of up to 16384 flows each: a million flows cost the event loop next to nothing. What few flows have is left out. */
  async listColumns(options: FlowReadOptions = {}): Promise<FlowColumns[]> {
    const query = readQueryOf(options)
    const pieces = await this.#run('conntrack.listColumns', options, (deadlineMs) => this.#socket.list({ ...query, deadlineMs }))
    return pieces.map(({ columns }) => columns as unknown as FlowColumns)
  }

  /**
   * Iterates over flows on a socket of its own, with memory for `rows` of them: the kernel goes on with its walk as the loop does. Leaving the loop ends it.
   *
   * @throws As {@link Conntrack.list}.
   */
  iterate(options: FlowIterateOptions = {}): AsyncIterableIterator<Flow> & AsyncDisposable {
    const query = queryOf(options)
    const rows = requireInteger('options.rows', options.rows ?? 1024, 1, 65_536)
    this.#requireOpen()
    return new FlowIteration(this.#kernel, this.#options, { query, rows, options, streams: this.#streams })
  }

  /** Counts flows that match. Without a filter {@link Conntrack.readUsage} says it at once. */
  async count(options: FlowListOptions = {}): Promise<number> {
    const query = queryOf(options)
    const { matched } = await this.#run('conntrack.count', options, (deadlineMs) => this.#socket.count({ ...query, deadlineMs }))
    return matched
  }

  /**
   * Reads the flow of these packets: by its original tuple, or by that of its answers. Undefined where there is none. Equivalent to `conntrack -G`.
   *
   * @throws {ValidationError} A tuple is malformed.
   */
  async get(
    key: FlowKey | { readonly protocol: FlowKey['protocol']; readonly reply: FlowTuple; readonly zone?: number | undefined },
    options: CallOptions = {}
  ): Promise<Flow | undefined> {
    const writer = new FlowColumnWriter(1)
    requireFields('key', key)
    const byReply = !('original' in key)
    if (byReply) writer.replyKey(0, 'key', key.protocol, key.reply, key.zone)
    else writer.key(0, 'key', key)
    const columns = writer.finish()
    return await this.#queue.run('conntrack.get', options, async (deadlineMs) => {
      const outcome = await this.#socket.get({ verb: 'update', columns, byReply, deadlineMs })
      if (outcome.failure?.errno === ENOENT) return undefined
      return new FlowReader(unwrap(outcome, { operation: 'conntrack.get' })).flow(0)
    })
  }

  /**
   * Adds a flow, as if its first packet had been seen: for tests, and for state taken over from another machine. Equivalent to `conntrack -I`.
   *
   * @throws {ValidationError} A field is malformed or out of range.
   * @throws {NetlinkError} `EEXIST`: one of its tuples is in use (not with `ensure`). `EOPNOTSUPP`: the kernel has no such helper. `EPERM`.
   */
  async add(flow: FlowInput, options: AddOptions = {}): Promise<void> {
    const writer = new FlowColumnWriter(1)
    writer.flow(0, 'flow', flow)
    await this.#changeOne('add', flow, writer, options)
  }

  /** As {@link Conntrack.add} for many, in few system calls. */
  async addFlows(flows: Iterable<FlowInput>, options: BulkOptions = {}): Promise<BulkReport> {
    return await this.#bulk('add', toList('flows', flows, 'an iterable of flows'), options)
  }

  /**
   * Changes a flow: only what is given. Equivalent to `conntrack -U`.
   *
   * @throws {ValidationError} A field is malformed or out of range.
   * @throws {NetlinkError} `ENOENT`: there is no such flow (any more). `EBUSY`: a helper cannot be exchanged for another. `ENOSPC`: no room for labels. `EPERM`: also
   *   where the flow's time-out is fixed.
   */
  async update(key: FlowKey, attributes: FlowAttributes, options: CallOptions = {}): Promise<void> {
    for (const [path, value] of Object.entries({ key, attributes })) requireFields(path, value)
    const status = attributes.status === undefined ? undefined : settableStatus('attributes.status', attributes.status)
    const writer = new FlowColumnWriter(1)
    const { protocol, original } = writer.key(0, 'key', { ...key, id: undefined })
    writer.attributes(0, 'attributes', attributes, protocol, original.family)
    if (status !== undefined) writer.status(0, wholeStatus(await this.get({ ...key, id: undefined }, options), status))
    await this.#changeOne('update', key, writer, options)
  }

  /**
   * Removes exactly one flow. With an `id` (every listed flow has one), a later flow with the same tuple is left alone ({@link FlowKey.id}). Equivalent to `conntrack -D`.
   *
   * @throws {ValidationError} The tuple is malformed.
   * @throws {NetlinkError} `ENOENT`: there is no such flow (not with `ensure`). `EPERM`.
   */
  async remove(key: FlowKey, options: RemoveOptions = {}): Promise<void> {
    const writer = new FlowColumnWriter(1)
    writer.key(0, 'key', key)
    await this.#changeOne('remove', key, writer, options)
  }

  /** As {@link Conntrack.remove} for many, in few system calls. */
  async removeFlows(keys: Iterable<FlowKey>, options: BulkOptions = {}): Promise<BulkReport> {
    return await this.#bulk('remove', toList('keys', keys, 'an iterable of keys of flows'), options)
  }

  /**
   * Removes the flows that match, in one native job: they are listed, matched and removed in batches as the listing goes on, each by its tuple, zone and id, so that a
   * tuple that is in use again is not removed. The signal stops it between two batches. An empty filter is refused: {@link Conntrack.flush} says what it does.
   *
   * @throws {ValidationError} A condition is malformed or can never hold, or there is none.
   * @throws {TransactionError} It stopped early, or flows were refused: `cause` says why, and the message how many were removed.
   */
  async removeWhere(filter: FlowFilter | readonly FlowFilter[], options: CallOptions = {}): Promise<RemoveFlowsReport> {
    const program = await compileRemoval(filter)
    const operation = 'conntrack.removeWhere'
    return await this.#queue.run(operation, options, (deadlineMs) =>
      runRemoval(this.#socket, program, { operation, signal: options.signal, deadlineMs })
    )
  }

  /**
   * Removes every flow of the namespace: established connections through NAT break. Equivalent to `conntrack -F`.
   *
   * @param confirmation `{ allFlows: true }`, so that it is not called by accident.
   * @throws {NetlinkError} `EPERM`.
   */
  async flush(confirmation: { readonly allFlows: true }, options: CallOptions = {}): Promise<void> {
    requireConfirmation(confirmation, 'allFlows', 'every flow ends, and connections through NAT break')
    await this.#run('conntrack.flush', options, (deadlineMs) => this.#socket.flush({ deadlineMs }))
  }

  /** Connections that helpers wait for. Equivalent to `conntrack -L expect`. */
  async listExpectations(options: CallOptions = {}): Promise<Expectation[]> {
    const records = await this.#run('conntrack.listExpectations', options, (deadlineMs) => this.#socket.listExpectations({ deadlineMs }))
    return records.map(decodeExpectation)
  }

  /**
   * Lets a flow expect another: the first packet that the expectation fits begins a flow with status `expected` and this `master`, and uses it up (unless it is
   * `permanent`). Equivalent to `conntrack -I expect`.
   *
   * @throws {ValidationError} A field is malformed or out of range.
   * @throws {NetlinkError} `ENOENT`: there is no such master. `EOPNOTSUPP`, `ESHUTDOWN`: it has no helper. `EEXIST`: an expectation that the tuple meets is there (not with
   *   `ensure`).
   *   `EBUSY`: one that the same packets can meet. `EMFILE`: `nf_conntrack_expect_max`. `EINVAL`: the helper has no such class, or the kernel no such function. `EPERM`.
   */
  async addExpectation(expectation: ExpectationInput, options: AddOptions = {}): Promise<void> {
    const operation = 'conntrack.addExpectation'
    const request = { ...newExpectation('expectation', expectation), ensure: requireEnsure(options) }
    await this.#queue.run(operation, options, (deadlineMs) =>
      createExpectation(this.#socket, operation, expectation, { ...request, deadlineMs })
    )
  }

  /**
   * Removes an expectation that was listed.
   *
   * @throws {NetlinkError} `ENOENT`: it is gone (not with `ensure`). `EPERM`.
   */
  async removeExpectation(expectation: Expectation, options: RemoveOptions = {}): Promise<void> {
    const operation = 'conntrack.removeExpectation'
    const { family, record } = expectationKey('expectation', expectation)
    const ensure = requireEnsure(options)
    await this.#queue.run(operation, options, (deadlineMs) =>
      deleteExpectation(this.#socket, operation, { family, record, expectation, ensure, deadlineMs })
    )
  }

  /**
   * Removes all expectations.
   *
   * @param confirmation `{ allExpectations: true }`, so that it is not called by accident.
   */
  async flushExpectations(confirmation: { readonly allExpectations: true }, options: CallOptions = {}): Promise<void> {
    requireConfirmation(confirmation, 'allExpectations', 'no helper waits for a connection any more')
    await this.#run('conntrack.flushExpectations', options, (deadlineMs) =>
      this.#socket.changeExpectation({ verb: 'delete', family: 0, value: {}, deadlineMs })
    )
  }

  /** Flows now and at most: the gauge to watch. Equivalent to `conntrack -C`. */
  async readUsage(options: CallOptions = {}): Promise<ConntrackUsage> {
    const record = await this.#run('conntrack.readUsage', options, (deadlineMs) => this.#socket.globalStatistics({ deadlineMs }))
    return await usageOf(record, async () => (await this.readSettings(['maxEntries'], options)).maxEntries)
  }

  /**
   * Watches how full the table is: an event when it passes `warnAt` of its limit, and when it is below again. It asks every `intervalMs`.
   *
   * @throws {ValidationError} An option is malformed or out of range.
   */
  watchUsage(options: UsageWatchOptions = {}): UsageEvents {
    this.#requireOpen()
    return watchUsage(() => this.readUsage(), options, this.#streams)
  }

  /** Counters of every processor: of flows, or of expectations. Equivalent to `conntrack -S`. */
  async readStatistics(
    options: CallOptions & { readonly of?: 'flows' | 'expectations' | undefined } = {}
  ): Promise<ConntrackProcessorStatistics[]> {
    const of: unknown = requireOptions(options).of ?? 'flows'
    if (of !== 'flows' && of !== 'expectations') throw new ValidationError('options.of', of, 'flows, expectations')
    const expectations = of === 'expectations'
    const operation = 'conntrack.readStatistics'
    const records = await this.#run(operation, options, (deadlineMs) => this.#socket.processorStatistics({ expectations, deadlineMs }))
    return records.map(({ resource, value }) => ({ processor: resource, counters: value as Record<string, number> }))
  }

  /**
   * Reads system settings in the client's namespace: those that are named, else all. What this kernel does not have is absent.
   *
   * @throws {ValidationError} A name is unknown.
   * @throws {NetlinkError} `EACCES`: the file may not be read.
   */
  async readSettings(
    names: readonly ConntrackSettingName[] = SETTING_NAMES,
    options: CallOptions = {}
  ): Promise<Partial<ConntrackSettings>> {
    return await readSettings(names, (operation, request) =>
      this.#queue.run(operation, options, (deadlineMs) => this.#socket.readSetting({ ...request, deadlineMs }))
    )
  }

  /**
   * Writes system settings in the client's namespace, in the order given; the first that fails ends it.
   *
   * @throws {ValidationError} A name is unknown, or a value is out of range; nothing was written.
   * @throws {NetlinkError} `ENOENT`: this kernel has no such setting. `EACCES`, `EROFS`: it may not be written here: /proc/sys is mounted read-only (as in containers
   *   without --privileged), or, of `maxEntries` and `buckets`, this is not the initial network namespace.
   */
  async writeSettings(settings: Partial<ConntrackSettings>, options: CallOptions = {}): Promise<void> {
    await writeSettings(settings, (operation, request) =>
      this.#queue.run(operation, options, (deadlineMs) => this.#socket.writeSetting({ ...request, deadlineMs }))
    )
  }

  /**
   * Reports flows as they begin, change and end, from the moment the promise resolves. The first event says what the kernel will not report. Leave the loop, abort the
   * signal, or close the client to end it. Equivalent to `conntrack -E`.
   *
   * @throws {ValidationError} An option is malformed or out of range.
   * @throws {NetlinkError} The socket cannot be opened; `EPERM`.
   */
  async watch(options: ConntrackWatchOptions = {}): Promise<ConntrackEvents> {
    this.#requireOpen()
    const setting = await this.#queue.run('conntrack.watch', { signal: requireOptions(options).signal }, (deadlineMs) =>
      this.#socket.readSetting({ name: settingFile('events'), deadlineMs })
    )
    const covers = coverageOf(setting.failure === undefined ? setting.value : undefined)
    return await openWatch(this.#kernel, this.#options, options, { covers, streams: this.#streams, isClosed: () => this.#queue.isClosed })
  }

  /** Waits for calls that were made, ends watches and iterations, and closes the socket. Idempotent; later calls reject with {@link ClosedError}. */
  async close(): Promise<void> {
    for (const stream of this.#streams) stream.end()
    await this.#queue.close(() => this.#socket.close())
  }

  /** {@link Conntrack.close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #requireOpen(): void {
    if (this.#queue.isClosed) throw new ClosedError('the Conntrack client')
  }

  /** Runs a request and unwraps what came of it. */
  async #run<T>(
    operation: string,
    options: CallOptions,
    start: (deadlineMs: number) => Promise<Parameters<typeof unwrap<T>>[0]>
  ): Promise<T> {
    const context: FailureContext = { operation }
    return await this.#queue.run(operation, options, async (deadlineMs) => unwrap(await start(deadlineMs), context))
  }

  async #changeOne(verb: FlowVerb, key: FlowKey, writer: FlowColumnWriter, options: AddOptions): Promise<void> {
    const ensure = requireEnsure(options)
    await this.#queue.run(`conntrack.${verb}`, options, (deadlineMs) => runOne(this.#socket, verb, key, { writer, ensure, deadlineMs }))
  }

  async #bulk(verb: 'add' | 'remove', flows: readonly (FlowInput | FlowKey)[], options: BulkOptions): Promise<BulkReport> {
    const checked = requireBulkOptions(options)
    const writer = await encodeBulk(verb, flows)
    return await this.#queue.run(`conntrack.${verb}Flows`, options, (deadlineMs) =>
      runBulk(this.#socket, verb, flows, { writer, ...checked, deadlineMs })
    )
  }
}
