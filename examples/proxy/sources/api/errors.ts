import { isObject } from '../../kubernetes/shape.js'
import type { Encoding } from './encoding/choose.js'

/** What is known of an {@link ApiError}. */
export interface ApiErrorDetails {
  readonly status: number
  readonly reason?: string | undefined
  readonly retryAfterMs?: number | undefined
  readonly isTerminating?: boolean
}

/** What an API server answered instead of what was asked for. */
export class ApiError extends Error {
  /** HTTP status, or the `code` of a Status object within a watch. */
  readonly status: number
  /** Of the Status object: `Expired`, `Forbidden`, `TooManyRequests`, … */
  readonly reason: string | undefined
  /** What `Retry-After` asks for, in milliseconds. */
  readonly retryAfterMs: number | undefined
  /** Whether nothing may be made in a namespace, because it is going. */
  readonly isTerminating: boolean

  constructor(message: string, details: ApiErrorDetails) {
    super(message)
    this.name = 'ApiError'
    this.status = details.status
    this.reason = details.reason
    this.retryAfterMs = details.retryAfterMs
    this.isTerminating = details.isTerminating ?? false
  }

  /** Whether a version is too old to go on from, or a page of a list to be continued: the list must be read anew. */
  get isGone(): boolean {
    return this.status === 410 || this.reason === 'Expired' || this.reason === 'Gone'
  }
}

/** A stream that could not be understood: what was said in it is lost. */
export class LostError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'LostError'
  }
}

/** An error with what was asked, where it does not say that. */
export function located(error: unknown, what: string): unknown {
  return error instanceof LostError ? new LostError(`${what}: ${error.message}`) : error
}

/** A proxy on the way may answer with anything; a day without endpoints is worse than another request. */
const MAX_RETRY_AFTER_MS = 600_000

/** Milliseconds that a header `Retry-After` asks for, which has seconds or a date; undefined where it has neither. At most ten minutes. */
export function parseRetryAfter(value: string | undefined, now = Date.now()): number | undefined {
  if (value === undefined) return undefined
  const milliseconds = /^[0-9]+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isNaN(milliseconds) ? undefined : Math.min(Math.max(milliseconds, 0), MAX_RETRY_AFTER_MS)
}

const EXCERPT = 200

/** What an answer says of itself. */
export interface AnswerDescription extends Pick<ApiErrorDetails, 'reason' | 'isTerminating'> {
  readonly message: string
}

function isTerminating(details: unknown): boolean {
  const causes = isObject(details) ? details['causes'] : undefined
  return Array.isArray(causes) && causes.some((cause) => isObject(cause) && cause['reason'] === 'NamespaceTerminating')
}

/** A text that stands for an answer without words of its own: its beginning. */
export function describeText(text: string): AnswerDescription {
  return { message: JSON.stringify(text.length > EXCERPT ? `${text.slice(0, EXCERPT)}…` : text), reason: undefined }
}

/** What an answer says of itself: the message of a Status object, or the beginning of its text. Proxies and load balancers answer in HTML. @param encoding Undefined: its type is none of an API server's. */
export function describeAnswer(answer: Buffer, encoding: Pick<Encoding, 'status'> | undefined): AnswerDescription {
  const status = encoding?.status(answer)
  if (!isObject(status) || typeof status['message'] !== 'string') return describeText(answer.toString('utf8'))
  const { message, reason, details } = status
  return { message, reason: typeof reason === 'string' ? reason : undefined, isTerminating: isTerminating(details) }
}

/** The error that a Status object within a watch stands for. */
export function statusError(what: string, object: unknown): ApiError {
  const { code, reason, message, details } = isObject(object) ? object : {}
  const retryAfter = isObject(details) ? details['retryAfterSeconds'] : undefined
  return new ApiError(`${what}: ${typeof message === 'string' ? message : 'an error without words'}`, {
    status: typeof code === 'number' ? code : 500,
    reason: typeof reason === 'string' ? reason : undefined,
    retryAfterMs: typeof retryAfter === 'number' && retryAfter > 0 ? parseRetryAfter(String(Math.ceil(retryAfter))) : undefined
  })
}
