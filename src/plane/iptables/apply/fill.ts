/**
 * Rules of services in a kernel that holds none: written while later services are checked, and not kept.
 */
import { Slices } from '../../../core/slices.js'
import { bytesOf, type Step } from '../../../nftables/steps.js'
import type { ObjectCounts, ServiceSource } from '../../core/backend.js'
import type { GuardedWriter } from '../../core/guarded-writer.js'
import { Pipeline } from '../../core/pipeline.js'
import { UrgentServices } from '../../core/urgent.js'
import type { Run } from '../../core/run.js'
import type { Service } from '../../model.js'
import type { Edits } from '../edits.js'
import { rulesOf, type Layout } from '../wanted.js'
import { editsOfNew } from './changes.js'
import { ruleCount, type Stepping } from './steps.js'

/** Where rules are written, and how. */
export interface FillParts {
  readonly writer: GuardedWriter
  readonly run: Run
  readonly stepping: Stepping
  readonly layout: Layout
  /** Bytes of a transaction at most, about. */
  readonly maxBytes: number
  /** What is there for all services. */
  readonly frame: Edits
  /** Is told of each service that is written. */
  readonly onService: (service: Service) => void
}

/** Gathers steps until they make a transaction. */
class Chunks {
  written = 0
  readonly #parts: FillParts
  readonly #pipeline: Pipeline
  readonly #slices = new Slices()
  readonly #urgent = new UrgentServices()
  #steps: Step[] = []
  #bytes = 0

  constructor(parts: FillParts, pipeline: Pipeline) {
    this.#parts = parts
    this.#pipeline = pipeline
  }

  readonly add = (service: Service): Promise<void> | undefined => {
    const { layout, stepping, onService } = this.#parts
    const edits = editsOfNew(service.name, rulesOf(service, layout))
    this.written += ruleCount(edits.fillings) + ruleCount(edits.additions)
    onService(service)
    const steps = [...stepping.serviceSteps(edits, false)]
    const isFull = (this.#bytes > 0 && this.#bytes + bytesOf(steps) > this.#most) || this.#urgent.endBefore(service)
    if (!isFull) {
      this.#gather(steps)
      return this.#slices.isOver ? this.#slices.turn() : undefined
    }
    return this.push().then(() => this.#gather(steps))
  }

  /** What the next transaction has, too. */
  async precede(steps: Iterable<Step>): Promise<void> {
    for (const step of steps) {
      this.#gather([step])
      if (this.#slices.isOver) await this.#slices.turn()
    }
  }

  #gather(steps: readonly Step[]): void {
    for (const step of steps) {
      this.#steps.push(step)
      this.#bytes += step.bytes
    }
  }

  async push(): Promise<void> {
    const steps = this.#steps
    this.#steps = []
    this.#bytes = 0
    await this.#pipeline.push(steps)
  }

  get #most(): number {
    return Math.min(this.#parts.maxBytes, this.#parts.writer.maxBytes)
  }
}

/** Writes all services. @returns How many rules of services were written. @throws {NetlinkError} */
export async function fill(source: ServiceSource, parts: FillParts): Promise<ObjectCounts> {
  const { writer, run, stepping, frame } = parts
  const pipeline = new Pipeline(writer, run, 'rules of services')
  const chunks = new Chunks(parts, pipeline)
  await chunks.precede(stepping.steps(frame))
  try {
    await source.each(chunks.add)
    await chunks.push()
    await pipeline.end()
  } finally {
    await pipeline.settled()
  }
  return { written: chunks.written, deleted: 0 }
}
