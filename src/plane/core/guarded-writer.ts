/**
 * Commits against the generation that is known, and says what a refusal means.
 */
import { NetlinkError, NetplaneError } from '../../core/errors.js'
import { watchGeneration, type Nftables } from '../../nftables/client.js'
import type { TransactionBound } from '../../nftables/pace.js'
import { StepWriter, type Owners, type Step, type StepHooks } from '../../nftables/steps.js'
import { BackendFailure, type Refusal } from './backend.js'
import type { Run } from './run.js'
import type { Sentinel } from './watch.js'

/** Refusals after which the kernel must be read again, because it is not as it was left. EBUSY: foreign rules refer to what is to go. */
const STALE = new Set(['ENOENT', 'EEXIST', 'ENFILE', 'EBUSY'])
/** Refusals that no single service is to blame for. */
const WHOLE = new Set(['EPERM', 'ENOMEM', 'ENOBUFS', 'EACCES', 'ERESTART'])

/**
 * Retries after which a call commits without a generation: while another process commits all the time none stays true long enough. A transaction is still all or nothing, elements that are not
 * as we left them still refuse it, and the next audit finds the rest.
 */
const MAX_RACES = 4

/** Writes into tables that are ours. */
export class GuardedWriter {
  /** Generation after our last commit or audit. */
  generation = 0
  /** Transactions since the plane was opened. */
  commits = 0
  /** Transactions that were sent and have not ended. */
  #underWay = 0
  readonly #nft: Nftables
  readonly #steps: StepWriter
  #run: Run | undefined
  #what = ''

  /**
   * @param bound Of transactions.
   * @param blame The error to tell of an object that is to blame by itself, whatever its code means of others; undefined: the code says it. Default: it does always.
   */
  constructor(nft: Nftables, bound: TransactionBound, blame: (error: NetlinkError) => NetlinkError | undefined = () => undefined) {
    const hooks: StepHooks = {
      before: () => this.#run?.checkpoint(),
      // Behind others that are under way: each makes the next generation, and where one is refused, those behind it are too.
      options: () => {
        const generation = this.generation + this.#underWay++
        return { generation: this.#isGuarded ? generation : undefined }
      },
      ended: () => {
        this.#underWay--
      },
      committed: ({ generation, bytes }) => {
        this.generation = generation
        this.commits++
        this.#run?.wrote(this.#what, 1, bytes)
      },
      advanced: (services) => this.#run?.advance?.add(services),
      refused: (error, owners) => attribute(error, owners, blame)
    }
    this.#nft = nft
    this.#steps = new StepWriter(nft, hooks, bound)
  }

  /** Whether anybody else has committed since our last commit or audit. It is asked many times a second, and so without another thread, unless the client has something else to do. */
  async isBehind(): Promise<boolean> {
    try {
      return this.#nft.readGenerationSync().id !== this.generation
    } catch (error) {
      if (!(error instanceof NetplaneError) || error.code !== 'ERR_NETPLANE_BUSY') throw error
      return (await this.#nft.readGeneration()).id !== this.generation
    }
  }

  /** Makes what tells that {@link GuardedWriter.isBehind} holds. @param dueInMs As {@link Sentinel.dueInMs}. */
  sentinel(changed: () => void, dueInMs: () => number | undefined = () => undefined): Sentinel {
    const watch = watchGeneration(this.#nft, changed)
    return {
      get dueInMs() {
        return dueInMs()
      },
      arm: (intervalMs) => watch.arm(this.generation, intervalMs),
      disarm: () => watch.disarm(),
      close: () => watch.close()
    }
  }

  /** Takes notice of a commit of ours that another one made: it is no change by another process, unless there was one before it. */
  follow(generation: number | undefined): void {
    if (generation === this.generation + 1) this.generation = generation
  }

  /** Most bytes of one message, as far as is known. */
  get maxBytes(): number {
    return this.#steps.maxBytes
  }

  get #isGuarded(): boolean {
    return (this.#run?.retries ?? 0) < MAX_RACES
  }

  /** Whether steps may be written while those before are under way: then each is one transaction, and the second one is refused where the first one is. */
  mayOverlap(before: readonly Step[], steps: readonly Step[]): boolean {
    return this.#isGuarded && this.#steps.isOneMessage(before) && this.#steps.isOneMessage(steps)
  }

  /**
   * Commits steps, in their order, in as few transactions as can be sent.
   *
   * @param what Says in a few words what they do.
   * @param isWhole Whether all is to be one transaction where one message can hold it.
   * @throws {NetlinkError}
   */
  async write(steps: readonly Step[], run: Run, what: string, isWhole = false): Promise<void> {
    this.#run = run
    this.#what = what
    await this.#steps.write(steps, isWhole)
  }

  /** What an error of {@link GuardedWriter.write} means. @param isUntouched Nothing was committed before it. */
  failure(error: unknown, isUntouched: boolean): BackendFailure {
    if (error instanceof BackendFailure) return isUntouched ? error : error.unknown()
    if (error instanceof NetlinkError) {
      if (error.outcomeUnknown) return new BackendFailure('final', false, error)
      if (error.code === 'ERESTART') return new BackendFailure('again', isUntouched, error)
      const kind = STALE.has(error.code) || error.code === 'EINTR' ? 'again' : 'final'
      return new BackendFailure(kind, kind === 'final' && isUntouched, error)
    }
    const isUnsent = error instanceof NetplaneError && error.code === 'ERR_NETPLANE_BUSY'
    return new BackendFailure('final', isUntouched && isUnsent, error)
  }
}

/** Finds out whether single services are to blame. */
function attribute(error: NetlinkError, owners: Owners, blame: (error: NetlinkError) => NetlinkError | undefined): Error {
  if (WHOLE.has(error.code) || error.outcomeUnknown) return error
  const blamed = blame(error)
  if (STALE.has(error.code) && blamed === undefined) return error
  const refusals: Refusal[] = []
  for (const refusal of [error, ...error.others]) {
    const names = refusal.index === undefined ? undefined : owners.get(refusal.index)
    // What belongs to one service as a whole has no rows.
    const row = typeof refusal.object === 'number' ? refusal.object : names?.length === 1 ? 0 : undefined
    const service = row === undefined ? undefined : names?.[row]
    if (service === undefined) return blamed ?? error
    refusals.push({ service, error: blame(refusal) ?? refusal })
  }
  return new BackendFailure('refused', true, error, refusals)
}
