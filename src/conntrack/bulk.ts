/**
 * Many flows made or deleted in few system calls.
 */
import { type BulkOptions, type BulkReport, BulkRun, requireBulkOptions, rowRefusals } from '../core/bulk-run.js'
import { EEXIST, ENOENT } from '../core/errno.js'
import { failureError, unwrapOutcome } from '../core/failures.js'
import { Slices } from '../core/slices.js'
import type { NativeConntrackSocket } from '../native/index.js'
import { requireObject } from './checks.js'
import { FlowColumnWriter } from './encode.js'
import { describeFlow, flowRefusal, unwrap } from './refusals.js'
import type { FlowInput, FlowKey } from './types.js'

/** What differs between making and deleting. */
const FORMS = {
  create: { operation: 'conntrack.createFlows', harmless: EEXIST },
  delete: { operation: 'conntrack.deleteFlows', harmless: ENOENT }
} as const

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
  const [refusal] = rowRefusals(report, (row) => row)
  if (refusal === undefined) return true
  if (refusal.errno === harmless) return false
  throw flowRefusal(refusal, operation, key)
}

/** Sends columns; the report, or an error that says how far it came. */
export async function runBulk(
  socket: NativeConntrackSocket,
  verb: 'create' | 'delete',
  flows: readonly FlowKey[],
  request: { readonly writer: FlowColumnWriter; readonly options: BulkOptions; readonly deadlineMs: number }
): Promise<BulkReport> {
  const { operation, harmless } = FORMS[verb]
  const { onError, ensure, signal } = requireBulkOptions(request.options)
  const { writer, deadlineMs } = request
  const run = new BulkRun({
    operation,
    noun: 'flows',
    rows: flows.length,
    signal,
    deadlineAt: performance.now() + deadlineMs,
    subject: (row) => describeFlow(flows[row]!),
    refusal: (refusal) => (ensure && refusal.errno === harmless ? undefined : flowRefusal(refusal, operation, flows[refusal.index]!))
  })
  const outcome = await socket.change({ verb, columns: writer.finish(), details: writer.details, deadlineMs })
  await run.take(unwrapOutcome(outcome, { operation }), (row) => row)
  if (run.hasFailed && onError === 'throw') throw await run.error()
  return run.report()
}
