/**
 * Checks of numbers, names and statements in rules.
 */
import { isText } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import { isQuotable } from '../userdata.js'
import type { RuleStatement } from './nodes.js'

const MAX_U32 = 0xffff_ffff

/** A whole number from `min` to `max`. @throws {ValidationError} */
export function checkNumber(path: string, value: unknown, min: number, max = MAX_U32): void {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
    throw new ValidationError(path, value, `an integer from ${min} to ${max}`)
}

/** An unsigned 64-bit integer as a bigint. @throws {ValidationError} */
export function checkBigint(path: string, value: unknown): bigint {
  const whole = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof whole !== 'bigint' || whole < 0n || whole >= 1n << 64n)
    throw new ValidationError(path, value, 'an integer from 0 to 18446744073709551615')
  return whole
}

const MAX_NAME_BYTES = 255

/** A text of 1 to `max` bytes without NUL. @throws {ValidationError} */
export function checkName(path: string, value: unknown, max = MAX_NAME_BYTES): string {
  if (isText(value, max) && value !== '') return value
  throw new ValidationError(path, value, `a text of 1 to ${max} bytes without NUL`)
}

/** A text of 1 to `max` bytes that nft can print between quotation marks. @throws {ValidationError} */
export function checkQuotable(path: string, value: unknown, max: number): string {
  const text = checkName(path, value, max)
  if (isQuotable(text)) return text
  throw new ValidationError(path, value, `a text of 1 to ${max} bytes without quotation marks and control characters`)
}

/**
 * Statements of a rule that is itself in a bound chain.
 *
 * @param place What stands before the path of a statement.
 * @throws {ValidationError} One brings a chain along: the kernel takes none inside another (nf_tables_bind_chain: EOPNOTSUPP).
 */
export function checkNoOwnChain(statements: readonly RuleStatement[], place = ''): void {
  const nested = statements.findIndex((statement) => statement.kind === 'verdict' && statement.rules !== undefined)
  if (nested >= 0)
    throw new ValidationError(
      `${place}statements[${nested}]`,
      'a chain of its own',
      'a chain by its name: the kernel takes no chain inside another'
    )
}
