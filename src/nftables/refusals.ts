/**
 * What the kernel refused, as errors that name the caller's object.
 */
import { COMMON_HINTS } from '../client.js'
import { errnoName, NetlinkError } from '../errors.js'
import type { NativeCommitResult, NativeItemError } from '../native.js'
import type { QueuedOperation } from './transaction-types.js'

/** What usually helps with nf_tables, by errno. */
const NFTABLES_HINTS: Readonly<Record<string, string>> = {
  EOPNOTSUPP:
    'this kernel lacks the feature: a chain type, expression or object type whose module (nft_nat, nft_masq, nft_fib …) is missing, or a newer message',
  ENFILE: 'the set has as many elements as its declared size',
  ERESTART: 'somebody else changed the ruleset: read the generation and the objects again',
  EBUSY: 'something still refers to the object',
  EMSGSIZE:
    'a transaction is one datagram: raise net.core.wmem_max, run with CAP_NET_ADMIN in the initial user namespace, or commit in parts',
  EMLINK: 'chains go round in circles, or jump more than 16 deep',
  ELOOP: 'chains go round in circles',
  EEXIST: 'it exists already, or exists and differs'
}

/** Hints that depend on the kind of object. */
function hintFor(code: string, operation: QueuedOperation | undefined): string | undefined {
  if (code === 'EPERM' && operation !== undefined)
    return 'the table may be owned by another socket (flag owner), or CAP_NET_ADMIN is missing in the user namespace of the network namespace'
  if (code === 'ENOENT' && operation?.kind === 'rule')
    return 'the table, chain, set or object that the rule is in or refers to does not exist, or an expression is unknown to this kernel (its module is missing)'
  if (operation?.verb === 'destroy' && (code === 'EINVAL' || code === 'EOPNOTSUPP')) return 'destroy needs Linux 6.3'
  if (operation?.kind === 'table' && (code === 'EINVAL' || code === 'EOPNOTSUPP'))
    return 'this kernel lacks the family of the table, or a flag: owner needs Linux 5.12, persist 6.9'
  return NFTABLES_HINTS[code] ?? COMMON_HINTS[code]
}

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
    hint: hintFor(code, queued),
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
    hint: NFTABLES_HINTS[code] ?? COMMON_HINTS[code]
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
