import { closeSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

/** xterm's alternate screen and cursor: what was on the terminal comes back when they are taken back. */
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_REST = '\u001b[J'

/** Ctrl-C comes as a character while the terminal gives every key at once. */
const CTRL_C = '\u0003'

/** What a screen does with a terminal. */
export interface ScreenEvents {
  readonly key: (key: string) => void
  readonly resize: () => void
}

/**
 * A terminal that is redrawn in place. It is given back as it was whatever ends the process: `close`, a signal, an exception, `process.exit`. Only SIGKILL leaves it
 * (`reset` helps then).
 */
export class Screen {
  readonly #events: ScreenEvents
  readonly #restore = (): void => this.#leave()
  readonly #end = (signal: NodeJS.Signals): void => {
    this.#leave()
    // Node crashes at its end where it cannot reset a terminal that has gone. One that is closed it leaves alone.
    for (const fd of [0, 1, 2]) if (!isatty(fd)) closeSync(fd)
    // As a shell says it of a process that a signal ended.
    process.exit(128 + { SIGINT: 2, SIGHUP: 1, SIGTERM: 15 }[signal as 'SIGINT' | 'SIGHUP' | 'SIGTERM'])
  }
  readonly #crash = (error: unknown): void => {
    this.#leave()
    console.error(error)
    process.exit(1)
  }
  readonly #input = (text: Buffer): void => {
    for (const key of text.toString()) this.#events.key(key === CTRL_C ? 'q' : key)
  }
  readonly #resized = (): void => this.#events.resize()
  #isOpen = false

  constructor(events: ScreenEvents) {
    this.#events = events
  }

  get width(): number {
    return process.stdout.columns
  }

  get height(): number {
    return process.stdout.rows
  }

  open(): void {
    this.#isOpen = true
    process.on('exit', this.#restore)
    process.on('uncaughtException', this.#crash)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, this.#end)
    process.stdout.on('resize', this.#resized)
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(true)
      process.stdin.on('data', this.#input).resume()
    }
    this.#write(ENTER)
  }

  /** Every line over the old one, in one write, so that nothing flickers. */
  draw(lines: readonly string[]): void {
    if (this.#isOpen) this.#write(`${HOME}${lines.map((line) => `${line}${CLEAR_LINE}`).join('\r\n')}${CLEAR_REST}`)
  }

  close(): void {
    this.#leave()
    process.off('exit', this.#restore).off('uncaughtException', this.#crash)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, this.#end)
    process.stdout.off('resize', this.#resized)
    process.stdin.off('data', this.#input).pause()
  }

  #leave(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (process.stdin.isTTY) process.stdin.setRawMode(false)
    this.#write(LEAVE)
  }

  /** At once: a process that ends would not wait for a stream. The terminal may be gone (EIO), or slow (EAGAIN): the next drawing does. */
  #write(text: string): void {
    try {
      writeSync(process.stdout.fd, text)
    } catch (error) {
      if (!['EIO', 'EAGAIN', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
}
