/**
 * Which flows are meant: one typed filter for listing, watching and deleting.
 */
import type { AddressFamily } from '../core/address.js'
import type { FlowProtocol, FlowStatus } from './types.js'

/** An inclusive range. */
export interface NumberRange {
  readonly first: number
  readonly last: number
}

/** An address or prefix (`10.0.0.0/8`), or several, of which one must hold. */
export type AddressCondition = string | readonly string[]

/** A port or range of ports (0–65535), or several, of which one must hold. */
export type PortCondition = number | NumberRange | readonly (number | NumberRange)[]

/** An address, with or without a port. */
export interface FlowEndpoint {
  readonly address: string
  /** Without: any port. All endpoints of a set have one, or none has. */
  readonly port?: number | undefined
}

/** A value under a mask. */
export interface MaskedNumber {
  readonly value: number
  /** Bits that count, 0–2^32-1; default: all. */
  readonly mask?: number | undefined
}

/**
 * Conditions that must all hold; of a list of filters, one must. Parts of it that this kernel can filter by itself go along with the dump (family, one protocol, IPv4
 * addresses, ports, mark, status); everything is matched natively besides, on the worker thread, so that kernels which read over a part of a filter do no harm, and
 * only what matched reaches the event loop.
 */
export interface FlowFilter {
  readonly family?: AddressFamily | undefined
  /** One of them. */
  readonly protocol?: FlowProtocol | readonly FlowProtocol[] | undefined
  readonly originalSource?: AddressCondition | undefined
  readonly originalDestination?: AddressCondition | undefined
  readonly replySource?: AddressCondition | undefined
  readonly replyDestination?: AddressCondition | undefined
  /** Only of protocols with ports: tcp, udp, udplite, sctp, dccp. */
  readonly originalSourcePort?: PortCondition | undefined
  readonly originalDestinationPort?: PortCondition | undefined
  readonly replySourcePort?: PortCondition | undefined
  readonly replyDestinationPort?: PortCondition | undefined
  /** The flow's answers come from one of these: an endpoint of a service, after DNAT. */
  readonly replySourceIn?: Iterable<FlowEndpoint> | undefined
  /** The flow's answers come from none of these: it is stale. */
  readonly replySourceNotIn?: Iterable<FlowEndpoint> | undefined
  readonly originalDestinationIn?: Iterable<FlowEndpoint> | undefined
  readonly originalDestinationNotIn?: Iterable<FlowEndpoint> | undefined
  /** Types of icmp or icmpv6 in the original direction. */
  readonly icmpType?: number | readonly number[] | undefined
  /** Zone of both directions, 0–65535. */
  readonly zone?: number | undefined
  readonly originalZone?: number | undefined
  readonly replyZone?: number | undefined
  readonly mark?: number | MaskedNumber | undefined
  /** Status bits that must be set (true) or not (false). */
  readonly status?: Readonly<Partial<Record<FlowStatus, boolean>>> | undefined
  /** `source`, `destination`: the flow is translated so; `any`: in one way or both; `none`. */
  readonly nat?: 'source' | 'destination' | 'any' | 'none' | undefined
  /** Of tcp, sctp or dccp; one of them. Needs a single `protocol`. */
  readonly state?: string | readonly string[] | undefined
  readonly timeoutSeconds?: { readonly atLeast?: number | undefined; readonly atMost?: number | undefined } | undefined
  /** Seconds since it began; needs `nf_conntrack_timestamp`, without which no flow matches. */
  readonly ageSeconds?: { readonly atLeast?: number | undefined; readonly atMost?: number | undefined } | undefined
  readonly helper?: string | readonly string[] | undefined
  /** Labels that must all be set, 0–127. */
  readonly labels?: readonly number[] | undefined
  readonly id?: number | undefined
}
