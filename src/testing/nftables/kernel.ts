/**
 * A kernel's nf_tables in memory, for tests of code that uses the nftables client: same checks, same refusals, no privileges.
 *
 * It checks what the kernel checks of references, duplicates, sizes, types of elements, ownership and loops, commits all or nothing, and counts generations.
 * It compares rows of ranges as the kernel does, so that a client that does not know better shrinks and joins ranges here, too. It does not run packets, look into the
 * registers of expressions, or know links.
 */
import { EPROTONOSUPPORT } from '../../core/errno.js'
import { asFakeKernel, type FakeKernel, kernelPart } from '../../core/open.js'
import type { NativeAddon, NativeMonitorCallback, NativeNftablesMonitorOptions } from '../../native/index.js'
import { Nftables, type NftablesOptions } from '../../nftables/client.js'
import type { TraceStep } from '../../nftables/trace.js'
import { Faults, outcomes, outcomesHere, type Fault, type FaultCalls, type FaultOptions, type FaultyMethods } from '../faults.js'
import { failed } from '../outcome.js'
import { dumpTables } from './dump.js'
import { FakeNftablesCore, FakeNftablesSocket } from './sockets.js'
import { toNativeTrace } from './traces.js'

const COMMIT = {
  call: ({ dryRun }: { readonly dryRun?: boolean }) => (dryRun === true ? 'check' : 'commit'),
  answers: 'commit'
} as const

const METHODS: FaultyMethods = {
  beginBatch: { gives: { commit: COMMIT, commitHere: { ...COMMIT, isHere: true } } },
  ...outcomes('list', 'list'),
  ...outcomes('get', 'getElements'),
  ...outcomes('read', 'generation'),
  ...outcomesHere('list', 'listHere'),
  ...outcomesHere('read', 'generationHere')
}

/** What a {@link FakeNftablesKernel} can do. */
export interface FakeNftablesOptions {
  /** Whether callers may read and change anything (CAP_NET_ADMIN); default true. */
  readonly privileged?: boolean
  /** Whether there is nf_tables at all; default true. Without it `open` rejects with `UnsupportedError`. */
  readonly hasNftables?: boolean
}

/** Stands for the nf_tables of one network namespace, empty at first. Any number of clients can be opened on it. */
export class FakeNftablesKernel implements FakeKernel<'nftables'> {
  readonly [kernelPart] = 'nftables'
  readonly #core: FakeNftablesCore
  readonly #hasNftables: boolean
  readonly #faults = new Faults<'nftables'>(['commit', 'check', 'list', 'get', 'read'])

  constructor(options: FakeNftablesOptions = {}) {
    this.#core = new FakeNftablesCore(options.privileged ?? true)
    this.#hasNftables = options.hasNftables ?? true
  }

  /** Opens a client whose kernel is this one. */
  open(options: Omit<NftablesOptions, 'kernel'> = {}): Promise<Nftables> {
    return Nftables.open({ ...options, kernel: asFakeKernel<'nftables'>(this) })
  }

  /**
   * Makes a call fail: `kernel.fail('commit', { at: 3, code: 'EBUSY' })`. Several faults can wait at once.
   *
   * @throws {ValidationError} There is no such call, or no such errno.
   */
  fail(call: FaultCalls['nftables'], options: FaultOptions): Fault {
    return this.#faults.add(call, options)
  }

  /**
   * What the tables hold, as text for snapshots: objects, sets with their elements, chains with their rules as expressions. Equal rule sets give equal texts, in whatever order they came to be:
   * handles, counts and the time that elements have left are not in it.
   */
  dump(): string {
    return dumpTables(this.#core.state)
  }

  /** Makes every monitor that is open miss events, as when the kernel's buffer was full. */
  loseEvents(): void {
    this.#core.deliver(['lost'])
  }

  /** Tells every stream of `Nftables.trace` that is open of steps: no packets run here, so a test says what they met. */
  deliverTrace(steps: readonly TraceStep[]): void {
    this.#core.deliver(steps.map(toNativeTrace), true)
  }

  /** Stops all work until the function that it returns is called: jobs begun meanwhile wait, as behind a slow kernel. */
  hold(): () => void {
    return this.#core.hold()
  }

  /** @internal */
  openNftables(): ReturnType<NativeAddon['openNftables']> {
    if (!this.#hasNftables) return Promise.resolve(failed(EPROTONOSUPPORT, 'socket(AF_NETLINK)'))
    return Promise.resolve({ value: this.#faults.wrap(new FakeNftablesSocket(this.#core), METHODS) })
  }

  /** @internal */
  monitorNftables(
    { traces = false }: NativeNftablesMonitorOptions,
    callback: NativeMonitorCallback
  ): ReturnType<NativeAddon['monitorNftables']> {
    if (!this.#hasNftables) return Promise.resolve(failed(EPROTONOSUPPORT, 'socket(AF_NETLINK)'))
    return Promise.resolve(this.#core.monitor(traces, callback))
  }
}
