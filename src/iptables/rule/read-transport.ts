/**
 * Comparisons of ports, TCP flags and ICMP types, as iptables reads them (nft_parse_transport of nft-shared.c).
 */
import { IPPROTO } from '../../core/protocols.js'
import type { RangeExpression } from '../../nftables/expressions.js'
import { isInverted, type Comparison, type Reading } from './reading.js'
import { ForeignRule, type Loaded } from './registers.js'
import { icmpLayout, INVERTED_DESTINATION, INVERTED_FLAGS, INVERTED_SOURCE, portLayout } from './structures.js'

const MAX_PORT = 0xffff

/** Offsets in struct tcphdr and struct udphdr. */
const SOURCE_PORT = 0
const DESTINATION_PORT = 2
const FLAGS = 13

/** What iptables makes of a comparison of a port: a range, of which one for an order changes one end alone. Undefined: there is no such operator. */
function portRange(op: Comparison['op'], port: number, [first, last]: readonly [number, number]): [number, number] | undefined {
  const ranges: Readonly<Record<string, [number, number]>> = {
    eq: [port, port],
    neq: [port, port],
    lt: [first, Math.max(port - 1, 1)],
    lte: [first, port],
    gt: [Math.min(port + 1, MAX_PORT), last],
    gte: [port, last]
  }
  return ranges[op]
}

function putPorts(reading: Reading, offset: number, range: [number, number], isNot: boolean): void {
  const match = reading.ports()
  const isSource = offset === SOURCE_PORT
  if (isSource) match.sourcePorts = range
  else match.destinationPorts = range
  if (isNot) match.inverted |= isSource ? INVERTED_SOURCE : INVERTED_DESTINATION
}

function portAt(data: Uint8Array, offset: number): number {
  const read = portLayout.read(data.slice(offset, offset + 2))
  if (read === undefined) throw new ForeignRule('a port of another length than 2 bytes')
  return read.port
}

function readPort(reading: Reading, { op, data }: Comparison, offset: number, from: number): void {
  const { sourcePorts, destinationPorts } = reading.ports()
  const range = portRange(op, portAt(data, from), offset === SOURCE_PORT ? sourcePorts : destinationPorts)
  if (range === undefined) throw new ForeignRule(`a port compared by ${op}`)
  putPorts(reading, offset, range, op === 'neq')
}

function readFlags(reading: Reading, compared: Comparison): void {
  const match = reading.ports()
  if (match.name !== 'tcp' || compared.data.length !== 1) throw new ForeignRule('byte 13 of the transport header')
  if (isInverted(compared, 'the TCP flags')) match.inverted |= INVERTED_FLAGS
  match.flags = compared.data[0]!
  match.flagMask = (compared.loaded.kind === 'payload' ? compared.loaded.mask?.[0] : undefined) ?? 0xff
}

/** Any type, and all codes: struct ipt_icmp. */
const ANY_TYPE = 255

/** ICMP types, as iptables reads them: it takes any comparison for one for equality, and so must be refused what is not. */
function readIcmp(reading: Reading, compared: Comparison, offset: number): void {
  const { data } = compared
  const isType = offset === 0 && data.length <= 2
  if ((!isType && (offset !== 1 || data.length !== 1)) || isInverted(compared, 'an ICMP type') || maskIs(compared.loaded))
    throw new ForeignRule('bytes of an ICMP header')
  const type = isType ? data[0]! : ANY_TYPE
  const code = isType ? data[1] : data[0]
  if (reading.family === 'ip6' && !isType) throw new ForeignRule('an ICMPv6 code without a type')
  const name = reading.family === 'ip' ? 'icmp' : 'icmp6'
  reading.add({ name, revision: 0, info: icmpLayout.write({ type, codes: code === undefined ? [0, 255] : [code, code] }) })
}

function maskIs(loaded: Loaded): boolean {
  return loaded.kind === 'payload' && loaded.mask !== undefined
}

/** Reads the comparison of bytes of the transport header. @throws {ForeignRule} */
export function readTransportHeader(reading: Reading, compared: Comparison, offset: number): void {
  const protocol = reading.protocol?.number
  if (protocol === IPPROTO.icmp || protocol === IPPROTO.icmpv6) return readIcmp(reading, compared, offset)
  if (offset === FLAGS) return readFlags(reading, compared)
  if ((offset !== SOURCE_PORT && offset !== DESTINATION_PORT) || maskIs(compared.loaded))
    throw new ForeignRule(`byte ${offset} of the transport header`)
  const { length } = compared.data
  if (length === 2) return readPort(reading, compared, offset, 0)
  if (length !== 4 || offset !== SOURCE_PORT) throw new ForeignRule(`${length} bytes of the transport header`)
  readPort(reading, compared, SOURCE_PORT, 0)
  readPort(reading, compared, DESTINATION_PORT, 2)
}

/** Reads a range of ports. @throws {ForeignRule} */
export function readRange(reading: Reading, loaded: Loaded, { op, from, to }: RangeExpression): void {
  const isPort =
    loaded.kind === 'payload' &&
    loaded.base === 'transport' &&
    loaded.mask === undefined &&
    (loaded.offset === SOURCE_PORT || loaded.offset === DESTINATION_PORT)
  if (!isPort || from.length !== 2 || to.length !== 2 || (op !== 'eq' && op !== 'neq')) throw new ForeignRule('a range of what is no port')
  putPorts(reading, loaded.offset, [portAt(from, 0), portAt(to, 0)], op === 'neq')
}
