/**
 * What the kernel refused, as errors that name the caller's object.
 */
import { errnoName } from '../core/errno.js'
import { NetlinkError } from '../core/errors.js'
import type { NativeCommitResult, NativeItemError } from '../native/index.js'
import { hintFor } from './hints.js'
import type { QueuedOperation } from './transaction-types.js'

function refusal(
  operation: string,
  error: NativeItemError,
  queued: QueuedOperation | undefined,
  others?: () => readonly NetlinkError[]
): NetlinkError {
  const code = errnoName(error.errno)
  return new NetlinkError({
    errno: error.errno,
    operation,
    subject: queued === undefined ? undefined : `${queued.verb} ${queued.subject(error.row)}`,
    field: error.field === '' ? undefined : error.field,
    kernelMessage: error.message,
    index: error.index,
    object: queued?.object(error.row),
    hint: hintFor(code, error.field, queued),
    others
  })
}

/** The error for a transaction that was not applied: what the kernel refused, or why the whole failed. */
export function refusalOf(operation: string, result: NativeCommitResult, operations: readonly QueuedOperation[]): NetlinkError {
  if (result.errors.length > 0) return commitErrors(operation, result.errors, operations)
  const failure = result.failure ?? { errno: 71, operation, message: 'the kernel gave no verdict', outcomeUnknown: true }
  const code = errnoName(failure.errno)
  return new NetlinkError({
    errno: failure.errno,
    operation,
    subject: `${operations.length} operations`,
    kernelMessage: failure.message,
    outcomeUnknown: failure.outcomeUnknown,
    hint: hintFor(code, '', undefined)
  })
}

/** The error for a refused transaction: the first refusal, with the others behind it. They are made only when asked for: there may be 10,000. */
function commitErrors(operation: string, errors: readonly NativeItemError[], operations: readonly QueuedOperation[]): NetlinkError {
  const [first, ...rest] = errors
  let others: readonly NetlinkError[] | undefined
  return refusal(
    operation,
    first!,
    operations[first!.index],
    () => (others ??= rest.map((error) => refusal(operation, error, operations[error.index])))
  )
}
