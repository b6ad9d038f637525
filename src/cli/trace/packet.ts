/**
 * Addresses and ports of a packet, from the beginnings of its headers.
 */
import { formatAddress } from '../../core/address.js'
import { IPPROTO } from '../../core/protocols.js'
import type { TraceHeaders } from '../../nftables/index.js'

/** One end of a packet. */
export interface PacketEnd {
  readonly address: string
  /** Absent: the protocol has none, or the packet is a later fragment. */
  readonly port?: number
}

/** What a packet says of itself. */
export interface Packet {
  /** `tcp`, `udp` and others by their names; else the number. */
  readonly protocol: string
  readonly source: PacketEnd
  readonly destination: PacketEnd
}

/** Where addresses stand in a header of one version of IP. */
interface Form {
  readonly bytes: number
  readonly protocolAt: number
  readonly addressAt: number
  readonly addressBytes: number
}

const FORMS: Readonly<Record<number, Form>> = {
  4: { bytes: 20, protocolAt: 9, addressAt: 12, addressBytes: 4 },
  6: { bytes: 40, protocolAt: 6, addressAt: 8, addressBytes: 16 }
}

const NAMES = new Map<number, string>(Object.entries(IPPROTO).map(([name, number]) => [number, name]))
const WITH_PORTS: readonly string[] = ['tcp', 'udp', 'udplite', 'sctp', 'dccp']

/** IP_OFFSET of include/net/ip.h: where a fragment begins, in the 16 bits that follow the flags of IPv4. */
const FRAGMENT_AT = 6
const FRAGMENT_OFFSET = 0x1fff

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

function isLaterFragment(network: Uint8Array): boolean {
  return network[0]! >> 4 === 4 && (u16(network, FRAGMENT_AT) & FRAGMENT_OFFSET) !== 0
}

/** A packet of IPv4 or IPv6; undefined for all others, and where the header is cut off. */
export function packetOf(headers: TraceHeaders | undefined): Packet | undefined {
  const network = headers?.network
  const form = network?.[0] === undefined ? undefined : FORMS[network[0] >> 4]
  if (network === undefined || form === undefined || network.length < form.bytes) return undefined
  const { protocolAt, addressAt, addressBytes } = form
  const number = network[protocolAt]!
  const protocol = NAMES.get(number) ?? String(number)
  const transport = headers?.transport ?? new Uint8Array(0)
  const hasPorts = WITH_PORTS.includes(protocol) && transport.length >= 4 && !isLaterFragment(network)
  const end = (place: number): PacketEnd => {
    const from = addressAt + place * addressBytes
    const address = formatAddress(network.subarray(from, from + addressBytes))
    return hasPorts ? { address, port: u16(transport, place * 2) } : { address }
  }
  return { protocol, source: end(0), destination: end(1) }
}

/** Whether two ends are the same. */
export function isSameEnd(left: PacketEnd, right: PacketEnd): boolean {
  return left.address === right.address && left.port === right.port
}
