/**
 * Deleting by filter: what is asked, and what came of it.
 */
import { failureError } from '../client.js'
import { TransactionError, ValidationError } from '../errors.js'
import type { NativeCutReport } from '../native.js'
import { compileFilter } from './filter-compile.js'
import type { FlowFilter } from './filter.js'
import type { DeleteFlowsReport } from './types.js'

/**
 * The program of what is to be deleted.
 *
 * @throws {ValidationError} Also where there is no condition: that would be every flow.
 */
export function compileCut(filter: FlowFilter | readonly FlowFilter[]): Uint8Array {
  const program = compileFilter(filter, 'filter')
  for (const [index, entry] of [filter].flat().entries()) {
    if (Object.values(entry as Readonly<Record<string, unknown>>).every((value) => value === undefined))
      throw new ValidationError(
        Array.isArray(filter) ? `filter[${index}]` : 'filter',
        entry,
        'at least one condition; flush() deletes every flow'
      )
  }
  if (program === undefined) throw new ValidationError('filter', filter, 'conditions; flush() deletes every flow')
  return program
}

/** The report of a cut, or an error where it is not whole. */
export function cutReport(report: NativeCutReport): DeleteFlowsReport {
  const { scanned, matched, deleted, vanished, kernelFiltered, systemCalls, refusal, stopped, refused, unknown } = report
  if (refusal === undefined && stopped === undefined) return { scanned, matched, deleted, vanished, kernelFiltered, systemCalls }
  const operation = 'conntrack.deleteWhere'
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
