/**
 * Many flows made or deleted in few system calls.
 */
import { requireOptions } from '../core/checks.js'
import { EEXIST, ENOENT } from '../core/errno.js'
import { type NetlinkError, TransactionError, ValidationError } from '../core/errors.js'
import { failureError } from '../core/failures.js'
import { Slices } from '../core/slices.js'
import type { NativeBatchReport, NativeConntrackSocket } from '../native/index.js'
import { requireObject } from './checks.js'
import { FlowColumnWriter } from './encode.js'
import { describeFlow, refusalsOf, unwrap } from './refusals.js'
import type { BulkFlowOptions, FlowInput, FlowKey } from './types.js'

/** What became of many flows. */
export interface BulkFlowReport {
  /** Flows made, or deleted. */
  readonly applied: number
  /** With `ensure`: those that were there already, or not there any more. */
  readonly unchanged: number
  /** Refusals by their place in what was given; only with `onError: 'isolate'`. */
  readonly errors: readonly { readonly index: number; readonly error: NetlinkError }[]
  readonly systemCalls: number
}

/** What differs between making and deleting. */
const FORMS = {
  create: { operation: 'conntrack.createFlows', harmless: EEXIST },
  delete: { operation: 'conntrack.deleteFlows', harmless: ENOENT }
} as const

/** The options of a bulk call, checked. */
export function requireBulkOptions(options: BulkFlowOptions): { readonly onError: 'throw' | 'isolate'; readonly ensure: boolean } {
  requireOptions(options)
  const onError: string = options.onError ?? 'throw'
  const ensure: unknown = options.ensure ?? false
  if (onError !== 'throw' && onError !== 'isolate') throw new ValidationError('options.onError', onError, 'throw, isolate')
  if (typeof ensure !== 'boolean') throw new ValidationError('options.ensure', ensure, 'true or false')
  return { onError, ensure }
}

/** Flows as columns, in slices. */
export async function encodeBulk(verb: 'create' | 'delete', flows: readonly (FlowInput | FlowKey)[]): Promise<FlowColumnWriter> {
  const writer = new FlowColumnWriter(flows.length)
  const slices = new Slices()
  for (const [row, flow] of flows.entries()) {
    const path = `flows[${row}]`
    requireObject(path, flow)
    if (verb === 'create') writer.flow(row, path, flow as FlowInput)
    else writer.key(row, path, flow)
    if ((row & 0xff) === 0 && slices.isOver) await slices.turn()
  }
  return writer
}

/** Sends one row; false where it was refused with `harmless`. */
export async function runOne(
  socket: NativeConntrackSocket,
  verb: 'create' | 'update' | 'delete',
  key: FlowKey,
  request: {
    readonly writer: FlowColumnWriter
    readonly operation: string
    readonly harmless?: number | undefined
    readonly deadlineMs: number
  }
): Promise<boolean> {
  const { writer, operation, harmless, deadlineMs } = request
  const report = unwrap(await socket.change({ verb, columns: writer.finish(), details: writer.details, deadlineMs }), { operation })
  if (report.stopped !== undefined) throw failureError(report.stopped, { operation, subject: describeFlow(key) })
  const [refusal] = refusalsOf(report, operation, () => key)
  if (refusal === undefined) return true
  if (refusal.error.errno === -(harmless ?? 0)) return false
  throw refusal.error
}

/** Sends columns; the report, or an error that says how far it came. */
export async function runBulk(
  socket: NativeConntrackSocket,
  verb: 'create' | 'delete',
  flows: readonly FlowKey[],
  request: { readonly writer: FlowColumnWriter; readonly options: BulkFlowOptions; readonly deadlineMs: number }
): Promise<BulkFlowReport> {
  const { operation, harmless } = FORMS[verb]
  const { onError, ensure } = requireBulkOptions(request.options)
  const { writer, deadlineMs } = request
  const outcome = await socket.change({ verb, columns: writer.finish(), details: writer.details, deadlineMs })
  if (outcome.failure !== undefined) throw failureError(outcome.failure, { operation })
  const report = outcome.value
  const refusals = refusalsOf(report, operation, (index) => flows[index]!)
  const serious = ensure ? refusals.filter(({ error }) => error.errno !== -harmless) : refusals
  if (report.stopped !== undefined || (serious.length > 0 && onError === 'throw'))
    throw bulkError(report, operation, { flows, refusals, serious })
  return {
    applied: report.sent - refusals.length,
    unchanged: refusals.length - serious.length,
    errors: serious,
    systemCalls: report.systemCalls
  }
}

interface Refusals {
  readonly flows: readonly FlowKey[]
  readonly refusals: readonly { readonly index: number; readonly error: NetlinkError }[]
  readonly serious: readonly { readonly index: number; readonly error: NetlinkError }[]
}

function bulkError(report: NativeBatchReport, operation: string, { flows, refusals, serious }: Refusals): TransactionError {
  const refused = new Set(refusals.map(({ index }) => index))
  const words = (from: number, to: number): string[] =>
    flows.slice(from, to).flatMap((flow, at) => (refused.has(from + at) ? [] : [describeFlow(flow)]))
  const stopped = report.stopped === undefined ? undefined : failureError(report.stopped, { operation })
  const first = stopped ?? serious[0]?.error
  const unknown = words(report.unknownFrom, report.sent)
  const message = `${operation}: ${report.unknownFrom - refused.size} applied, ${refused.size} refused, ${unknown.length} unknown, ${flows.length - report.sent} not sent: ${first?.message ?? ''}`
  return new TransactionError(
    message,
    { applied: words(0, report.unknownFrom), undone: [], unknown },
    serious.map(({ error }) => error),
    stopped
  )
}
