/**
 * One look at what the kernel holds, and what it says beside the look before.
 */
import type { Plane } from '../../plane/index.js'
import { printable, UnsupportedError } from '../../core/errors.js'
import type { CommandEnvironment } from '../environment.js'
import type { PlaneCommandOptions } from '../options.js'
import { planDocument, quarantinedDocuments, quarantinedLines, type PlanDocument, type QuarantinedDocument } from '../output/plan.js'
import { readFrontends } from '../show/read.js'
import type { ShownFrontend } from '../show/model.js'
import type { ServicesDocument } from '../services-file/document.js'
import { changesBetween, type SeenChange } from './changes.js'
import { FlowCounter } from './flows.js'
import { endpointCount, isCounted, Rates, type RatedFrontend } from './rates.js'

/** What `plan` finds. */
export interface Drift extends PlanDocument {
  /** Services of the file that cannot be applied. */
  readonly quarantined: readonly QuarantinedDocument[]
}

/** What a look found. */
export interface Look {
  /** When, in ISO 8601. */
  readonly at: string
  readonly frontends: readonly RatedFrontend[]
  /** New connections a second, of all frontends for which they are known. Absent: of none. */
  readonly connectionsPerSecond?: number | undefined
  /** What is different since the look before. */
  readonly changes: readonly SeenChange[]
  /** What would have to be done so that the kernel holds what the file says. Absent: there is no file. */
  readonly drift?: Drift | undefined
  /** What is not known, and why. */
  readonly notes: readonly string[]
}

/** The file that says what there is to be, and a plane that compares. */
export interface Expectation {
  readonly plane: Plane
  readonly document: ServicesDocument
}

type Choice = Pick<PlaneCommandOptions, 'mode' | 'netns' | 'name'>

/** Said where an endpoint stands there twice. */
const TOGETHER = 'connections of clients inside and outside to one endpoint are not told apart: both stand where it is first named'

/** Looks again and again. */
export class Looker implements AsyncDisposable {
  readonly #environment: CommandEnvironment
  readonly #choice: Choice
  readonly #expected: Expectation | undefined
  readonly #rates = new Rates()
  #before: readonly ShownFrontend[] | undefined
  #flows: FlowCounter | undefined
  #flowsNote: string | undefined

  constructor(environment: CommandEnvironment, choice: Choice, expected?: Expectation) {
    this.#environment = environment
    this.#choice = choice
    this.#expected = expected
  }

  /** Looks. @throws {NetplaneError} The kernel cannot be read. */
  async look(): Promise<Look> {
    const foreign: string[] = []
    const found = await readFrontends(this.#environment, this.#choice, (words) => foreign.push(`left out: ${printable(words)}`))
    await this.#countFlowsOf(found)
    const flows = this.#flows?.isSilent === false ? this.#flows.take() : undefined
    const frontends = this.#rates.take(found, flows, performance.now())
    const at = new Date().toISOString()
    const changes = this.#before === undefined ? [] : [...changesBetween(this.#before, found)].map((change) => ({ at, ...change }))
    this.#before = found
    // Who has no endpoint gets nothing, which says nothing of the others.
    const rates = frontends.flatMap(({ endpoints, connectionsPerSecond: rate }) =>
      rate === undefined || endpoints.length === 0 ? [] : [rate]
    )
    const connectionsPerSecond = rates.length === 0 ? undefined : rates.reduce((sum, rate) => sum + rate, 0)
    const { drift, faults } = await this.#drift()
    const together = frontends.some((one) => one.connectionsPerSecond !== undefined && endpointCount(one) < one.endpoints.length)
    const notes = [...foreign, together ? TOGETHER : undefined, this.#flowsNote, this.#flows?.note, ...faults].filter(
      (note) => note !== undefined
    )
    return { at, frontends, connectionsPerSecond, changes, drift, notes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flows?.[Symbol.asyncDispose]()
  }

  async #drift(): Promise<{ readonly drift?: Drift; readonly faults: readonly string[] }> {
    if (this.#expected === undefined) return { faults: [] }
    const { plane, document } = this.#expected
    const plan = await plane.plan(document.services)
    const { quarantined } = plan
    return {
      drift: { ...planDocument(plan), quarantined: quarantinedDocuments(quarantined, document) },
      faults: quarantinedLines(quarantined, document)
    }
  }

  /** Begins to watch connection tracking, once there are frontends of which the kernel counts nothing. */
  async #countFlowsOf(frontends: readonly ShownFrontend[]): Promise<void> {
    if (this.#flows !== undefined || this.#flowsNote !== undefined || frontends.every(isCounted)) return
    try {
      this.#flows = await FlowCounter.open(this.#environment, this.#choice.netns)
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error
      this.#flowsNote = `new connections are not counted: ${printable(error.message)}`
    }
  }
}
