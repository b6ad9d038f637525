/**
 * One stream of plane events for each who asked.
 */
import { EventStream } from '../event-stream.js'
import type { PlaneEvent } from './types.js'

/** Events that may wait for a slow consumer; further ones are counted and dropped: a plane does not stop working for its audience. */
const MAX_WAITING = 1024

/** Hands each event to all open streams. */
export class PlaneEvents {
  readonly #streams = new Map<EventStream<PlaneEvent>, { dropped: number }>()
  #isEnded = false

  /** Opens a stream of what happens from now on. */
  open(signal: AbortSignal | undefined): EventStream<PlaneEvent> {
    const stream: EventStream<PlaneEvent> = new EventStream<PlaneEvent>(
      { pause: () => undefined, resume: () => undefined, close: () => void this.#streams.delete(stream) },
      { signal, limit: MAX_WAITING }
    )
    if (this.#isEnded) stream.end()
    else if (signal?.aborted !== true) this.#streams.set(stream, { dropped: 0 })
    return stream
  }

  push(event: PlaneEvent): void {
    for (const [stream, state] of this.#streams) {
      if (stream.size >= MAX_WAITING) {
        state.dropped++
        continue
      }
      if (state.dropped > 0) stream.push({ type: 'lost', count: state.dropped })
      state.dropped = 0
      stream.push(event)
    }
  }

  /** Ends all streams. */
  end(): void {
    this.#isEnded = true
    for (const stream of [...this.#streams.keys()]) stream.end()
  }
}
