/**
 * Which flows a call reads, from its options.
 */
import { requireOptions } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'
import type { NativeFlowQuery } from '../native/index.js'
import { compileFilter } from './filter-compile.js'
import type { FlowListOptions, FlowReadOptions } from './types.js'

const SOURCES = ['table', 'dying', 'unconfirmed'] as const

/** The part of a query that the options decide. */
export function queryOf(options: FlowListOptions): Omit<NativeFlowQuery, 'deadlineMs'> {
  requireOptions(options)
  const source = options.source ?? 'table'
  if (!SOURCES.includes(source)) throw new ValidationError('options.source', source, SOURCES.join(', '))
  const filter = compileFilter(options.filter)
  return { source, ...(filter === undefined ? {} : { filter }) }
}

/** As {@link queryOf}, of a call that may zero counters. */
export function readQueryOf(options: FlowReadOptions): Omit<NativeFlowQuery, 'deadlineMs'> {
  const query = queryOf(options)
  if (options.zeroCounters !== true) return query
  if (query.filter !== undefined || query.source !== 'table')
    throw new ValidationError(
      'options.zeroCounters',
      true,
      'false beside a filter or another list: the kernel zeroes flows that do not match too'
    )
  return { ...query, source: 'zero' }
}
