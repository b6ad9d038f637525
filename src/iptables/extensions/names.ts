/**
 * Names in structures: of lists, tables, interfaces.
 */
import { isText } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'

/** A text of at least one byte and at most so many, without NUL and ends of lines. @throws {ValidationError} */
export function requireName(path: string, given: unknown, max: number): string {
  if (isText(given, max) && given !== '' && !/[\r\n]/.test(given)) return given
  throw new ValidationError(path, given, `a text of 1 to ${max} bytes without NUL and ends of lines`)
}
