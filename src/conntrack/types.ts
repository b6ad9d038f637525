/**
 * What the conntrack client takes and gives.
 */
import type { AddressFamily } from '../core/address.js'
import type { CallOptions } from '../core/options.js'
import type { FlowFilter } from './filter.js'

/** A protocol that connection tracking knows by name; others are numbers (IPPROTO_*, 0–255). */
export type FlowProtocol = 'icmp' | 'tcp' | 'udp' | 'dccp' | 'gre' | 'icmpv6' | 'sctp' | 'udplite' | number

/** IPS_* (include/uapi/linux/netfilter/nf_conntrack_common.h): `seen-reply`: packets in both directions; `assured`: not dropped early when the table is full. */
export type FlowStatus =
  | 'expected'
  | 'seen-reply'
  | 'assured'
  | 'confirmed'
  | 'source-nat'
  | 'destination-nat'
  | 'sequence-adjust'
  | 'source-nat-done'
  | 'destination-nat-done'
  | 'dying'
  | 'fixed-timeout'
  | 'template'
  | 'untracked'
  | 'helper'
  | 'offload'
  | 'hardware-offload'

/** State of a TCP connection as connection tracking sees it. */
export type TcpFlowState =
  'none' | 'syn-sent' | 'syn-received' | 'established' | 'fin-wait' | 'close-wait' | 'last-ack' | 'time-wait' | 'close' | 'syn-sent2'
/** State of an SCTP association. */
export type SctpFlowState =
  | 'none'
  | 'closed'
  | 'cookie-wait'
  | 'cookie-echoed'
  | 'established'
  | 'shutdown-sent'
  | 'shutdown-received'
  | 'shutdown-ack-sent'
  | 'heartbeat-sent'
  | 'heartbeat-acked'
/** State of a DCCP connection (before Linux 6.18, which dropped the protocol). */
export type DccpFlowState =
  'none' | 'request' | 'respond' | 'partopen' | 'open' | 'close-request' | 'closing' | 'time-wait' | 'ignore' | 'invalid'

/** One direction of a flow: what its packets carry. */
export interface FlowTuple {
  /** IPv4 or IPv6 address; both of the flow's family. */
  readonly source: string
  readonly destination: string
  /** tcp, udp, udplite, sctp and dccp. */
  readonly sourcePort?: number | undefined
  readonly destinationPort?: number | undefined
  /** icmp and icmpv6: 0–65535, 0–255, 0–255. */
  readonly icmpId?: number | undefined
  readonly icmpType?: number | undefined
  readonly icmpCode?: number | undefined
  /** gre: the keys of both directions, 0–65535. */
  readonly sourceKey?: number | undefined
  readonly destinationKey?: number | undefined
  /** A zone of this direction alone (0–65535); see {@link FlowKey.zone}. */
  readonly zone?: number | undefined
}

/** Packets and bytes of one direction; 64-bit. */
export interface FlowCounters {
  readonly packets: bigint
  readonly bytes: bigint
}

/** How far a direction's TCP sequence numbers are moved (a helper changed the length of the payload). */
export interface SequenceAdjustment {
  readonly correctionPosition: number
  readonly offsetBefore: number
  readonly offsetAfter: number
}

/** What says which flow is meant. */
export interface FlowKey {
  readonly protocol: FlowProtocol
  readonly original: FlowTuple
  /** Zone of both directions, 0–65535; default 0. */
  readonly zone?: number | undefined
  /**
   * CTA_ID: says that this very flow is meant and not a later one with the same tuple. The kernel makes it of the flow's place in memory and its tuple (nf_ct_get_id), so
   * that the later one has the same id only where it got the same place.
   */
  readonly id?: number | undefined
}

/**
 * One flow. What the kernel did not say is absent, not zero: counters where `nf_conntrack_acct` is off, time stamps where `nf_conntrack_timestamp` is off, the mark
 * where the kernel has none.
 */
export interface Flow extends FlowKey {
  readonly family: AddressFamily
  readonly protocol: FlowProtocol
  /** Packets of who began it. */
  readonly original: FlowTuple
  /** Packets of who answers: the original reversed, but for what NAT changed. */
  readonly reply: FlowTuple
  readonly status: readonly FlowStatus[]
  /** Seconds until the flow is forgotten without a further packet; in the event of its end, those that were left, where any were. Absent where it is offloaded. */
  readonly timeoutSeconds?: number | undefined
  readonly mark?: number | undefined
  /** Of tcp, sctp and dccp. */
  readonly state?: TcpFlowState | SctpFlowState | DccpFlowState | undefined
  readonly counters?: { readonly original: FlowCounters; readonly reply: FlowCounters } | undefined
  /** Nanoseconds since 1970. */
  readonly startNanoseconds?: bigint | undefined
  /** Nanoseconds since 1970; of a flow that has ended. */
  readonly stopNanoseconds?: bigint | undefined
  /** Nanoseconds since 1970 at which an event happened (Linux 6.14, with `nf_conntrack_timestamp`). */
  readonly eventNanoseconds?: bigint | undefined
  /** Bits that are set, 0–127 (connlabel.conf gives them names). */
  readonly labels?: readonly number[] | undefined
  /** Name of the helper that reads the flow's payload: `ftp`, `sip`. */
  readonly helper?: string | undefined
  /** Label of the security module (SELinux, Smack). */
  readonly securityContext?: string | undefined
  /** References that the kernel holds. */
  readonly use?: number | undefined
  /** Window scaling and flags (IP_CT_TCP_FLAG_*) of both directions. Of what is written, the scales count only where both have flag 1. */
  readonly tcp?:
    | {
        readonly originalWindowScale: number
        readonly replyWindowScale: number
        readonly originalFlags: number
        readonly replyFlags: number
      }
    | undefined
  /** Verification tags. */
  readonly sctp?: { readonly originalTag: number; readonly replyTag: number } | undefined
  readonly dccp?: { readonly role: 'client' | 'server'; readonly handshakeSequence: bigint } | undefined
  /** The flow that this one was expected by. */
  readonly master?: (FlowTuple & { readonly protocol: FlowProtocol }) | undefined
  readonly sequenceAdjustment?:
    { readonly original?: SequenceAdjustment | undefined; readonly reply?: SequenceAdjustment | undefined } | undefined
  readonly synproxy?: { readonly initialSequence: number; readonly initialTimestamp: number; readonly timestampOffset: number } | undefined
}

/** Addresses (and ports) that a flow to be created is translated to; the kernel picks one of them. */
export interface FlowNat {
  readonly first: string
  /** Default: `first`. */
  readonly last?: string | undefined
  readonly firstPort?: number | undefined
  /** Default: `firstPort`. */
  readonly lastPort?: number | undefined
}

/** What may be given for a flow. What is absent stays as it is, or at the kernel's default. */
export interface FlowAttributes {
  /** Seconds, 0–2^31-1; the kernel caps it at 2^31 ticks. */
  readonly timeoutSeconds?: number | undefined
  /** 0–2^32-1. */
  readonly mark?: number | undefined
  /** Bits of the mark to change; default: all. The mark may have no others. */
  readonly markMask?: number | undefined
  /** Bits to set, each 0–127; those that are not named are cleared. Needs a rule that uses labels (`ct label`), else `ENOSPC`. */
  readonly labels?: readonly number[] | undefined
  /** Bits of the labels to change; default: all. The labels may be no others. */
  readonly labelsMask?: readonly number[] | undefined
  /** `seen-reply`, `assured` and `fixed-timeout` can be set, and none of them taken back; the kernel decides the rest, and passes over it. */
  readonly status?: readonly FlowStatus[] | undefined
  /** Name of a helper that the kernel has loaded; an empty name takes the helper away. */
  readonly helper?: string | undefined
  readonly state?: Flow['state']
  readonly tcp?: Flow['tcp']
  readonly sctp?: Flow['sctp']
  readonly dccp?: Flow['dccp']
  readonly sequenceAdjustment?: Flow['sequenceAdjustment']
  readonly synproxy?: Flow['synproxy']
}

/** A flow to create: a listed one, or as little as two tuples and a time-out. */
export interface FlowInput extends FlowKey, FlowAttributes {
  readonly timeoutSeconds: number
  /** Default: the original reversed. */
  readonly reply?: FlowTuple | undefined
  readonly master?: (FlowTuple & { readonly protocol: FlowProtocol }) | undefined
  readonly sourceNat?: FlowNat | undefined
  readonly destinationNat?: FlowNat | undefined
}

/** A connection that a helper waits for. */
export interface Expectation {
  readonly family: AddressFamily
  readonly protocol: FlowProtocol
  readonly tuple: FlowTuple
  /** Bits of `tuple` that must match; addresses are masks here. */
  readonly mask: FlowTuple
  readonly master: FlowTuple & { readonly protocol: FlowProtocol }
  readonly timeoutSeconds: number
  readonly id: number
  readonly zone?: number | undefined
  readonly helper?: string | undefined
  readonly flags: readonly string[]
  readonly class: number
  /** Name of the function that sets the expected flow up: `nat-follow-master`. */
  readonly function?: string | undefined
  /** How the expected flow will be translated. */
  readonly nat?: { readonly direction: 'original' | 'reply'; readonly tuple: FlowTuple } | undefined
}

/**
 * An expectation to create: a listed one, or as little as a tuple and its master. The kernel compares the destination whole, always; of the source what `mask` says.
 */
export interface ExpectationInput {
  readonly protocol: FlowProtocol
  /** The first packet of the expected flow. Without a source port (key, id of icmp) any will do. */
  readonly tuple: FlowTuple
  /**
   * Bits of the source that must match: an address as a mask, and a number for the port (key, id of icmp). Default: the whole address, and the whole port where `tuple`
   * has one other than 0. What it says of the destination must be all ones.
   */
  readonly mask?: Partial<FlowTuple> | undefined
  /** Either tuple of the flow that expects it. That flow must have a helper, which says how many can be expected at once: one more drops the oldest. */
  readonly master: FlowTuple & { readonly protocol: FlowProtocol }
  /** Seconds until it is forgotten, 0–4294967. Default: what the helper of the master says. The kernel takes it in a second request, after the first made the expectation. */
  readonly timeoutSeconds?: number | undefined
  /** Zone of the master, 0–65535; default 0. */
  readonly zone?: number | undefined
  /**
   * A helper of the master's protocol that the expected flow gets; needs to be loaded. Kernels with "netfilter: ctnetlink: ignore explicit helper on new expectations"
   * (2026, in stable releases too) pass over it, and list the master's.
   */
  readonly helper?: string | undefined
  /** `permanent`: it stays when it is met, until its time is over; `inactive`: nothing meets it. Default none. */
  readonly flags?: readonly string[] | undefined
  /** Class of what the helper expects (of sip: 0 signalling, 1 audio, 2 video, 3 image), 0–3; default 0. Kernels that heed `helper` pass over it where that is not named. */
  readonly class?: number | undefined
  /** Name of the kernel's function that sets the expected flow up, 1–255 bytes: `nat-follow-master`. */
  readonly function?: string | undefined
  /** What `function` translates by: the direction of the master that expects, and the source address and port that were there before NAT. */
  readonly nat?: { readonly direction: 'original' | 'reply'; readonly tuple: Partial<FlowTuple> } | undefined
}

/** Counters of a processor since boot (ctnetlink_ct_stat_cpu_fill_info); which ones depends on the kernel. 32-bit, they wrap. */
export interface ConntrackProcessorStatistics {
  readonly processor: number
  /** `found`, `invalid`, `insert`, `insertFailed`, `drop`, `earlyDrop`, `error`, `searchRestart`, `clashResolve`, `chainTooLong` … */
  readonly counters: Readonly<Record<string, number>>
}

/** How full the table is. */
export interface ConntrackUsage {
  /** Flows in this namespace (`nf_conntrack_count`). */
  readonly entries: number
  /** `nf_conntrack_max`: one limit, counted for each namespace alone. */
  readonly maxEntries: number
}

/** Options of calls that read flows. */
export interface FlowListOptions extends CallOptions {
  /** Which flows; default all. */
  readonly filter?: FlowFilter | readonly FlowFilter[] | undefined
  /**
   * `table`: the flows that are tracked (default). `dying`: ended, kept until all listeners were told; `unconfirmed`: the first packet is on its way (never listed from
   * Linux 6.3 on).
   */
  readonly source?: 'table' | 'dying' | 'unconfirmed' | undefined
}

/** Options of {@link Conntrack.list} and {@link Conntrack.listColumns}. */
export interface FlowReadOptions extends FlowListOptions {
  /** Zeroes the counters of every flow as it is read; only without a filter, as the kernel zeroes those that do not match too. */
  readonly zeroCounters?: boolean | undefined
}

/** Options of {@link Conntrack.iterate}. */
export interface FlowIterateOptions extends FlowListOptions {
  /** Flows that are read ahead, 1–65536; default 1024. */
  readonly rows?: number | undefined
}

/** What {@link Conntrack.removeWhere} did. */
export interface RemoveFlowsReport {
  /** Flows that the kernel gave to look at: fewer than the table holds where it filtered too. */
  readonly scanned: number
  readonly matched: number
  readonly removed: number
  /** Ended by themselves between being listed and being removed, or their tuple is another flow's by now. */
  readonly vanished: number
  /** Whether the kernel did a part of the filtering (NLM_F_DUMP_FILTERED). */
  readonly kernelFiltered: boolean
  readonly systemCalls: number
}
