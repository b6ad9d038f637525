/**
 * Colours, where they are wanted.
 */
import type { CommandEnvironment, OutputStream } from '../environment.js'

const CODES = { green: 32, red: 31, yellow: 33, bold: 1, dim: 2 } as const

/** What a text can be made. */
export type Colour = keyof typeof CODES

/** Makes a text coloured, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string

const plain: Paint = (_, text) => text
const painted: Paint = (colour, text) => (text === '' ? '' : `\u001b[${CODES[colour]}m${text}\u001b[0m`)

/** Colours go to terminals alone, and not where `NO_COLOR` is set to anything (https://no-color.org) or the terminal is `dumb`. */
export function paintFor(stream: OutputStream, variables: CommandEnvironment['variables']): Paint {
  const isUnwanted = (variables['NO_COLOR'] ?? '') !== '' || variables['TERM'] === 'dumb'
  return stream.isTTY === true && !isUnwanted ? painted : plain
}
