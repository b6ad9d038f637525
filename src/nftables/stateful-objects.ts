/**
 * Named objects of a table that rules refer to, beside counters: quotas, limits, and what rules give to connections and packets. The fields of `data` are the attributes that
 * the kernel keeps (include/uapi/linux/netfilter/nf_tables.h); it checks them when the transaction is committed.
 */
import { ValidationError } from '../core/errors.js'
import type { ConnlimitExpression, LimitExpression, QuotaExpression } from './expressions.js'
import type { Family } from './families.js'
import type { SynproxyExpression } from './further-expressions.js'
import { OBJECT_KINDS } from './set-constants.js'
import type { ObjectKind } from './sets.js'
import type { Commented } from './userdata.js'

/** Transport protocols by name, or by number. */
export type TransportName = 'icmp' | 'tcp' | 'udp' | 'dccp' | 'gre' | 'icmpv6' | 'sctp' | 'udplite' | number
/** Versions of IP that an object is for. Default: that of the table; `inet` is both. */
export type NetworkFamily = 'inet' | 'ip' | 'ip6' | number

/** A helper of connection tracking that rules give to connections. The kernel needs its module: `nf_conntrack_ftp`. */
export interface HelperData {
  /** 1–15 bytes: `ftp`, `sip`, `tftp`. */
  readonly helper: string
  readonly family?: NetworkFamily
  readonly protocol: TransportName
}

/** Time-outs of TCP, seconds; those that are absent are the kernel's. */
export interface TcpTimeoutPolicy {
  readonly synSent?: number
  readonly synRecv?: number
  readonly established?: number
  readonly finWait?: number
  readonly closeWait?: number
  readonly lastAck?: number
  readonly timeWait?: number
  readonly close?: number
  readonly synSent2?: number
  readonly retrans?: number
  readonly unack?: number
}

/** Time-outs of UDP, seconds; those that are absent are the kernel's. */
export interface UdpTimeoutPolicy {
  readonly unreplied?: number
  readonly replied?: number
}

/** Time-outs that rules give to connections (Linux 4.18). */
export type TimeoutData = { readonly family?: NetworkFamily } & (
  | { readonly protocol: 'tcp'; readonly policySeconds: TcpTimeoutPolicy }
  | { readonly protocol: 'udp'; readonly policySeconds: UdpTimeoutPolicy }
  /** As listed: what other protocols have comes back as it was, in `opaque`. */
  | { readonly protocol: Exclude<TransportName, 'tcp' | 'udp'> }
)

/** A connection that is to be expected beside the one that meets the rule (Linux 5.3). */
export interface ExpectationData {
  readonly family?: NetworkFamily
  readonly protocol: TransportName
  /** 0–65535: where the expected connection goes. */
  readonly port: number
  /** How long it is expected, milliseconds. */
  readonly timeoutMs: number
  /** How many may be expected at once, 0–255. */
  readonly size: number
}

/** A label of the security module that runs (Linux 4.20). */
export interface SecmarkData {
  /** 1–4096 bytes: `system_u:object_r:httpd_t:s0`. */
  readonly context: string
}

/** What an object of each kind holds. */
export interface ObjectData {
  readonly quota: Omit<QuotaExpression, 'type'>
  readonly limit: Omit<LimitExpression, 'type'>
  readonly connlimit: Omit<ConnlimitExpression, 'type'>
  readonly synproxy: Omit<SynproxyExpression, 'type'>
  readonly 'ct-helper': HelperData
  readonly 'ct-timeout': TimeoutData
  readonly 'ct-expect': ExpectationData
  readonly secmark: SecmarkData
}

/** Names a stateful object. */
export interface ObjectReference {
  readonly family: Family
  readonly table: string
  /** 1–255 bytes. */
  readonly name: string
  /** By name or number (NFT_OBJECT_*): 2 quota, 3 ct helper, 4 limit, 5 connlimit, 6 tunnel, 7 ct timeout, 8 secmark, 9 ct expectation, 10 synproxy. */
  readonly objectType: ObjectKind
}

/**
 * A stateful object of another kind than a counter, with what it holds: `{ …, objectType: 'quota', data: { bytes: 1_000_000n } }`. Of kinds that have no words here
 * `data` is the payload of NFTA_OBJ_DATA, byte for byte, and it may be so for the others, too.
 */
export type StatefulObject = Commented &
  ObjectReference &
  (
    | { readonly [Kind in keyof ObjectData]: { readonly objectType: Kind; readonly data: ObjectData[Kind] } }[keyof ObjectData]
    | { readonly data: Uint8Array }
  )

/** A stateful object as the kernel has it. */
export type ListedObject = StatefulObject & {
  readonly handle: bigint
  readonly use: number
}

/** NFT_OBJECT_COUNTER. */
export const COUNTER_TYPE = 1
/** NFT_OBJECT_QUOTA. */
export const QUOTA_TYPE = 2

/** NFT_OBJECT_* of a kind. @throws {ValidationError} */
export function objectTypeNumber(path: string, kind: unknown): number {
  const number = typeof kind === 'number' ? kind : OBJECT_KINDS.indexOf(String(kind))
  if (!Number.isInteger(number) || number < 1 || number > 0xffff_ffff)
    throw new ValidationError(path, kind, `${OBJECT_KINDS.slice(1).join(', ')}, or an integer from 1 to 4294967295`)
  return number
}

/** The kind's name, or its number where it has none. */
export function objectTypeName(number: number): ObjectKind {
  return (OBJECT_KINDS[number] as ObjectKind | undefined) ?? number
}
