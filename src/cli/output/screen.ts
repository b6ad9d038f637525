/**
 * A terminal that is written anew again and again, and is as it was when that ends.
 */
import type { CommandEnvironment, OutputStream } from '../environment.js'
import { CLEAR_LINE, columnsOf, isScreen } from './terminal.js'
import { wrap } from './wrap.js'

/** The alternate screen, without a cursor; xterm's control sequences (ctlseqs), which all terminals of today have. */
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const CLEAR_REST = '\u001b[J'

/** Rows of a terminal that does not say how high it is, or says 0. */
const USUAL_ROWS = 24

/** Where pictures are shown: on a terminal in each other's place, else one below the other. */
export class Screen implements Disposable {
  readonly #stdout: OutputStream
  /** Whether pictures are shown in each other's place. */
  readonly isTerminal: boolean
  readonly #forget: readonly (() => void)[]
  #isEntered = false
  /** What is shown, to be drawn anew. */
  #lines: readonly string[] = []

  constructor({ stdout, variables, atExit, atStop }: Pick<CommandEnvironment, 'stdout' | 'variables' | 'atExit' | 'atStop'>) {
    this.#stdout = stdout
    this.isTerminal = isScreen(stdout, variables)
    const leave = (): void => this.#leave()
    this.#forget = this.isTerminal ? [atExit(leave), atStop(leave, () => this.show(this.#lines))] : []
    this.#enter()
  }

  /** Shows lines; on a terminal as many as it has rows, and wrapped in its columns. */
  show(lines: readonly string[]): void {
    if (!this.isTerminal) {
      this.#stdout.write(`${lines.join('\n')}\n\n`)
      return
    }
    this.#lines = lines
    this.#enter()
    const height = this.#stdout.rows || USUAL_ROWS
    const width = columnsOf(this.#stdout)
    const wrapped = lines.flatMap((line) => wrap(line, width))
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
    if (this.isTerminal && !this.#isEntered) this.#stdout.write(ENTER)
    this.#isEntered = true
  }

  #leave(): void {
    if (this.isTerminal && this.#isEntered) this.#stdout.write(LEAVE)
    this.#isEntered = false
  }
}
