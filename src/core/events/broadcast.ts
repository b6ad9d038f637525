/**
 * Events that happen in this process, for all who asked.
 */
import { EventStream } from './stream.js'

/** Events that may wait for a slow consumer; further ones are counted and dropped: nothing stops working for its audience. */
const MAX_WAITING = 1024

/** A slow consumer missed so many events. */
interface Lost {
  readonly type: 'lost'
  readonly count: number
}

/** Hands each event to all open streams. */
export class Broadcast<Event> {
  readonly #streams = new Map<EventStream<Event | Lost>, { dropped: number }>()
  #isEnded = false

  /** Opens a stream of what happens from now on; `close` is called when it ends. */
  open(signal: AbortSignal | undefined, close: () => void = () => undefined): EventStream<Event | Lost> {
    // A stream whose signal is aborted already ends while it is made.
    const opened: { stream?: EventStream<Event | Lost> } = {}
    const end = (): void => {
      if (opened.stream !== undefined) this.#streams.delete(opened.stream)
      close()
    }
    const stream = new EventStream<Event | Lost>(
      { pause: () => undefined, resume: () => undefined, close: end },
      { signal, limit: MAX_WAITING }
    )
    opened.stream = stream
    if (this.#isEnded) stream.end()
    else if (signal?.aborted !== true) this.#streams.set(stream, { dropped: 0 })
    return stream
  }

  push(event: Event): void {
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
