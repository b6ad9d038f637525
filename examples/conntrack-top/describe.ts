import { formatAddress, type FlowColumns } from 'netplane'

/** Counters of both directions together. */
export interface Counted {
  readonly bytes: number
  readonly packets: number
  /** Undefined at the first reading. */
  readonly bytesPerSecond: number | undefined
  readonly packetsPerSecond: number | undefined
}

/** One flow as the table shows it. Ports are absent where the protocol has none. */
export interface FlowRow {
  readonly protocol: string
  readonly state: string | undefined
  readonly source: string
  readonly sourcePort: number | undefined
  readonly destination: string
  readonly destinationPort: number | undefined
  /** Where packets really go to, and what they seem to come from there; undefined: as they are. */
  readonly destinationNat: string | undefined
  readonly sourceNat: string | undefined
  readonly timeoutSeconds: number
  readonly mark: number
  readonly id: number
  /** Undefined while the kernel does not count (`nf_conntrack_acct`). */
  readonly counted: Counted | undefined
}

/** IPPROTO_*: linux/in.h. */
const PROTOCOLS = new Map(
  Object.entries({ icmp: 1, tcp: 6, udp: 17, dccp: 33, gre: 47, icmpv6: 58, sctp: 132, udplite: 136 }).map(([name, number]) => [
    number,
    name
  ])
)
const WITH_PORTS = new Set([6, 17, 33, 132, 136])

/** enum tcp_conntrack: linux/netfilter/nf_conntrack_tcp.h. */
const TCP_STATES = 'none syn-sent syn-recv established fin-wait close-wait last-ack time-wait close syn-sent2'.split(' ')
/** enum sctp_conntrack: linux/netfilter/nf_conntrack_sctp.h. */
const SCTP_STATES = 'none closed cookie-wait cookie-echo established shut-sent shut-recv shut-ack heartbeat heartbeat'.split(' ')
const STATES = new Map([
  [6, TCP_STATES],
  [132, SCTP_STATES]
])

/** Bits of `present` and `status`. */
const HAS_STATE = 64
const SOURCE_NAT = 0x10
const DESTINATION_NAT = 0x20
const SEEN_REPLY = 0x2

const AF_INET6 = 10
const WIDTH = 16

export const protocolName = (number: number): string => PROTOCOLS.get(number) ?? String(number)
export const tcpStateName = (number: number): string => TCP_STATES[number] ?? String(number)

/** `10.0.0.1:80`, `[fd00::1]:80`, or the address alone. */
export function endpointText(address: string, port: number | undefined): string {
  if (port === undefined) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** Reads a row of columns. */
export function describeRow(columns: FlowColumns, row: number, counted: Counted | undefined): FlowRow {
  const number = columns.protocol[row]!
  const hasPorts = WITH_PORTS.has(number)
  const length = columns.family[row] === AF_INET6 ? WIDTH : 4
  const address = (bytes: Uint8Array): string => formatAddress(bytes.subarray(row * WIDTH, row * WIDTH + length))
  const port = (ports: Uint16Array): number | undefined => (hasPorts ? ports[row]! : undefined)
  const status = columns.status[row]!
  const state = (columns.present[row]! & HAS_STATE) !== 0 ? STATES.get(number)?.[columns.state[row]!] : undefined
  return {
    protocol: protocolName(number),
    state: state ?? ((status & SEEN_REPLY) === 0 ? 'unreplied' : undefined),
    source: address(columns.originalSource),
    sourcePort: port(columns.originalSourcePort),
    destination: address(columns.originalDestination),
    destinationPort: port(columns.originalDestinationPort),
    destinationNat:
      (status & DESTINATION_NAT) !== 0 ? endpointText(address(columns.replySource), port(columns.replySourcePort)) : undefined,
    sourceNat:
      (status & SOURCE_NAT) !== 0 ? endpointText(address(columns.replyDestination), port(columns.replyDestinationPort)) : undefined,
    timeoutSeconds: columns.timeoutSeconds[row]!,
    mark: columns.mark[row]!,
    id: columns.id[row]!,
    counted
  }
}
