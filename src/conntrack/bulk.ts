/**
 * Many flows made or deleted in few system calls.
 */
import { type BulkReport, BulkRun, type requireBulkOptions, rowRefusals } from '../core/bulk-run.js'
import { requireFields } from '../core/checks.js'
import { EEXIST, ENOENT } from '../core/errno.js'
import { failureError, unwrapOutcome } from '../core/failures.js'
import { Slices } from '../core/slices.js'
import type { NativeConntrackSocket } from '../native/index.js'
import { FlowColumnWriter } from './encode.js'
import { describeFlow, flowRefusal, unwrap } from './refusals.js'
import type { FlowInput, FlowKey } from './types.js'

/** Each change of flows: the native verb for it, and the refusal that says that all is as wanted already (option `ensure`). */
const FORMS = {
  add: { native: 'create', harmless: EEXIST },
  update: { native: 'update', harmless: undefined },
  remove: { native: 'delete', harmless: ENOENT }
} as const

/** How flows change. */
export type FlowVerb = keyof typeof FORMS

/** Flows as columns, in slices. */
export async function encodeBulk(verb: 'add' | 'remove', flows: readonly (FlowInput | FlowKey)[]): Promise<FlowColumnWriter> {
  const writer = new FlowColumnWriter(flows.length)
  const slices = new Slices()
  for (const [row, flow] of flows.entries()) {
    const path = `flows[${row}]`
    requireFields(path, flow)
    if (verb === 'add') writer.flow(row, path, flow as FlowInput)
    else writer.key(row, path, flow)
    if ((row & 0xff) === 0 && slices.isOver) await slices.turn()
  }
  return writer
}

/** What is sent, and by when. */
interface FlowChange {
  readonly writer: FlowColumnWriter
  readonly ensure: boolean
  readonly deadlineMs: number
}

/** Sends one row. */
export async function runOne(
  socket: NativeConntrackSocket,
  verb: FlowVerb,
  key: FlowKey,
  { writer, ensure, deadlineMs }: FlowChange
): Promise<void> {
  const operation = `conntrack.${verb}`
  const { native, harmless } = FORMS[verb]
  const outcome = await socket.change({ verb: native, columns: writer.finish(), details: writer.details, deadlineMs })
  const report = unwrap(outcome, { operation })
  if (report.stopped !== undefined) throw failureError(report.stopped, { operation, subject: describeFlow(key) })
  const [refusal] = rowRefusals(report, (row) => row)
  if (refusal === undefined || (ensure && refusal.errno === harmless)) return
  throw flowRefusal(refusal, operation, key)
}

/** Sends columns; the report, or an error that says how far it came. */
export async function runBulk(
  socket: NativeConntrackSocket,
  verb: 'add' | 'remove',
  flows: readonly FlowKey[],
  { writer, ensure, onError, signal, deadlineMs }: FlowChange & ReturnType<typeof requireBulkOptions<'throw' | 'isolate'>>
): Promise<BulkReport> {
  const operation = `conntrack.${verb}Flows`
  const { native, harmless } = FORMS[verb]
  const run = new BulkRun({
    operation,
    noun: 'flows',
    rows: flows.length,
    signal,
    deadlineAt: performance.now() + deadlineMs,
    subject: (row) => describeFlow(flows[row]!),
    refusal: (refusal) => (ensure && refusal.errno === harmless ? undefined : flowRefusal(refusal, operation, flows[refusal.index]!))
  })
  const outcome = await socket.change({ verb: native, columns: writer.finish(), details: writer.details, deadlineMs })
  await run.take(unwrapOutcome(outcome, { operation }), (row) => row)
  if (run.hasFailed && onError === 'throw') throw await run.error()
  return run.report()
}
