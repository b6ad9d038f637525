/**
 * What is said of a mistake in a file.
 */
import { printable, ValidationError } from '../../core/errors.js'

/** How a field is refused that there is not (`requireKnown`). No other check says what is allowed in this way. */
const UNKNOWN = /^one of (.*)$/

/** Whether a field is refused because there is none of its name. */
export const isUnknownField = ({ allowed, value }: ValidationError): boolean => value !== undefined && UNKNOWN.test(allowed)

/** A mistake in words. @param row The path of what was checked, before that of the field: `services[0]`. */
export function wordsOf(row: string, error: ValidationError): string {
  const { path, value, allowed } = new ValidationError(`${row}${error.path}`, error.value, error.allowed)
  if (path === '' && value === undefined) return `the file is empty; allowed: ${allowed}`
  if (isUnknownField(error)) {
    const names = UNKNOWN.exec(allowed)![1]!
    return printable(`${path} is no field; ${names.includes(',') ? 'fields are' : 'the field is'} ${names}`)
  }
  const { message } = new ValidationError(path, value, allowed)
  return path === '' ? `the file${message}` : message
}
