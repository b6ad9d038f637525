/**
 * How failures of ctnetlink become errors that say what helps.
 */
import { formatSocketAddress } from '../core/address.js'
import type { RowRefusal } from '../core/bulk-run.js'
import { EINVAL, errnoName } from '../core/errno.js'
import { NetlinkError, UnsupportedError, type NetplaneError } from '../core/errors.js'
import { failureError, PERMISSION_HINT, unsupportedProtocol } from '../core/failures.js'
import type { FailureContext } from '../core/failures.js'
import type { NativeFailure, NativeOutcome } from '../native/index.js'
import type { ExpectationInput, FlowKey, FlowTuple } from './types.js'

const REMEDY = 'load its module (modprobe nf_conntrack_netlink), or use a kernel built with CONFIG_NF_CT_NETLINK'

/** What usually helps, by errno. */
const HINTS: Readonly<Record<string, string>> = {
  EEXIST: 'a flow with one of these tuples is there already',
  ENOENT: 'there is no such flow (any more)',
  EBUSY: 'this status bit, or the helper of a flow that has one, cannot be changed',
  ENOSPC: 'the flow has no room for labels: load a ruleset that uses them (ct label) before it begins',
  ENOMEM: 'the table is full (nf_conntrack_max), or the kernel has no memory',
  ETIME: 'the flow is just ending'
}

const UNKNOWN_HELPER = 'the kernel knows no such helper of this protocol (load its module: modprobe nf_conntrack_<name>)'

/** What usually helps where one flow of a change is refused. */
const FLOW_HINTS: Readonly<Record<string, string | undefined>> = {
  ...HINTS,
  EPERM: `${PERMISSION_HINT}; also, the time-out of a flow with status fixed-timeout cannot be changed`
}

/** Calls whose request is the same every time (a filter that the kernel refuses is left out): EINVAL is no answer to them. */
const PLAIN_REQUESTS = new Set(
  ['list', 'listColumns', 'count', 'iterate', 'removeWhere', 'flush', 'readUsage', 'readStatistics', 'listExpectations'].map(
    (name) => `conntrack.${name}`
  )
)

/** EINVAL of nfnetlink where no subsystem of that number is registered: the module is missing, and could not be loaded (nfnetlink_rcv_msg). */
export function missingModule(failure: NativeFailure, operation: string): UnsupportedError | undefined {
  if (failure.operation.startsWith('socket')) return unsupportedProtocol(failure, 'NETLINK_NETFILTER', REMEDY)
  const isMissing = failure.errno === EINVAL && failure.operation.startsWith('IPCTNL_MSG') && PLAIN_REQUESTS.has(operation)
  return isMissing
    ? new UnsupportedError('nf_conntrack_netlink', `${operation}: this kernel has no nf_conntrack_netlink: ${REMEDY}`)
    : undefined
}

/** The error for a request that failed. */
export function requestError(failure: NativeFailure, context: FailureContext): NetplaneError {
  // A file that cannot be opened (a namespace's) says nothing of flows.
  const hint = failure.operation.startsWith('open') ? undefined : HINTS[errnoName(failure.errno)]
  return missingModule(failure, context.operation) ?? failureError(failure, { ...context, hint: context.hint ?? hint })
}

/** The value of an outcome; throws its failure. */
export function unwrap<T>(outcome: NativeOutcome<T>, context: FailureContext): T {
  if (outcome.failure !== undefined) throw requestError(outcome.failure, context)
  return outcome.value
}

function describeTuple({ source, sourcePort, destination, destinationPort }: FlowTuple): string {
  const end = (address: string, port: number | undefined): string => (port === undefined ? address : formatSocketAddress(address, port))
  return `${end(source, sourcePort)} -> ${end(destination, destinationPort)}`
}

/** A flow in words. */
export function describeFlow({ protocol, original }: FlowKey): string {
  return `flow ${protocol} ${describeTuple(original)}`
}

/** What a refused expectation lacks: nothing where several things could be the cause (ctnetlink_create_expect, __nf_ct_expect_check). */
function expectationHint(code: string, given: ExpectationInput): string | undefined {
  const { helper, zone, nat } = given
  const isPlain = helper === undefined && zone === undefined && nat === undefined
  const hasNoHelper = 'the master flow has no helper'
  const hints: Readonly<Record<string, string | undefined>> = {
    EPERM: PERMISSION_HINT,
    ENOENT: 'there is no such master flow (any more)',
    EEXIST: 'an expectation that this tuple meets is there already',
    EBUSY: 'an expectation is there that the same packets can meet',
    ESHUTDOWN: hasNoHelper,
    EOPNOTSUPP: isPlain ? hasNoHelper : undefined,
    EINVAL: invalidHint(given)
  }
  return hints[code]
}

function invalidHint({ class: number, function: name }: ExpectationInput): string | undefined {
  if (name !== undefined && (number ?? 0) === 0) return 'the kernel has no function of this name, or its module is not loaded'
  return name === undefined && number !== undefined ? 'the helper has no such class' : undefined
}

/** The error for an expectation that was refused. */
export function expectationError(failure: NativeFailure, operation: string, given: ExpectationInput): NetlinkError {
  return new NetlinkError({
    errno: failure.errno,
    operation,
    subject: `expectation ${given.protocol} ${describeTuple(given.tuple)}`,
    object: given,
    kernelMessage: failure.message === '' ? failure.operation : `${failure.operation}: ${failure.message}`,
    outcomeUnknown: failure.outcomeUnknown,
    hint: expectationHint(errnoName(failure.errno), given)
  })
}

/** What is meant by a code for one flow. A helper that a flow begins with can only be unknown; a flow that began without any gets none later (ctnetlink_change_helper). */
function flowHint(code: string, flow: FlowKey & { readonly helper?: unknown; readonly timeoutSeconds?: unknown }): string | undefined {
  const isNew = typeof flow.timeoutSeconds === 'number'
  const isHelper = code === 'EOPNOTSUPP' && isNew && typeof flow.helper === 'string' && flow.zone === undefined
  return isHelper ? UNKNOWN_HELPER : FLOW_HINTS[code]
}

/** The error for a flow that was refused. */
export function flowRefusal({ index, errno, kernelMessage, field }: RowRefusal, operation: string, flow: FlowKey): NetlinkError {
  const hint = flowHint(errnoName(errno), flow)
  return new NetlinkError({ errno, operation, subject: describeFlow(flow), object: flow, index, field, kernelMessage, hint })
}
