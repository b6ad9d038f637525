/**
 * Matches as expressions: those that iptables-nft writes with expressions of nf_tables (add_match of iptables' nft.c), and all others as structures of xtables.
 */
import { IPPROTO } from '../../core/protocols.js'
import type { Expression } from '../../nftables/expressions.js'
import type { OpaqueExtension } from '../types.js'
import { toExpression } from './attributes.js'
import {
  ALL_BITS,
  INVERTED_DESTINATION,
  INVERTED_FLAGS,
  INVERTED_SOURCE,
  limitLayout,
  markLayout,
  portLayout,
  tcpLayout,
  udpLayout,
  wordLayout
} from './structures.js'
import { compare, equality, loadPayload, maskLoaded, REGISTER } from './write-head.js'

const MAX_PORT = 0xffff

interface Ports {
  readonly sourcePorts: readonly number[]
  readonly destinationPorts: readonly number[]
  readonly inverted: number
}

interface PortRange {
  readonly first: number
  readonly last: number
  readonly isInverted: boolean
}

const port = (value: number): Uint8Array => portLayout.write({ port: value })

function rangeExpressions(offset: number, { first, last, isInverted }: PortRange): Expression[] {
  if (first === 0 && last === MAX_PORT && !isInverted) return []
  const load = loadPayload('transport', offset, 2)
  if (first === last) return [load, compare(equality(isInverted), port(first))]
  if (first === 0 && last < MAX_PORT) return [load, compare(isInverted ? 'gt' : 'lte', port(last))]
  return [load, { type: 'range', sourceRegister: REGISTER, op: equality(isInverted), from: port(first), to: port(last) }]
}

function portExpressions({ sourcePorts, destinationPorts, inverted }: Ports): Expression[] {
  const range = ([first = 0, last = 0]: readonly number[], bit: number): PortRange => ({ first, last, isInverted: (inverted & bit) !== 0 })
  const source = range(sourcePorts, INVERTED_SOURCE)
  const destination = range(destinationPorts, INVERTED_DESTINATION)
  // Both in one comparison would not be the same where they are inverted: it holds as soon as one of the ports is another. iptables-nft before 1.8.11 writes that.
  const isSingle = ({ first, last, isInverted }: PortRange): boolean => first > 0 && first === last && !isInverted
  if (isSingle(source) && isSingle(destination))
    return [loadPayload('transport', 0, 4), compare('eq', Buffer.concat([port(source.first), port(destination.first)]))]
  return [...rangeExpressions(0, source), ...rangeExpressions(2, destination)]
}

/** Whether all ports are asked for, and no port: then there would be no expression at all. */
function isAny({ sourcePorts, destinationPorts, inverted }: Ports): boolean {
  return [...sourcePorts, ...destinationPorts].join() === `0,${MAX_PORT},0,${MAX_PORT}` && inverted === 0
}

function tcpExpressions(info: Uint8Array): Expression[] | undefined {
  const tcp = tcpLayout.read(info)
  if (tcp === undefined || tcp.option !== 0 || tcp.inverted > 7 || (isAny(tcp) && tcp.flagMask === 0 && tcp.flags === 0)) return undefined
  const isInverted = (tcp.inverted & INVERTED_FLAGS) !== 0
  const flags: Expression[] =
    tcp.flagMask === 0
      ? []
      : [loadPayload('transport', 13, 1), maskLoaded(Uint8Array.of(tcp.flagMask)), compare(equality(isInverted), Uint8Array.of(tcp.flags))]
  const expressions = [...flags, ...portExpressions(tcp)]
  return expressions.length === 0 ? undefined : expressions
}

function udpExpressions(info: Uint8Array): Expression[] | undefined {
  const udp = udpLayout.read(info)
  if (udp === undefined || udp.inverted > 3 || isAny(udp)) return undefined
  return portExpressions(udp)
}

function markExpressions(info: Uint8Array): Expression[] | undefined {
  const read = markLayout.read(info)
  if (read === undefined) return undefined
  const { mark, mask, inverted } = read
  return [
    { type: 'meta', key: 'mark', destinationRegister: REGISTER },
    ...(mask === ALL_BITS ? [] : [maskLoaded(wordLayout.write({ value: mask }))]),
    compare(equality(inverted !== 0), wordLayout.write({ value: mark }))
  ]
}

/** XT_LIMIT_SCALE: how many of its units a second has. */
export const LIMIT_SCALE = 10_000

/** NFT_LIMIT_PKT_BURST_DEFAULT, net/netfilter/nft_limit.c. */
const DEFAULT_BURST = 5

/** Seconds of a day, an hour, a minute and a second: of these the unit of a rate is taken. */
const UNITS = [86_400, 3600, 60, 1]

function limitExpressions(info: Uint8Array): Expression[] | undefined {
  const read = limitLayout.read(info)
  if (read === undefined || read.average === 0) return undefined
  const { average, burst } = read
  // The largest unit before the one in which less than one packet would pass, or of which more would be lost by rounding than there are.
  const isPast = (unit: number): boolean => {
    const scaled = unit * LIMIT_SCALE
    return average > scaled || Math.floor(scaled / average) < scaled % average
  }
  const past = UNITS.findIndex((unit, index) => index > 0 && isPast(unit))
  const unit = UNITS[(past < 0 ? UNITS.length : past) - 1]!
  const rate = BigInt(Math.floor((unit * LIMIT_SCALE) / average))
  // The kernel takes 0 for its default, and says so when it lists.
  const kept = burst === 0 ? DEFAULT_BURST : burst
  return rate === 0n ? undefined : [{ type: 'limit', rate, unitSeconds: BigInt(unit), burst: kept, mode: 'packets', flags: [] }]
}

/** By name and revision; undefined is given where expressions cannot say what a structure says. */
const WRITERS: Readonly<
  Record<string, { readonly protocol?: number; readonly write: (info: Uint8Array) => Expression[] | undefined } | undefined>
> = {
  'tcp 0': { protocol: IPPROTO.tcp, write: tcpExpressions },
  'udp 0': { protocol: IPPROTO.udp, write: udpExpressions },
  'mark 1': { write: markExpressions },
  'limit 0': { write: limitExpressions }
}

/**
 * The expressions of one match.
 *
 * @param protocol What the rule asks for; undefined: none, or all but one.
 */
export function matchExpressions(match: OpaqueExtension, protocol: number | undefined): Expression[] {
  const writer = WRITERS[`${match.name} ${match.revision}`]
  const isAsked = writer?.protocol === undefined || writer.protocol === protocol
  return (isAsked ? writer?.write(match.info) : undefined) ?? [toExpression('match', match)]
}
