/**
 * What is said where a plane and its carriers did not all do what they were to do, and taking back what some of them did.
 */
import { NetplaneError, TransactionError } from '../../core/errors.js'
import type { ServicePlane } from '../core/plane.js'
import type { Service } from '../model.js'

/** What failed: a carrier by its name, or the plane itself. */
export interface Failure {
  /** Undefined: the plane itself. */
  readonly carrier: string | undefined
  readonly error: unknown
}

const whoOf = (carrier: string | undefined): string => (carrier === undefined ? 'the plane itself' : `carrier ${carrier}`)

/** An error of a carrier, which it names; signals' reasons are as they were. */
export function carrierError(carrier: string, error: unknown): unknown {
  if (!(error instanceof NetplaneError)) return error
  return new NetplaneError(error.code, `carrier ${carrier}: ${error.message}`, { cause: error })
}

/** What became of each of those that were asked. */
export interface Reached {
  readonly applied: readonly (string | undefined)[]
  readonly undone: readonly (string | undefined)[]
}

/** The error of a call. @param reached Who had done his part before, and has it still or not. */
export function failureOf(failures: readonly Failure[], { applied, undone }: Reached): unknown {
  const [first] = failures
  const { carrier, error } = first!
  if (applied.length + undone.length === 0) return carrier === undefined ? error : carrierError(carrier, error)
  const texts = failures.map(
    (failure) => `${whoOf(failure.carrier)} failed: ${failure.error instanceof Error ? failure.error.message : String(failure.error)}`
  )
  const did = applied.length === 0 ? 'nothing of the call is left' : `done by ${applied.map(whoOf).join(', ')}`
  const outcome = { applied: applied.map(whoOf), undone: undone.map(whoOf), unknown: failures.map((failure) => whoOf(failure.carrier)) }
  return new TransactionError(`${texts.join('; ')}; ${did}`, outcome, [], error)
}

/** What a plane held before a call, of the services that the call is about. */
export class Former {
  readonly #plane: ServicePlane
  readonly #isWhole: boolean
  readonly #services: ReadonlyMap<string, Service | undefined>

  /** @param names Undefined: all that it holds. */
  constructor(plane: ServicePlane, names: readonly string[] | undefined) {
    this.#plane = plane
    this.#isWhole = names === undefined
    this.#services = new Map(names === undefined ? plane.services : names.map((name) => [name, plane.services.get(name)]))
  }

  /** Makes it hold that again. @throws {NetplaneError} */
  async restore(): Promise<void> {
    const set = new Map<string, Service>()
    for (const [name, service] of this.#services) if (service !== undefined) set.set(name, service)
    if (this.#isWhole) await this.#plane.sync(set, {})
    else await this.#plane.update({ set, gone: [...this.#services.keys()].filter((name) => !set.has(name)) }, {})
  }
}
