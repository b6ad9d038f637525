/**
 * The end of a plane that another one has replaced: no new connections, then those that are established, then its objects.
 */
import { asNetplaneError, type NetplaneError } from '../../core/errors.js'
import { causeOf, type Backend } from '../core/backend.js'
import type { LeavingPlane } from '../types.js'
import type { PlaneIdentity } from './identity.js'

/** Milliseconds between two looks at what still needs it. */
const LOOK_MS = 200
/** After a failure, doubled with each further one. */
const RETRY_MS = 1000
const MAX_RETRY_MS = 60_000

/** What a {@link Retirement} is about. */
export interface RetirementParts {
  readonly identity: PlaneIdentity
  /** The back end, as it is or to be opened; undefined: there is nothing of it. */
  readonly open: () => Promise<Backend | undefined>
  readonly drainSeconds: number
  /** Its objects are gone, or are another plane's: what there is to do before it is forgotten. */
  readonly onGone: (isHandedOver: boolean) => Promise<void>
  /** It failed; it is tried again. */
  readonly onError: (error: NetplaneError) => void
}

/** Ends a back end. Never keeps the process alive. */
export class Retirement {
  readonly #parts: RetirementParts
  readonly #startedAt = performance.now()
  #backend: Backend | undefined
  #hasRetired = false
  /** Its objects belong to another plane now, or to another program. */
  #isHandedOver = false
  #isEnded = false
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #step: Promise<void> = Promise.resolve()

  constructor(parts: RetirementParts) {
    this.#parts = parts
  }

  get identity(): PlaneIdentity {
    return this.#parts.identity
  }

  /** It is over. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** What there is to say of it. */
  status(): LeavingPlane {
    const connections = this.#hasRetired ? (this.#backend?.retirement().connections ?? 0) : 0
    return { ...this.identity, connections, remainingMs: Math.max(0, Math.round(this.#deadlineAt - performance.now())) }
  }

  /** Begins, and resolves when it leads no new connections; where nothing needs it any more, when it is gone. What fails is told, and tried again. */
  async begin(): Promise<void> {
    this.#step = this.#turn()
    await this.#step
  }

  /** Its objects belong to another plane of its mode and name from now on: connections of this process go on, and nothing is removed. */
  async handOver(): Promise<void> {
    await this.#pause()
    if (this.#isEnded) return
    this.#isHandedOver = true
    if (this.#backend?.carriesConnections !== true) return await this.#end()
    await this.begin()
  }

  /** Ends it now. @param cleanup Its objects go with it; else they stay for the next plane. */
  async finish(cleanup: boolean): Promise<void> {
    await this.#pause()
    if (this.#isEnded) return
    try {
      if (cleanup && !this.#isHandedOver) await (await this.#open())?.cleanUp()
    } finally {
      await this.#end()
    }
  }

  get #deadlineAt(): number {
    return this.#startedAt + this.#parts.drainSeconds * 1000
  }

  async #open(): Promise<Backend | undefined> {
    return (this.#backend ??= await this.#parts.open())
  }

  /** Waits for a step under way, and lets no other one follow it. */
  async #pause(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#step
    clearTimeout(this.#timer)
  }

  async #end(): Promise<void> {
    this.#isEnded = true
    await this.#backend?.close()
  }

  async #turn(): Promise<void> {
    try {
      await this.#advance()
      this.#failures = 0
      if (!this.#isEnded) this.#schedule(LOOK_MS)
    } catch (error) {
      const failure = asNetplaneError(causeOf(error))
      // What has its name and is somebody else's stays, and trying again does not help.
      if (failure.code === 'ERR_NETPLANE_FOREIGN') this.#isHandedOver = true
      this.#schedule(this.#isHandedOver ? LOOK_MS : Math.min(RETRY_MS * 2 ** this.#failures++, MAX_RETRY_MS))
      this.#parts.onError(failure)
    }
  }

  async #advance(): Promise<void> {
    const backend = await this.#open()
    if (!this.#hasRetired && !this.#isHandedOver) await backend?.retire()
    this.#hasRetired = true
    if (backend?.retirement().isDone === false && performance.now() < this.#deadlineAt) return
    if (!this.#isHandedOver) await backend?.cleanUp()
    await this.#parts.onGone(this.#isHandedOver)
    await this.#end()
  }

  #schedule(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      this.#step = this.#turn()
    }, milliseconds)
    this.#timer.unref()
  }
}
