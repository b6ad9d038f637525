/**
 * nf_tables of one network namespace.
 */
import { requireObject, requireOptions, toList } from '../core/checks.js'
import { asNative } from '../core/columns.js'
import { ClosedError, NetlinkError, ValidationError } from '../core/errors.js'
import type { EventStream } from '../core/events/stream.js'
import type { LostEvents, WatchOptions } from '../core/events/watch.js'
import { unsupportedProtocol, unwrapOutcome } from '../core/failures.js'
import { JobQueue } from '../core/job-queue.js'
import { type FakeKernel, type NativeKernel, openSocket } from '../core/open.js'
import { networkNamespace, type CallOptions, type InNetworkNamespace, type OpenOptions } from '../core/options.js'
import type { NativeGenerationWatch, NativeListing, NativeListRequest, NativeNftablesSocket, NativeRecord } from '../native/index.js'
import type { KeyField } from './bounds.js'
import { fromNative, toColumns } from './columns.js'
import { encodeElements } from './elements.js'
import { family, type Family } from './families.js'
import { requireText } from './fields.js'
import { ListedElements, readListing, type Ruleset } from './listing.js'
import { openMonitor, type MonitorForm, type OpenStreams } from './monitor.js'
import type { ListedChain, ListedCounter, ListedFlowtable, ListedRule, ListedTable } from './objects.js'
import { hasJoinedRanges, pickHolding } from './rule-set-elements.js'
import { intervalKind, setForm, type ListedSet, type ObjectKind, type SetSpec } from './sets.js'
import { COUNTER_TYPE, objectTypeNumber, type ListedObject } from './stateful-objects.js'
import { convertTrace, type TraceEvents } from './trace.js'
import { Transaction } from './transaction.js'
import type { NameReference } from './transaction-types.js'
import { convertChange, type NftablesEvents } from './watch.js'

/** Options of {@link Nftables.open}. */
export interface NftablesOptions extends OpenOptions {
  /** What stands for the kernel: a fake of `netplane/testing`. Default: the kernel. */
  readonly kernel?: FakeKernel<'nftables'> | undefined
}

/** Which objects to list. */
export interface ListFilter {
  /** Default: all families. */
  readonly family?: Family | undefined
  /** Default: all tables. */
  readonly table?: string | undefined
}

/** A generation of the ruleset: it grows with every commit in the namespace that changed something. */
export interface Generation {
  readonly id: number
  /** The thread that asked, and its name, as the kernel fills them in (`nf_tables_fill_gen_info`); 0 and empty where it does not. Who committed, events of {@link Nftables.watch} say. */
  readonly processId: number
  readonly processName: string
}

function generationFrom(value: NativeRecord): Generation {
  return {
    id: value['id'] as number,
    processId: (value['processId'] as number | undefined) ?? 0,
    processName: (value['processName'] as string | undefined) ?? ''
  }
}

const generationWatch = Symbol('generationWatch')

/** Makes what tells that a client's generation is another one. @param changed Called once after each `arm`. */
export function watchGeneration(nft: Nftables, changed: () => void): NativeGenerationWatch {
  return nft[generationWatch](changed) as NativeGenerationWatch
}

const listPart = Symbol('listPart')

/**
 * Lists some kinds of objects, of one generation.
 *
 * @param part `chain`: the one whose rules are wanted.
 * @throws {NetlinkError} As {@link Nftables.list}, and `ENOENT` for a chain that does not exist.
 */
export async function listPartOf(
  nft: Nftables,
  part: Pick<NativeListRequest, 'tables' | 'chains' | 'rules' | 'chain'>,
  options: ListFilter & CallOptions
): Promise<Ruleset> {
  return await nft[listPart](part, options)
}

const MISSING = 'nf_tables'
const REMEDY = 'a kernel with CONFIG_NF_TABLES is needed (modprobe nf_tables)'

/**
 * A client of nf_tables in one network namespace, over one long-lived netlink socket. Calls run in call order; open another client for
 * independent work.
 */
export class Nftables implements InNetworkNamespace, AsyncDisposable {
  readonly #socket: NativeNftablesSocket
  readonly #queue: JobQueue
  readonly #kernel: NativeKernel<'nftables'>
  readonly #options: OpenOptions
  readonly #streams: OpenStreams = new Set()

  private constructor(socket: NativeNftablesSocket, kernel: NativeKernel<'nftables'>, deadlineMs: number) {
    this.#socket = socket
    this.#kernel = kernel
    this.#options = { netns: this, deadlineMs }
    this.#queue = new JobQueue('the Nftables client', deadlineMs)
  }

  /**
   * Opens a client. Reading and changing need CAP_NET_ADMIN in the user namespace that owns the network namespace; opening does not.
   *
   * @throws {UnsupportedError} No addon for this machine, or no netfilter netlink in this kernel.
   * @throws {NetlinkError} The namespace could not be entered: `ENOENT`, `EPERM`, `EINVAL`.
   */
  static async open(options: NftablesOptions = {}): Promise<Nftables> {
    const { socket, kernel, deadlineMs } = await openSocket(
      {
        part: 'nftables',
        open: (kernel, native) => kernel.openNftables(native),
        refusal: (failure) => unsupportedProtocol(failure, MISSING, REMEDY)
      },
      options
    )
    return new Nftables(socket, kernel, deadlineMs)
  }

  /** Of use inside the package only. */
  get [networkNamespace](): unknown {
    return this.#socket.namespace
  }

  /** Of use inside the package only. */
  [generationWatch](changed: () => void): unknown {
    return this.#socket.watchGeneration(changed)
  }

  /** Of use inside the package only. */
  async [listPart](part: object, options: ListFilter & CallOptions): Promise<Ruleset> {
    return await this.#list('nftables.list', part, options)
  }

  /** The netlink port of this client: events with this `portId` were caused by it, and tables with this `owner` belong to it. */
  get portId(): number {
    return this.#socket.portId
  }

  /** Begins a transaction. It belongs to this client and can be built while others run. */
  transaction(): Transaction {
    return Transaction.begin({
      run: (operation, options, start) => this.#queue.run(operation, options, start),
      runHere: (operation, options, start) => this.#queue.runHere(operation, options, start),
      beginBatch: () => this.#socket.beginBatch(),
      list: (request) => this.#socket.list(request),
      listHere: (request) => this.#socket.listHere(request),
      generation: (deadlineMs) => this.#socket.generation(deadlineMs)
    })
  }

  /** The namespace's current generation (about 10 µs): cheap enough to ask many times a second. */
  async readGeneration(options: CallOptions = {}): Promise<Generation> {
    const operation = 'nftables.readGeneration'
    const run = async (deadlineMs: number): Promise<NativeRecord> => unwrapOutcome(await this.#socket.generation(deadlineMs), { operation })
    return generationFrom(await this.#queue.run(operation, options, run))
  }

  /**
   * The same while the thread waits, for whoever asks all the time: no other thread is woken for it, which takes several times as long as the answer. The kernel gives that at
   * once, whoever commits meanwhile (`nf_tables_getgen`).
   *
   * @throws {NetlinkError} `EPERM`; `operation` is `nftables.readGenerationSync`.
   * @throws {NetplaneError} `ERR_NETPLANE_BUSY`: other calls of this client are under way; nothing was sent.
   * @throws {ClosedError} The client is closed.
   */
  readGenerationSync(): Generation {
    const operation = 'nftables.readGenerationSync'
    return generationFrom(
      this.#queue.runHere(operation, {}, (deadlineMs) => unwrapOutcome(this.#socket.generationHere(deadlineMs), { operation }))
    )
  }

  /**
   * Lists everything, of one generation: begins again when another process commits meanwhile.
   *
   * @param options `elements`: whether with the elements of sets, default false; `static`: but for those of sets that rules fill (flag `eval`), of which there may be as many as packets bring.
   * @throws {NetlinkError} `ENOENT`: the table does not exist. `EINTR`: the ruleset changed faster than it could be read, 16 times. `EPERM`.
   */
  async list(options: ListFilter & CallOptions & { readonly elements?: boolean | 'static' } = {}): Promise<Ruleset> {
    const kinds = { tables: true, chains: true, rules: true, sets: true, objects: true, flowtables: true }
    const { elements = false } = requireOptions(options)
    if (![true, false, 'static'].includes(elements)) throw new ValidationError('elements', elements, "true, false, 'static'")
    return await this.#list('nftables.list', { ...kinds, elements: elements !== false, staticElements: elements === 'static' }, options)
  }

  /** Lists tables. */
  async listTables(options: Omit<ListFilter, 'table'> & CallOptions = {}): Promise<readonly ListedTable[]> {
    return (await this.#list('nftables.listTables', { tables: true }, options)).tables
  }

  /** Lists chains, base chains with their hooks. */
  async listChains(options: ListFilter & CallOptions = {}): Promise<readonly ListedChain[]> {
    return (await this.#list('nftables.listChains', { chains: true }, options)).chains
  }

  /** Lists rules, of one chain or all, in the order of {@link Ruleset.rules}. */
  async listRules(options: ListFilter & CallOptions & { readonly chain?: string } = {}): Promise<readonly ListedRule[]> {
    const { chain } = requireOptions(options)
    const kinds = chain === undefined ? { chains: true } : { chain }
    return (await this.#list('nftables.listRules', { rules: true, ...kinds }, options)).rules
  }

  /**
   * Lists sets and maps, without their elements.
   *
   * @param options `name`: that one alone; with its family and table the kernel need not look at others.
   * @throws {NetlinkError} `ENOENT`: the table does not exist, or nothing has that name.
   */
  async listSets(options: ListFilter & CallOptions & { readonly name?: string } = {}): Promise<readonly ListedSet[]> {
    const { name } = requireOptions(options)
    return (await this.#list('nftables.listSets', { sets: true, ...(name === undefined ? {} : { name }) }, options)).sets
  }

  /**
   * Lists the elements of one set or map.
   *
   * @throws {NetlinkError} `ENOENT`: it does not exist.
   */
  async listElements(set: NameReference, options: CallOptions = {}): Promise<ListedElements> {
    requireObject('set', set)
    const filter = { ...options, family: set.family, table: set.table }
    const listed = await this.#list('nftables.listElements', { sets: true, elements: true, name: set.name }, filter)
    const found = listed.elements.find((elements) => elements.set.name === set.name)
    if (found === undefined)
      throw new NetlinkError({ errno: 2, operation: 'nftables.listElements', subject: `set ${set.family} ${set.table} ${set.name}` })
    return found
  }

  /**
   * Looks single elements up. Those that are missing are missing from the answer. Of interval sets, a value finds the range that holds it.
   *
   * @param set Its declaration: the types of the key are needed.
   */
  async getElements(set: SetSpec, keys: Iterable<KeyField | readonly KeyField[]>, options: CallOptions = {}): Promise<ListedElements> {
    requireObject('set', set)
    const form = setForm(set)
    const list = toList('keys', keys)
    if (hasJoinedRanges(form)) {
      const listed = await this.listElements(set, options)
      return new ListedElements(listed.set, [pickHolding(listed, list, form)])
    }
    const { rows } = encodeElements(
      list.map((key) => ({ key })),
      { ...form, holds: 'nothing' }
    )
    const request = { family: family('family', set.family), table: set.table, set: set.name, keys: asNative(toColumns(rows)) }
    const operation = 'nftables.getElements'
    const found = await this.#queue.run(operation, options, async (deadlineMs) =>
      unwrapOutcome(await this.#socket.getElements({ ...request, deadlineMs }), {
        operation,
        subject: `set ${set.family} ${set.table} ${set.name}`
      })
    )
    const elements = new ListedElements({ ...set, handle: 0n, raw: {} }, found.chunks.map(fromNative))
    // Linux 5.10 also gives the start of a range for the value before it (__nft_rbtree_get).
    return intervalKind(form) === 'plain' ? new ListedElements(elements.set, [pickHolding(elements, list, form)]) : elements
  }

  /** Lists named counters; with `reset`, reading and zeroing is one step (needs CAP_NET_ADMIN, and no packet is missed). */
  async listCounters(options: ListFilter & CallOptions & { readonly reset?: boolean } = {}): Promise<readonly ListedCounter[]> {
    const kinds = { objects: true, objectType: COUNTER_TYPE, reset: requireOptions(options).reset === true }
    return (await this.#list('nftables.listCounters', kinds, options)).counters
  }

  /**
   * Lists stateful objects of other kinds than counters, or those of one kind (`objectType`). With `reset`, reading and zeroing is one step: quotas have consumed nothing
   * afterwards (needs CAP_NET_ADMIN).
   */
  async listObjects(
    options: ListFilter & CallOptions & { readonly objectType?: ObjectKind | undefined; readonly reset?: boolean | undefined } = {}
  ): Promise<readonly ListedObject[]> {
    const { objectType, reset } = requireOptions(options)
    const chosen = objectType === undefined ? {} : { objectType: objectTypeNumber('objectType', objectType) }
    const kinds = { objects: true, otherThanType: COUNTER_TYPE, ...chosen, reset: reset === true }
    return (await this.#list('nftables.listObjects', kinds, options)).objects
  }

  /** Lists flowtables. */
  async listFlowtables(options: ListFilter & CallOptions = {}): Promise<readonly ListedFlowtable[]> {
    return (await this.#list('nftables.listFlowtables', { flowtables: true }, options)).flowtables
  }

  /**
   * Watches changes by any process in the namespace, on a socket of its own. Iterating keeps the process alive; leaving the loop closes the socket.
   *
   * A listener makes commits slow: while one exists anywhere on the machine, in any namespace, the kernel builds a message for every element of every commit (3 to 6 times
   * the time). To notice changes, poll {@link Nftables.readGeneration} instead.
   *
   * Events that did not fit the receive buffer, or that a slow consumer left there, are lost: the stream then holds `{ type: 'lost' }` behind
   * what the kernel still held. Who lists anew when he meets it misses nothing.
   */
  async watch(options: WatchOptions = {}): Promise<NftablesEvents> {
    return await this.#monitor({ operation: 'nftables.watch', traces: false, convert: convertChange }, options)
  }

  /**
   * Traces packets: each step of each packet through the rules of all tables in the namespace, on a socket of its own. Iterating keeps the process alive; leaving the loop
   * closes the socket.
   *
   * The kernel tells of those packets alone for which a rule has set `meta nftrace` to 1 (`meta.nftrace.set(1)` of `netplane/nftables`), from that rule on. Such a rule should have a limit:
   * the kernel makes a message for every rule that matches.
   *
   * Steps that did not fit the receive buffer, or that a slow consumer left there, are lost, and so is a step that cannot be decoded: the stream then holds `{ type: 'lost' }`.
   *
   * @param options As for {@link Nftables.watch}.
   * @throws {ValidationError} An option is malformed or out of range.
   * @throws {NetlinkError} `EPERM`: CAP_NET_ADMIN is needed in the user namespace that owns the network namespace.
   * @throws {ClosedError} The client is closed.
   */
  async trace(options: WatchOptions = {}): Promise<TraceEvents> {
    return await this.#monitor({ operation: 'nftables.trace', traces: true, convert: convertTrace }, options)
  }

  /** Waits for calls under way, ends monitors, then closes the socket; tables that it owns go with it. Idempotent. */
  async close(): Promise<void> {
    for (const stream of this.#streams) stream.end()
    await this.#queue.close(() => this.#socket.close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #monitor<Event>(form: MonitorForm<Event>, options: WatchOptions): Promise<EventStream<Event | LostEvents>> {
    const isClosed = (): boolean => this.#queue.isClosed
    if (isClosed()) throw new ClosedError('the Nftables client')
    const stream = await openMonitor(form, this.#kernel, this.#options, options, this.#streams)
    // The client may have been closed meanwhile.
    if (isClosed()) stream.end()
    return stream
  }

  async #list(operation: string, kinds: Partial<NativeListRequest>, options: ListFilter & CallOptions): Promise<Ruleset> {
    requireOptions(options)
    requireText('table', options.table)
    requireText('chain', kinds.chain)
    requireText('name', kinds.name)
    const request = {
      ...kinds,
      family: options.family === undefined ? ('unspec' as const) : family('family', options.family),
      ...(options.table === undefined ? {} : { table: options.table })
    }
    const subject = options.table === undefined ? undefined : `table ${options.family ?? ''} ${options.table}`
    const listing: NativeListing = await this.#queue.run(operation, options, async (deadlineMs) =>
      unwrapOutcome(await this.#socket.list({ ...request, deadlineMs }), { operation, subject })
    )
    return await readListing(listing)
  }
}
