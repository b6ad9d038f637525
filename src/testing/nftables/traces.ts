/**
 * Steps of packets as the native side hands them over: the inverse of `convertTrace`.
 */
import { FLOW_STATUSES } from '../../core/flow-status.js'
import type { NativeEvent } from '../../native/index.js'
import { CT_DIRECTIONS, CT_STATES } from '../../nftables/symbols.js'
import type { TraceStep } from '../../nftables/trace.js'

const QUEUE = 3
const QUEUE_BITS = 16

function bits(names: Readonly<Record<string, number>>, list: readonly (string | number)[]): number {
  return list.reduce<number>((sum, name) => sum | (typeof name === 'number' ? name : (names[name] ?? 0)), 0) >>> 0
}

function verdictOf({ verdict }: TraceStep): unknown {
  if (verdict?.queue === undefined || verdict.queue === 0) return verdict
  return { verdict: QUEUE | (verdict.queue << QUEUE_BITS) }
}

function connectionOf({ connection }: TraceStep): object {
  if (connection === undefined) return {}
  const { id, direction, state, status } = connection
  return {
    ...(id === undefined ? {} : { conntrackId: id }),
    ...(direction === undefined ? {} : { conntrackDirection: typeof direction === 'number' ? direction : CT_DIRECTIONS[direction] }),
    conntrackState: bits(CT_STATES, state),
    conntrackStatus: bits(FLOW_STATUSES, status)
  }
}

/** The native event of a step. */
export function toNativeTrace(step: TraceStep): NativeEvent {
  const { type, id, family, table, chain, ruleHandle, policy, mark, protocolFamily, inLink, outLink, headers } = step
  const fields = {
    ...{ table, chain, ruleHandle, step: type, verdict: verdictOf(step), id, mark, protocolFamily, policy },
    ...{ linkHeader: headers?.link, networkHeader: headers?.network, transportHeader: headers?.transport },
    ...{ inInterface: inLink?.index, inInterfaceType: inLink?.type, outInterface: outLink?.index, outInterfaceType: outLink?.type }
  }
  const value = Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined))
  return { type: 'trace', family, portId: 0, sequence: 0, value: { ...value, ...connectionOf(step) } }
}
