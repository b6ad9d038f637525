/**
 * Values that no call expects, in every place of what a call takes: what comes out must be an error of the package's own, or a call that succeeds.
 */
import { NetplaneError } from '../../src/core/errors.js'

/** Names a value in a test's report. */
interface OddValue {
  readonly name: string
  /** Made anew for each call, for some of them cannot be used twice. */
  readonly make: () => unknown
}

function detached<T extends ArrayBufferView>(array: T): T {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] })
  return array
}

function ownError(): never {
  throw new OwnError('of the caller')
}

/** What the caller's own code throws; it may come out as it is. */
export class OwnError extends Error {}

export const oddValues: readonly OddValue[] = [
  { name: 'undefined', make: () => undefined },
  { name: 'null', make: () => null },
  { name: '5', make: () => 5 },
  { name: '-1', make: () => -1 },
  { name: 'NaN', make: () => Number.NaN },
  { name: 'Infinity', make: () => Number.POSITIVE_INFINITY },
  { name: '1e300', make: () => 1e300 },
  { name: '1.5', make: () => 1.5 },
  { name: '7n', make: () => 7n },
  { name: '-7n', make: () => -7n },
  { name: 'true', make: () => true },
  { name: 'a text', make: () => 'x' },
  { name: 'an empty text', make: () => '' },
  { name: '__proto__', make: () => '__proto__' },
  { name: 'a symbol', make: () => Symbol('x') },
  { name: 'a function', make: () => () => undefined },
  { name: '{}', make: () => ({}) },
  { name: 'an object without a prototype', make: () => Object.create(null) as object },
  { name: '[]', make: () => [] },
  // eslint-disable-next-line no-sparse-arrays -- that is what it is about
  { name: '[,]', make: () => [,] },
  { name: '[null]', make: () => [null] },
  { name: '[{}]', make: () => [{}] },
  { name: '[[]]', make: () => [[]] },
  { name: '[symbol]', make: () => [Symbol('x')] },
  { name: 'a Map', make: () => new Map([[1, 2]]) },
  { name: 'a Date', make: () => new Date(Number.NaN) },
  { name: 'bytes', make: () => new Uint8Array(3) },
  { name: 'detached bytes', make: () => detached(new Uint8Array(4)) },
  { name: 'detached numbers', make: () => detached(new Float64Array(1)) },
  { name: 'what says nothing of itself', make: () => ({ toJSON: () => undefined }) },
  { name: 'an iterable that is none', make: () => ({ [Symbol.iterator]: 5 }) },
  { name: 'an iterable whose iterator is none', make: () => ({ [Symbol.iterator]: () => null }) },
  { name: 'a proxy that throws', make: () => new Proxy({}, { get: ownError, ownKeys: ownError, has: ownError, getPrototypeOf: ownError }) },
  { name: 'a revoked proxy', make: revoked }
]

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** What stands at a place of the arguments of a call. */
type Place = readonly (string | number)[]

/** Every place in a list of arguments: the arguments, and what stands in them. */
export function placesOf(value: unknown, place: Place = []): Place[] {
  const isPlain = Array.isArray(value) || (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)
  const own = place.length === 0 ? [] : [place]
  if (!isPlain) return own
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return [...own, ...entries.flatMap(([key, inner]) => placesOf(inner, [...place, key]))]
}

/** A copy of arguments with another value at one place. */
export function withValueAt(value: unknown, [key, ...rest]: Place, other: unknown): unknown {
  if (key === undefined) return other
  if (Array.isArray(value)) return value.map((entry: unknown, index) => (index === key ? withValueAt(entry, rest, other) : entry))
  return { ...(value as object), [key]: withValueAt((value as Record<string, unknown>)[key], rest, other) }
}

/** Whether an error may come out of a call. A revoked proxy's is the language's own, and says whose fault it is. */
export function isPermitted(error: unknown): boolean {
  if (error instanceof NetplaneError || error instanceof OwnError) return true
  return error instanceof TypeError && /proxy that has been revoked/.test(error.message)
}

/** Names of the methods of a class, from its prototype: those that are written later are among them by themselves. */
export function methodsOf(prototype: object): string[] {
  return Object.getOwnPropertyNames(prototype).filter(
    (name) => name !== 'constructor' && typeof Object.getOwnPropertyDescriptor(prototype, name)?.value === 'function'
  )
}
