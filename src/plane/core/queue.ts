/**
 * The calls of a plane: one at a time, in call order.
 */
export class CallQueue {
  #tail: Promise<unknown> = Promise.resolve()

  /** Runs `work` when all work before it has ended, whether it succeeded or not. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work, work)
    this.#tail = turn.catch(() => undefined)
    return await turn
  }

  /** Resolves when all work queued so far has ended. */
  async idle(): Promise<void> {
    await this.#tail
  }
}
