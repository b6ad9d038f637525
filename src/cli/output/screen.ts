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
  #hidden = 0

  constructor({ stdout, variables, atExit, atStop }: Pick<CommandEnvironment, 'stdout' | 'variables' | 'atExit' | 'atStop'>) {
    this.#stdout = stdout
    this.isTerminal = isScreen(stdout, variables)
    const leave = (): void => this.#leave()
    this.#forget = this.isTerminal ? [atExit(leave), atStop(leave, () => this.show(this.#lines, this.#hidden))] : []
    this.#enter()
  }

  /** Rows of the terminal; undefined: there is none. */
  get rows(): number | undefined {
    return this.isTerminal ? this.#stdout.rows || USUAL_ROWS : undefined
  }

  /** Shows lines; on a terminal as many as it has rows, and wrapped in its columns. @param more How many there are beside them. */
  show(lines: readonly string[], more = 0): void {
    if (!this.isTerminal) {
      this.#stdout.write(`${lines.join('\n')}\n\n`)
      return
    }
    this.#lines = lines
    this.#hidden = more
    this.#enter()
    const height = this.rows ?? USUAL_ROWS
    const width = columnsOf(this.#stdout)
    const wrapped = lines.flatMap((line) => wrap(line, width))
    const isCut = wrapped.length + more > height
    const hidden = wrapped.length - (height - 1) + more
    const shown = isCut ? [...wrapped.slice(0, height - 1), `… ${hidden} more lines`.slice(0, width)] : wrapped
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
