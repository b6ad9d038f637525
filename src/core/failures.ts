/**
 * How a native failure becomes an error.
 */
import type { NativeFailure, NativeInvalid, NativeOutcome } from '../native/index.js'
import { EPROTONOSUPPORT, errnoName } from './errno.js'
import { NetlinkError, UnsupportedError, ValidationError } from './errors.js'

/** Further words for an error: what was being done, to what, and what usually helps. */
export interface FailureContext {
  readonly operation: string
  readonly subject?: string | undefined
  readonly hint?: string | undefined
}

/** What helps against EPERM of a request, whatever the subsystem. */
export const PERMISSION_HINT =
  'CAP_NET_ADMIN is needed in the user namespace that owns the network namespace (in a container: --cap-add NET_ADMIN)'
const OPEN_FILES_HINT = 'the process has too many open files (ulimit -n)'

/** Calls that use up a file of the process, as native errors name them. */
const OPENS_FILE = /^(open |socket\()/

/** The hint for a failure. A kernel that answers EMFILE to a request means something of its own by it; setns asks for CAP_SYS_ADMIN, and its message says so. */
function commonHint({ errno, operation }: NativeFailure): string | undefined {
  const code = errnoName(errno)
  if (code === 'EMFILE' && OPENS_FILE.test(operation)) return OPEN_FILES_HINT
  return code === 'EPERM' && operation !== 'setns' ? PERMISSION_HINT : undefined
}

/** The error for a job that failed as a whole. */
export function failureError(failure: NativeFailure, context: FailureContext): NetlinkError {
  return new NetlinkError({
    errno: failure.errno,
    operation: context.operation,
    subject: context.subject,
    kernelMessage: failure.message === '' ? failure.operation : `${failure.operation}: ${failure.message}`,
    outcomeUnknown: failure.outcomeUnknown,
    hint: context.hint ?? commonHint(failure)
  })
}

/** The value of an outcome; throws its failure. */
export function unwrapOutcome<T>(outcome: NativeOutcome<T>, context: FailureContext): T {
  if (outcome.failure !== undefined) throw failureError(outcome.failure, context)
  return outcome.value
}

/** The error for a value the native side refused. `prefix` is where the value stands in what the caller gave. */
export function invalidError(prefix: string, { path, value, allowed }: NativeInvalid): ValidationError {
  return new ValidationError([prefix, path].filter((part) => part !== '').join('.'), value, allowed)
}

/** EPROTONOSUPPORT of `socket()`: the kernel was built without the protocol. */
export function unsupportedProtocol(failure: NativeFailure, missing: string, remedy: string): UnsupportedError | undefined {
  return failure.errno === EPROTONOSUPPORT ? new UnsupportedError(missing, `this kernel has no ${missing}: ${remedy}`) : undefined
}

/** What a promise gives, or undefined where the kernel answers that it has no such thing. */
export async function orUndefined<T>(errno: number, promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === -errno) return undefined
    throw error
  }
}
