/**
 * One call under way: who may cancel it, and what it has cost.
 */
import { TransactionError } from '../../core/errors.js'
import type { Service, Services } from '../model.js'
import type { Advance } from './advance.js'
import type { SyncOptions } from '../types.js'
import { BackendFailure, type Refusal } from './backend.js'
import { changesBetween, type ServiceChange } from './changes/change.js'

/** Which changes stay when some services are refused. */
export interface Withdrawal {
  readonly kept: readonly ServiceChange[]
  /** The refused ones, and those that need a frontend which these keep. */
  readonly withdrawn: readonly ServiceChange[]
  readonly refusals: readonly Refusal[]
}

/** Handed to the back end with every call that writes. */
export class Run {
  readonly signal: AbortSignal | undefined
  readonly isAtomic: boolean
  /** How far the call is; undefined: nobody asks. */
  readonly advance: Advance | undefined
  /** Kernel transactions and other requests that changed something. */
  requests = 0
  bytes = 0
  /** How often the work was begun again. */
  retries = 0
  readonly #withdraw: (refusals: readonly Refusal[]) => Promise<Withdrawal>
  /** On whose account this is. */
  readonly #call: Run | undefined
  readonly #applied: string[] = []

  /** @param call Of which this is a part: its signal and its refusals are not this one's, but what it costs is. @param advance Absent: nobody asks how far it is. */
  constructor(
    { signal, onError }: SyncOptions,
    withdraw: (refusals: readonly Refusal[]) => Promise<Withdrawal>,
    { call, advance }: { readonly call?: Run | undefined; readonly advance?: Advance } = {}
  ) {
    this.advance = advance
    this.signal = signal
    this.isAtomic = onError === 'atomic'
    this.#withdraw = withdraw
    this.#call = call
  }

  /** The call to which the report goes. */
  get call(): Run {
    return this.#call?.call ?? this
  }

  /** For what must be brought to an end: it cannot be cancelled. */
  get uncancelled(): Run {
    return new Run({}, this.#withdraw, { call: this })
  }

  /** Something is in the kernel. `what` says it in a few words. */
  wrote(what: string, requests: number, bytes: number): void {
    this.#count(requests, bytes)
    this.#applied.push(what)
  }

  #count(requests: number, bytes: number): void {
    this.requests += requests
    this.bytes += bytes
    if (this.#call !== undefined) this.#call.#count(requests, bytes)
  }

  /** Which changes stay without those of some services. */
  async withdraw(refusals: readonly Refusal[]): Promise<Withdrawal> {
    return await this.#withdraw(refusals)
  }

  /** To be called between two steps. @throws {BackendFailure} The call was cancelled; with a {@link TransactionError} where something was applied. */
  checkpoint(): void {
    if (this.signal?.aborted !== true) return
    const reason: unknown = this.signal.reason
    if (this.#applied.length === 0) throw new BackendFailure('final', true, reason)
    const why = reason instanceof Error ? reason.message : String(reason)
    const outcome = { applied: [...this.#applied], undone: [], unknown: [] }
    const steps = `${this.#applied.length} ${this.#applied.length === 1 ? 'step' : 'steps'}`
    const reached = this.advance === undefined ? '' : `, with ${this.advance.reached} services done`
    const error = new TransactionError(`the call was cancelled after ${steps}${reached}: ${why}`, outcome, [], reason)
    throw new BackendFailure('final', false, error)
  }
}

/** Of a repair: all services are to be as they are, so those that are refused go. @param call On whose account it is; absent: nobody's. */
export function repairRun(services: Services, call: Run | undefined): Run {
  const withdraw = (refusals: readonly Refusal[]): Promise<Withdrawal> => {
    const changes = changesBetween(new Map<string, Service>(), services)
    const refused = new Set(refusals.map(({ service }) => service))
    const kept = changes.filter(({ name }) => !refused.has(name))
    return Promise.resolve({ kept, withdrawn: changes.filter(({ name }) => refused.has(name)), refusals })
  }
  return new Run({}, withdraw, { call })
}
