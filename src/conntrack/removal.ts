/**
 * Deleting by filter.
 */
import { TransactionError } from '../core/errors.js'
import { failureError } from '../core/failures.js'
import type { NativeConntrackSocket, NativeRemovalReport } from '../native/index.js'
import { missingModule, unwrap } from './refusals.js'
import type { RemoveFlowsReport } from './types.js'

/** Removes the flows that a compiled filter means; the signal stops it between two batches. */
export async function runRemoval(
  socket: NativeConntrackSocket,
  filter: Uint8Array,
  { operation, signal, deadlineMs }: { readonly operation: string; readonly signal: AbortSignal | undefined; readonly deadlineMs: number }
): Promise<RemoveFlowsReport> {
  const cancel = (): void => socket.cancel()
  const job = socket.removeMatching({ source: 'table', filter, deadlineMs })
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return removalReport(unwrap(await job, { operation }))
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}

/** The report of a removal, or an error where it is not whole. */
function removalReport(report: NativeRemovalReport): RemoveFlowsReport {
  const { scanned, matched, deleted, vanished, kernelFiltered, systemCalls, refusal, stopped, refused, unknown } = report
  if (refusal === undefined && stopped === undefined) return { scanned, matched, removed: deleted, vanished, kernelFiltered, systemCalls }
  const operation = 'conntrack.removeWhere'
  const missing = stopped === undefined ? undefined : missingModule(stopped, operation)
  if (missing !== undefined) throw missing
  const cause = failureError(stopped ?? { errno: refusal!.errno, operation: 'delete', message: refusal!.message, outcomeUnknown: false }, {
    operation
  })
  const message = `${operation}: ${deleted} flows deleted, ${vanished} gone by themselves, ${refused} refused, ${unknown} unknown: ${cause.message}`
  throw new TransactionError(
    message,
    { applied: [`${deleted} flows deleted`], undone: [], unknown: unknown > 0 ? [`${unknown} flows`] : [] },
    [cause]
  )
}
