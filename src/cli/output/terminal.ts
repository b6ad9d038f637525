/**
 * What is known of a terminal.
 */
import type { CommandEnvironment, OutputStream } from '../environment.js'

/** Columns of a terminal that does not say how wide it is, or says 0. */
const USUAL_COLUMNS = 80

/** xterm's control sequence (ctlseqs), which all terminals of today have: it removes what a line has from the cursor on. */
export const CLEAR_LINE = '\u001b[K'

/** Whether what is written can be written anew. */
export function isScreen({ isTTY }: OutputStream, variables: CommandEnvironment['variables']): boolean {
  return isTTY === true && variables['TERM'] !== 'dumb'
}

/** Columns of a terminal. */
export function columnsOf({ columns }: OutputStream): number {
  return columns || USUAL_COLUMNS
}
