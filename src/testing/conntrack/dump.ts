/**
 * What a fake connection tracking holds, as text.
 */
import { FlowReader } from '../../conntrack/columns.js'
import type { Flow, FlowTuple } from '../../conntrack/types.js'
import { formatSocketAddress } from '../../core/address.js'
import { pieceOf, type FakeFlow } from './rows.js'

const end = (address: string, port: number | undefined): string => (port === undefined ? address : formatSocketAddress(address, port))

function tupleText({ source, sourcePort, destination, destinationPort }: FlowTuple): string {
  return `${end(source, sourcePort)} -> ${end(destination, destinationPort)}`
}

/** Of what changes by itself (time left, counters, ids) nothing. */
function flowText({ protocol, original, reply, state, zone, mark, status }: Flow): string {
  const more = Object.entries({ state, zone, mark: mark === 0 ? undefined : mark }).filter(([, value]) => value !== undefined)
  const words = [...more.map(([name, value]) => `${name} ${String(value)}`), ...(status.length > 0 ? [`status ${status.join(',')}`] : [])]
  return [`${protocol} ${tupleText(original)}  reply ${tupleText(reply)}`, ...words].join('  ')
}

/** A line per flow, in the order of the lines. */
export function dumpFlows(flows: readonly FakeFlow[]): string {
  const reader = new FlowReader(pieceOf(flows))
  return flows
    .map((_, row) => flowText(reader.flow(row)))
    .sort()
    .join('\n')
}
