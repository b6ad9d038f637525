import { BlockList, isIPv6 } from 'node:net'
import type { FlowEndpoint, FlowFilter } from '../../src/conntrack/filter.js'
import type { Flow, FlowTuple } from '../../src/conntrack/types.js'

/** Whether a filter means a flow: the documentation of `FlowFilter`, word by word, by other means than the product. */

const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? (value as readonly T[]) : [value as T])

const blocks = new Map<string, BlockList>()

function blockOf(condition: string): BlockList {
  let block = blocks.get(condition)
  if (block === undefined) {
    const [network, bits] = condition.split('/') as [string, string | undefined]
    const isSix = isIPv6(network)
    block = new BlockList()
    block.addSubnet(network, bits === undefined ? (isSix ? 128 : 32) : Number(bits), isSix ? 'ipv6' : 'ipv4')
    blocks.set(condition, block)
  }
  return block
}

function isIn(address: string, conditions: string | readonly string[]): boolean {
  const isSix = isIPv6(address)
  return list(conditions).some(
    (condition) => condition.includes(':') === isSix && blockOf(condition).check(address, isSix ? 'ipv6' : 'ipv4')
  )
}

function isPort(port: number | undefined, condition: FlowFilter['originalSourcePort']): boolean {
  return list(condition!).some((entry) =>
    typeof entry === 'number'
      ? port === entry
      : port !== undefined && port >= (entry as { first: number }).first && port <= (entry as { last: number }).last
  )
}

function isMember(tuple: FlowTuple, side: 'source' | 'destination', endpoints: Iterable<FlowEndpoint>): boolean {
  const port = side === 'source' ? tuple.sourcePort : tuple.destinationPort
  return [...endpoints].some((endpoint) => isIn(tuple[side], endpoint.address) && (endpoint.port === undefined || endpoint.port === port))
}

const zoneOf = (flow: Flow, direction: 'original' | 'reply'): number => flow[direction].zone ?? flow.zone ?? 0

const numbers = (
  bounds: { readonly atLeast?: number | undefined; readonly atMost?: number | undefined },
  value: number | undefined
): boolean => value !== undefined && value >= (bounds.atLeast ?? 0) && value <= (bounds.atMost ?? Infinity)

type Tests = { readonly [Name in keyof FlowFilter]-?: (flow: Flow, wanted: NonNullable<FlowFilter[Name]>) => boolean }

const tests: Tests = {
  family: (flow, family) => flow.family === family,
  protocol: (flow, protocols) => list(protocols).includes(flow.protocol),
  originalSource: (flow, wanted) => isIn(flow.original.source, wanted),
  originalDestination: (flow, wanted) => isIn(flow.original.destination, wanted),
  replySource: (flow, wanted) => isIn(flow.reply.source, wanted),
  replyDestination: (flow, wanted) => isIn(flow.reply.destination, wanted),
  originalSourcePort: (flow, wanted) => isPort(flow.original.sourcePort, wanted),
  originalDestinationPort: (flow, wanted) => isPort(flow.original.destinationPort, wanted),
  replySourcePort: (flow, wanted) => isPort(flow.reply.sourcePort, wanted),
  replyDestinationPort: (flow, wanted) => isPort(flow.reply.destinationPort, wanted),
  replySourceIn: (flow, wanted) => isMember(flow.reply, 'source', wanted),
  replySourceNotIn: (flow, wanted) => !isMember(flow.reply, 'source', wanted),
  originalDestinationIn: (flow, wanted) => isMember(flow.original, 'destination', wanted),
  originalDestinationNotIn: (flow, wanted) => !isMember(flow.original, 'destination', wanted),
  icmpType: (flow, wanted) => flow.original.icmpType !== undefined && list(wanted).includes(flow.original.icmpType),
  zone: (flow, zone) => zoneOf(flow, 'original') === zone && zoneOf(flow, 'reply') === zone,
  originalZone: (flow, zone) => zoneOf(flow, 'original') === zone,
  replyZone: (flow, zone) => zoneOf(flow, 'reply') === zone,
  mark: (flow, wanted) => {
    const { value, mask = 0xffffffff } = typeof wanted === 'number' ? { value: wanted } : wanted
    return ((flow.mark ?? 0) & mask) >>> 0 === value
  },
  status: (flow, wanted) => Object.entries(wanted).every(([name, isSet]) => flow.status.includes(name as never) === isSet),
  nat: (flow, wanted) => {
    const [source, destination] = [flow.status.includes('source-nat'), flow.status.includes('destination-nat')]
    return { source, destination, any: source || destination, none: !source && !destination }[wanted]
  },
  state: (flow, wanted) => flow.state !== undefined && list(wanted).includes(flow.state),
  timeoutSeconds: (flow, wanted) => numbers(wanted, flow.timeoutSeconds),
  ageSeconds: (flow, wanted) =>
    flow.startNanoseconds !== undefined && numbers(wanted, Number(BigInt(Date.now()) * 1_000_000n - flow.startNanoseconds) / 1e9),
  helper: (flow, wanted) => flow.helper !== undefined && list(wanted).includes(flow.helper),
  labels: (flow, wanted) => wanted.every((label) => (flow.labels ?? []).includes(label)),
  id: (flow, id) => flow.id === id
}

/** The fields that a filter can have. */
export const filterFields = Object.keys(tests) as (keyof FlowFilter)[]

/** Whether all conditions hold; of several filters, one must. */
export function isMeant(flow: Flow, filter: FlowFilter | readonly FlowFilter[]): boolean {
  return list<FlowFilter>(filter).some((entry) =>
    filterFields.every((name) => entry[name] === undefined || (tests[name] as (flow: Flow, wanted: unknown) => boolean)(flow, entry[name]))
  )
}
