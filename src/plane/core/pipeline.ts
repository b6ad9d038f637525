/**
 * A first filling in chunks, each of which is put together while those before it are written.
 */
import type { Step } from '../../nftables/steps.js'
import type { GuardedWriter } from './guarded-writer.js'
import type { Run } from './run.js'

/** Sends chunks one after the other: one is in the kernel, and where it may be the next one waits behind it, while another is put together. */
export class Pipeline {
  readonly #writer: GuardedWriter
  readonly #run: Run
  readonly #what: string
  /** The chunk before the last. */
  #former: Promise<void> = Promise.resolve()
  #last: Promise<void> = Promise.resolve()
  #lastSteps: readonly Step[] = []

  /** @param what Says in a few words what the chunks do. */
  constructor(writer: GuardedWriter, run: Run, what: string) {
    this.#writer = writer
    this.#run = run
    this.#what = what
  }

  /** Waits until this chunk may be sent, and sends it. @param isWhole As of {@link GuardedWriter.write}. @throws What the chunk before the last threw. */
  async push(steps: readonly Step[], isWhole = false): Promise<void> {
    await this.#former
    if (!this.#writer.mayOverlap(this.#lastSteps, steps)) await this.#last
    this.#lastSteps = steps
    this.#former = this.#last
    this.#last = this.#writer.write(steps, this.#run, this.#what, isWhole)
    // Whoever waits for it is told.
    this.#last.catch(() => undefined)
  }

  /** Of several refusals the first one is told: those behind it follow from it. */
  async end(): Promise<void> {
    await this.#former
    await this.#last
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#former, this.#last])
  }
}
