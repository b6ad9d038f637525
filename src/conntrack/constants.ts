/**
 * Names for the kernel's numbers.
 */
import { FLOW_STATUSES } from '../core/flow-status.js'
import { protocolNumbers } from '../core/protocols.js'
import type { DccpFlowState, FlowProtocol, FlowStatus, SctpFlowState, TcpFlowState } from './types.js'

/** IPPROTO_* (include/uapi/linux/in.h) of the protocols that connection tracking knows; others are numbers. */
export const PROTOCOLS: Readonly<Record<Exclude<FlowProtocol, number>, number>> = protocolNumbers(
  'icmp',
  'tcp',
  'udp',
  'dccp',
  'gre',
  'icmpv6',
  'sctp',
  'udplite'
)

/** IPS_*. */
export const STATUSES = FLOW_STATUSES satisfies Record<FlowStatus, number>

/** Status bits that a caller may set; the kernel decides the others (IPS_UNCHANGEABLE_MASK). None of them can be taken back (nf_ct_change_status_common). */
export const SETTABLE_STATUS = STATUSES['seen-reply'] | STATUSES.assured | STATUSES['fixed-timeout']

/** enum tcp_conntrack (include/uapi/linux/netfilter/nf_conntrack_tcp.h), by number. */
export const TCP_STATES = [
  'none',
  'syn-sent',
  'syn-received',
  'established',
  'fin-wait',
  'close-wait',
  'last-ack',
  'time-wait',
  'close',
  'syn-sent2'
] as const satisfies readonly TcpFlowState[]

/** enum sctp_conntrack (include/uapi/linux/netfilter/nf_conntrack_sctp.h), by number. */
export const SCTP_STATES = [
  'none',
  'closed',
  'cookie-wait',
  'cookie-echoed',
  'established',
  'shutdown-sent',
  'shutdown-received',
  'shutdown-ack-sent',
  'heartbeat-sent',
  'heartbeat-acked'
] as const satisfies readonly SctpFlowState[]

/** enum ct_dccp_states (include/uapi/linux/netfilter/nf_conntrack_dccp.h before Linux 6.18), by number. */
export const DCCP_STATES = [
  'none',
  'request',
  'respond',
  'partopen',
  'open',
  'close-request',
  'closing',
  'time-wait',
  'ignore',
  'invalid'
] as const satisfies readonly DccpFlowState[]

/** States by protocol number. */
export const STATES: Readonly<Record<number, readonly string[]>> = {
  [PROTOCOLS.tcp]: TCP_STATES,
  [PROTOCOLS.sctp]: SCTP_STATES,
  [PROTOCOLS.dccp]: DCCP_STATES
}

/** What a protocol's tuple holds beside the addresses. */
export type TupleForm = 'ports' | 'icmp' | 'keys' | 'none'

const FORMS: Readonly<Record<number, TupleForm>> = {
  [PROTOCOLS.tcp]: 'ports',
  [PROTOCOLS.udp]: 'ports',
  [PROTOCOLS.udplite]: 'ports',
  [PROTOCOLS.sctp]: 'ports',
  [PROTOCOLS.dccp]: 'ports',
  [PROTOCOLS.gre]: 'keys',
  [PROTOCOLS.icmp]: 'icmp',
  [PROTOCOLS.icmpv6]: 'icmp'
}

/** The form of a protocol's tuples. */
export function tupleForm(protocol: number): TupleForm {
  return FORMS[protocol] ?? 'none'
}

const protocolNames = new Map<number, string>(Object.entries(PROTOCOLS).map(([name, number]) => [number, name]))

/** The name of a protocol, or its number. */
export function protocolName(number: number): string | number {
  return protocolNames.get(number) ?? number
}

const statusList = Object.entries(STATUSES)

/** Names of the bits set in a status; equal statuses share one list. */
export function statusNames(bits: number): readonly string[] {
  let names = statusCache.get(bits)
  if (names === undefined) {
    names = Object.freeze(statusList.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name))
    statusCache.set(bits, names)
  }
  return names
}

/** At most 2^16 of them, in practice a dozen. */
const statusCache = new Map<number, readonly string[]>()

/** FlowPart of native/conntrack/flow.h. */
export const PRESENT = {
  timeout: 1 << 0,
  mark: 1 << 1,
  originalCounters: 1 << 2,
  replyCounters: 1 << 3,
  start: 1 << 4,
  stop: 1 << 5,
  state: 1 << 6,
  tcp: 1 << 7,
  tags: 1 << 8,
  labels: 1 << 9,
  use: 1 << 10,
  id: 1 << 11,
  status: 1 << 12,
  zone: 1 << 13,
  originalZone: 1 << 14,
  replyZone: 1 << 15,
  eventTime: 1 << 16
} as const
