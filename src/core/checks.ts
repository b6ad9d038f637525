/**
 * Checks of what every client takes: options, lists, typed arrays. Each throws a ValidationError that names the value.
 */
import { ValidationError } from './errors.js'

/** More than any call can carry; a list of holes may say any length, and would be walked for minutes. */
const MAX_ENTRIES = 2 ** 24

/** The options of a call, which are an object; what stops it is a signal. @throws {ValidationError} */
export function requireOptions<T extends { readonly signal?: unknown }>(options: T): T {
  if (typeof options !== 'object' || (options as unknown) === null) throw new ValidationError('options', options, 'an object')
  const { signal } = options
  if (signal === undefined || isSignal(signal)) return options
  throw new ValidationError('options.signal', signal, 'an AbortSignal')
}

/** Not `instanceof`: signals of other realms, and those of libraries, do as well. */
function isSignal(signal: unknown): boolean {
  if (typeof signal !== 'object' || signal === null) return false
  const { throwIfAborted, addEventListener, removeEventListener } = signal as Record<string, unknown>
  return [throwIfAborted, addEventListener, removeEventListener].every((method) => typeof method === 'function')
}

/** An object that is no list, as its fields. @throws {ValidationError} */
export function requireFields(path: string, value: unknown, allowed = 'an object'): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>
  throw new ValidationError(path, value, allowed)
}

/** Refuses a field that there is not: a misspelt one would be a setting that silently does nothing. @throws {ValidationError} */
export function requireKnown(path: string, value: object, names: readonly string[]): void {
  for (const name in value)
    if (!names.includes(name))
      throw new ValidationError(`${path}${name}`, (value as Record<string, unknown>)[name], `one of ${names.join(', ')}`)
}

/** As {@link requireFields}, where the type of the value is known. @throws {ValidationError} */
export function requireObject<T extends object>(path: string, value: T, allowed?: string): T {
  requireFields(path, value, allowed)
  return value
}

/**
 * The confirmation that a call needs which removes everything, so that it is not made by accident: `{ allFlows: true }`.
 *
 * @param consequence What it does: `every flow ends`.
 * @throws {ValidationError} It was not said.
 */
export function requireConfirmation(confirmation: unknown, word: string, consequence: string): void {
  const value = requireFields('confirmation', confirmation, `{ ${word}: true }`)[word]
  if (value !== true) throw new ValidationError(`confirmation.${word}`, value, `true: ${consequence}`)
}

/** Whether a value is an integer of the range. */
export function isInteger(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}

/** Refuses anything but an integer of the range. @throws {ValidationError} */
export function requireInteger(path: string, value: unknown, min: number, max: number): number {
  if (isInteger(value, min, max)) return value
  throw new ValidationError(path, value, `an integer from ${min} to ${max}`)
}

/** Refuses anything but true, false and nothing at all, which is false. @throws {ValidationError} */
export function requireFlag(path: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value === true
  throw new ValidationError(path, value, 'true or false')
}

/** Whether a value is a text without NUL of at most so many bytes; it may be empty. */
export function isText(value: unknown, max: number): value is string {
  return typeof value === 'string' && !value.includes('\0') && Buffer.byteLength(value) <= max
}

/** Whether the memory behind a typed array went to another owner (`postMessage` and `structuredClone` with `transfer`). */
export function isDetached(view: ArrayBufferView): boolean {
  if (view.byteLength > 0) return false
  try {
    new Uint8Array(view.buffer)
    return false
  } catch {
    return true
  }
}

/** The error for a typed array whose memory went to another owner. */
export function detachedError(path: string, view: ArrayBufferView): ValidationError {
  return new ValidationError(path, view, 'an array that has its memory: this one was transferred')
}

/** A copy of a typed array, of its own memory. @throws {ValidationError} Its memory was transferred. */
export function copyArray<T extends ArrayBufferView & { slice(): T }>(path: string, array: T): T {
  if (isDetached(array)) throw detachedError(path, array)
  return array.slice()
}

/** A list of its own of what an iterable gives. @throws {ValidationError} It is none, or gives more than 2^24 entries. */
export function toList<T>(path: string, given: Iterable<T>, allowed = 'an iterable'): T[] {
  const value: unknown = given
  if (typeof value !== 'object' || value === null) throw new ValidationError(path, value, allowed)
  if (ArrayBuffer.isView(value) && isDetached(value)) throw detachedError(path, value)
  if (Array.isArray(value)) {
    if (value.length > MAX_ENTRIES) throw new ValidationError(path, value, `at most ${MAX_ENTRIES} entries`)
    return Array.from(value as readonly T[])
  }
  const makeIterator: unknown = (value as Partial<Iterable<T>>)[Symbol.iterator]
  const iterator: unknown = typeof makeIterator === 'function' ? makeIterator.call(value) : undefined
  if (typeof (iterator as Partial<Iterator<T>> | null | undefined)?.next !== 'function') throw new ValidationError(path, value, allowed)
  const list: T[] = []
  for (const entry of { [Symbol.iterator]: () => iterator as Iterator<T> }) {
    if (list.push(entry) > MAX_ENTRIES) throw new ValidationError(path, value, `at most ${MAX_ENTRIES} entries`)
  }
  return list
}
