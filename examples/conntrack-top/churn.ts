import type { Conntrack } from 'netplane'
import type { TopOptions } from './options.js'
import type { View } from './table.js'

/** Counts flows that begin and end, by events: they say what two readings cannot, the flows that lived in between. */
export class Churn {
  readonly #events: Awaited<ReturnType<Conntrack['watch']>>
  #begun = 0
  #ended = 0
  #isLost = false
  #since = performance.now()

  private constructor(events: Awaited<ReturnType<Conntrack['watch']>>) {
    this.#events = events
  }

  /** `fail` is told what ends the events before `close` does. */
  static async open(conntrack: Conntrack, { filter }: TopOptions, fail: (error: unknown) => void): Promise<Churn> {
    const churn = new Churn(await conntrack.watch({ new: true, destroy: true, filter }))
    churn.#count().catch(fail)
    return churn
  }

  async #count(): Promise<void> {
    for await (const { type } of this.#events) {
      if (type === 'new') this.#begun += 1
      else if (type === 'destroy') this.#ended += 1
      else if (type === 'lost') this.#isLost = true
    }
  }

  /** A second, since the last time this was asked. */
  take(): NonNullable<View['churn']> {
    const now = performance.now()
    const seconds = Math.max(0.001, (now - this.#since) / 1000)
    const taken = { begun: this.#begun / seconds, ended: this.#ended / seconds, isAtLeast: this.#isLost }
    this.#since = now
    this.#begun = this.#ended = 0
    this.#isLost = false
    return taken
  }

  async close(): Promise<void> {
    await this.#events.return()
  }
}
