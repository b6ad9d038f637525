/**
 * Every error of this package. Match on `code`, which is stable; messages are for people and may change.
 */
import { errnoName } from './errno.js'

const BRAND = Symbol.for('netplane.error')

/** Codes of errors that have no errno. */
export type NetplaneErrorCode =
  | 'ERR_NETPLANE_VALIDATION'
  | 'ERR_NETPLANE_CLOSED'
  | 'ERR_NETPLANE_UNSUPPORTED'
  | 'ERR_NETPLANE_PLATFORM'
  | 'ERR_NETPLANE_ADDON'
  | 'ERR_NETPLANE_DEADLINE'
  | 'ERR_NETPLANE_TRANSACTION'
  | 'ERR_NETPLANE_FOREIGN'
  | 'ERR_NETPLANE_BUSY'
  | 'ERR_NETPLANE_STATE_FILE'
  | 'ERR_NETPLANE_INTERNAL'

/**
 * Base of everything this package throws. `instanceof` works across the ESM and CommonJS copies of the package, realms and versions: classes are recognised by a brand.
 */
export class NetplaneError extends Error {
  /** Stable: an errno name such as `EEXIST`, or one of {@link NetplaneErrorCode}. */
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.name = new.target.name
    brand(this, 'NetplaneError')
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(value, this)
  }
}

/** What a refused value should have been. */
export class ValidationError extends TypeError {
  readonly code = 'ERR_NETPLANE_VALIDATION'
  /** Where the value stands in what the caller gave: `services["web"].frontends[0].port`. */
  readonly path: string
  readonly value: unknown
  /** What would have been accepted, for people. */
  readonly allowed: string

  constructor(path: string, value: unknown, allowed: string) {
    super(`${printable(path)} is ${describeValue(value)}; allowed: ${printable(allowed)}`)
    this.name = 'ValidationError'
    this.path = path
    this.value = value
    this.allowed = allowed
    brand(this, 'ValidationError')
    brand(this, 'NetplaneError')
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(value, this)
  }
}

/**
 * What a check threw that was given the path within a row, with the row's own path before it; other errors as they are. So the texts are made for the one row
 * that is refused, not for all that are checked.
 */
export function locate(error: unknown, row: string): unknown {
  return error instanceof ValidationError ? new ValidationError(`${row}${error.path}`, error.value, error.allowed) : error
}

/** Details of a {@link NetlinkError}. */
export interface NetlinkErrorDetails {
  /** Positive errno as the kernel gave it. */
  readonly errno: number
  /** What was being done: `nftables.commit`, `route.addAddress`. */
  readonly operation: string
  /** The caller's object, in words: `element 10.0.0.5 . tcp . 80 of map ip app services`. */
  readonly subject?: string | undefined
  /** NLMSGERR_ATTR_MSG; empty where the kernel said nothing. */
  readonly kernelMessage?: string | undefined
  /** Index of the operation in its batch or transaction. */
  readonly index?: number | undefined
  /** The field the kernel pointed at: `expressions[2].set`. */
  readonly field?: string | undefined
  /** The caller's own object. */
  readonly object?: unknown
  /** What usually helps. */
  readonly hint?: string | undefined
  /** True where the kernel may have applied what was sent although no proof arrived. */
  readonly outcomeUnknown?: boolean | undefined
  readonly cause?: unknown
  /** Makes the further refusals of the same transaction, when they are asked for. */
  readonly others?: (() => readonly NetlinkError[]) | undefined
}

/** The kernel refused something, or a system call failed. `code` is the errno's name; {@link NetlinkError.errno} its negative number, as in node. */
export class NetlinkError extends NetplaneError {
  /** Negative: -17. */
  readonly errno: number
  readonly operation: string
  readonly subject: string | undefined
  readonly kernelMessage: string
  readonly index: number | undefined
  readonly field: string | undefined
  readonly object: unknown
  readonly hint: string | undefined
  readonly outcomeUnknown: boolean
  readonly #others: (() => readonly NetlinkError[]) | undefined

  constructor(details: NetlinkErrorDetails) {
    super(errnoName(details.errno), describeNetlinkError(details), details.cause === undefined ? undefined : { cause: details.cause })
    this.errno = -details.errno
    this.operation = details.operation
    this.subject = details.subject
    this.kernelMessage = details.kernelMessage ?? ''
    this.index = details.index
    this.field = details.field
    this.object = details.object
    this.hint = details.hint
    this.outcomeUnknown = details.outcomeUnknown ?? false
    this.#others = details.others
    brand(this, 'NetlinkError')
  }

  /** Further refusals of the same transaction, by index. Later ones may be consequences of the first, which is this error. */
  get others(): readonly NetlinkError[] {
    return this.#others?.() ?? []
  }
}

/** Something this machine, kernel or installation lacks; the message names it and the command or kernel option that brings it. */
export class UnsupportedError extends NetplaneError {
  /** What is missing: `nf_tables`, `dummy links`, `the native addon`. */
  readonly missing: string

  constructor(missing: string, message: string, options?: ErrorOptions & { readonly code?: string }) {
    super(options?.code ?? 'ERR_NETPLANE_UNSUPPORTED', message, options)
    this.missing = missing
    brand(this, 'UnsupportedError')
  }
}

/** How far a change got that was not one kernel transaction. */
export interface TransactionOutcome {
  /** What was applied and still is, in words, an operation each. */
  readonly applied: readonly string[]
  /** What was applied and undone again. */
  readonly undone: readonly string[]
  /** What may or may not have been applied. */
  readonly unknown: readonly string[]
  /** What undoing could not bring back: connections and statistics of what was removed and added again. Absent: nothing. */
  readonly lost?: readonly string[]
}

/** Several operations of which not all could be applied: says what was applied, undone, and is unknown. `cause` is the first refusal. */
export class TransactionError extends NetplaneError implements TransactionOutcome {
  readonly applied: readonly string[]
  readonly undone: readonly string[]
  readonly unknown: readonly string[]
  readonly lost: readonly string[]
  /** Every refusal, in the order of the operations. */
  readonly errors: readonly NetlinkError[]

  constructor(message: string, outcome: TransactionOutcome, errors: readonly NetlinkError[], cause?: unknown) {
    super('ERR_NETPLANE_TRANSACTION', message, { cause: cause ?? errors[0] })
    this.applied = outcome.applied
    this.undone = outcome.undone
    this.unknown = outcome.unknown
    this.lost = outcome.lost ?? []
    this.errors = errors
    brand(this, 'TransactionError')
  }
}

/** The client, transaction or plane was closed before or during the call. */
export class ClosedError extends NetplaneError {
  constructor(what: string) {
    super('ERR_NETPLANE_CLOSED', `${what} is closed`)
    brand(this, 'ClosedError')
  }
}

/**
 * Escapes what a terminal would obey or a reader would not see, for names come from outside and reach logs: control characters, characters that turn the direction of
 * writing or have no width (Unicode's categories Cc and Cf), line separators, and halves of surrogate pairs.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0)!
    if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`
    return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`
  })
}

const MAX_SHOWN = 80

function describeValue(value: unknown): string {
  if (value === undefined) return 'missing'
  // A text may be as long as there can be one, and in quotes there would be none.
  if (typeof value === 'string' && value.length > MAX_SHOWN)
    return printable(`${JSON.stringify(value.slice(0, MAX_SHOWN)).slice(0, MAX_SHOWN)}… (${value.length} characters)`)
  const text = typeof value === 'string' ? JSON.stringify(value) : typeof value === 'bigint' ? `${value}n` : inspectShort(value)
  return printable(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}… (${text.length} characters)` : text)
}

/** Values in a value that are looked at: a list may be as long as it says, and of holes alone. */
const MAX_VISITED = 10_000

function inspectShort(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    if (ArrayBuffer.isView(value))
      return `${Object.prototype.toString.call(value).slice('[object '.length, -1)} of ${value.byteLength} bytes`
    return stringify(value) ?? Object.prototype.toString.call(value)
  } catch {
    return inspectShallow(value)
  }
}

function stringify(value: object): string | undefined {
  let visited = 0
  const text: unknown = JSON.stringify(value, (_, inner: unknown) => {
    if (++visited > MAX_VISITED) throw new RangeError('too much to show')
    return typeof inner === 'bigint' ? `${inner}n` : inner
  })
  return typeof text === 'string' ? text : undefined
}

function inspectShallow(value: object): string {
  try {
    return Array.isArray(value) ? `a list of ${value.length} entries` : Object.prototype.toString.call(value)
  } catch {
    // A revoked proxy.
    return 'an object that does not say what it is'
  }
}

function describeNetlinkError(details: NetlinkErrorDetails): string {
  const parts = [`${errnoName(details.errno)}: ${details.operation}`]
  if (details.subject !== undefined) parts.push(`: ${printable(details.subject)}`)
  if (details.field !== undefined && details.field !== '') parts.push(`, field ${printable(details.field)}`)
  if (details.kernelMessage !== undefined && details.kernelMessage !== '') parts.push(` (${printable(details.kernelMessage)})`)
  if (details.outcomeUnknown === true) parts.push('; the outcome is unknown: read the state again')
  if (details.hint !== undefined) parts.push(`; ${details.hint}`)
  return parts.join('')
}

/** Lets `instanceof` know an error by the name of its class. */
export function brand(error: object, name: string): void {
  const brands = (error as { [BRAND]?: Set<string> })[BRAND]
  if (brands === undefined) Object.defineProperty(error, BRAND, { value: new Set([name]), enumerable: false })
  else brands.add(name)
}

function hasBrand(value: unknown, constructor: { readonly name: string; readonly prototype: object }): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Object.prototype.isPrototypeOf.call(constructor.prototype, value)) return true
  return (value as { [BRAND]?: Set<string> })[BRAND]?.has(constructor.name) === true
}

/** An error that can stand in a report or an event, whatever was thrown. @param message What it says where it is none of ours. */
export function asNetplaneError(error: unknown, message = String(error)): NetplaneError {
  return error instanceof NetplaneError ? error : new NetplaneError('ERR_NETPLANE_INTERNAL', message, { cause: error })
}
