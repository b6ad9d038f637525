/**
 * What is wrong with a line, and where.
 */
import { brand, ValidationError } from '../../core/errors.js'

/** A line of iptables that cannot be read. */
export class IptablesSyntaxError extends ValidationError {
  /** The number of the line, from 1 on. */
  readonly line: number
  /** Where in it the word begins that is wrong, from 1 on. */
  readonly column: number

  constructor(line: number, column: number, value: unknown, allowed: string) {
    super(`line ${line}, column ${column}`, value, allowed)
    this.name = 'IptablesSyntaxError'
    this.line = line
    this.column = column
    brand(this, 'IptablesSyntaxError')
  }
}
