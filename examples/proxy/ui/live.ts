/** Browsers that watch at a time. */
const MAX_WATCHERS = 16
const TICK_MS = 1000
/** What is between must know that the connection lives. */
const SILENCE_TICKS = 15

interface Watcher {
  readonly write: (text: string) => void
  silentTicks: number
  sent: string
}

/** Tells states to browsers, as server-sent events: at once, and then each second if it is another one. Nothing is read while nobody watches. */
export class LiveStates {
  readonly #read: () => string
  readonly #watchers = new Set<Watcher>()
  #timer: NodeJS.Timeout | undefined

  /** @param read The state, in one line. */
  constructor(read: () => string) {
    this.#read = read
  }

  /** Whether one more may watch. */
  get hasRoom(): boolean {
    return this.#watchers.size < MAX_WATCHERS
  }

  /** Tells one of it until it is gone. */
  add(write: (text: string) => void, gone: AbortSignal): void {
    const watcher: Watcher = { write, silentTicks: 0, sent: '' }
    this.#watchers.add(watcher)
    gone.addEventListener('abort', () => this.#remove(watcher), { once: true })
    this.#tell(watcher, this.#read())
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
  }

  #remove(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    if (this.#watchers.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #tick(): void {
    const state = this.#read()
    for (const watcher of this.#watchers) this.#tell(watcher, state)
  }

  #tell(watcher: Watcher, state: string): void {
    watcher.silentTicks++
    const isNew = state !== watcher.sent
    if (!isNew && watcher.silentTicks < SILENCE_TICKS) return
    watcher.write(isNew ? `data: ${state}\n\n` : ':\n\n')
    watcher.sent = state
    watcher.silentTicks = 0
  }
}
