/**
 * A terminal that is written anew again and again, and is as it was when that ends.
 */
import type { CommandEnvironment, OutputStream } from '../environment.js'
import { wrap } from './wrap.js'

/** The alternate screen, without a cursor; xterm's control sequences (ctlseqs), which all terminals of today have. */
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_REST = '\u001b[J'

/** Rows and columns of a terminal that does not say how large it is, or says 0. */
const USUAL_ROWS = 24
const USUAL_COLUMNS = 80

/** Where pictures are shown: on a terminal in each other's place, else one below the other. */
export class Screen implements Disposable {
  readonly #stdout: OutputStream
  readonly #isTerminal: boolean
  readonly #forget: readonly (() => void)[]
  #isEntered = false
  /** What is shown, to be drawn anew. */
  #lines: readonly string[] = []

  constructor({ stdout, variables, atExit, atStop }: Pick<CommandEnvironment, 'stdout' | 'variables' | 'atExit' | 'atStop'>) {
    this.#stdout = stdout
    this.#isTerminal = stdout.isTTY === true && variables['TERM'] !== 'dumb'
    const leave = (): void => this.#leave()
    this.#forget = this.#isTerminal ? [atExit(leave), atStop(leave, () => this.show(this.#lines))] : []
    this.#enter()
  }

  /** Shows lines; on a terminal as many as it has rows, and wrapped in its columns. */
  show(lines: readonly string[]): void {
    if (!this.#isTerminal) {
      this.#stdout.write(`${lines.join('\n')}\n\n`)
      return
    }
    this.#lines = lines
    this.#enter()
    const { rows, columns } = this.#stdout
    const height = rows || USUAL_ROWS
    const wrapped = lines.flatMap((line) => wrap(line, columns || USUAL_COLUMNS))
    const hidden = wrapped.length - height
    const shown = hidden > 0 ? [...wrapped.slice(0, height - 1), `… ${hidden + 1} more lines`] : wrapped
    this.#stdout.write(`${HOME}${shown.map((line) => `${line}${CLEAR_LINE}`).join('\n')}${CLEAR_REST}`)
  }

  /** Makes the terminal as it was. */
  [Symbol.dispose](): void {
    for (const forget of this.#forget) forget()
    this.#leave()
  }

  /** Also after a stop from which nobody told that it is over. */
  #enter(): void {
    if (this.#isTerminal && !this.#isEntered) this.#stdout.write(ENTER)
    this.#isEntered = true
  }

  #leave(): void {
    if (this.#isTerminal && this.#isEntered) this.#stdout.write(LEAVE)
    this.#isEntered = false
  }
}
