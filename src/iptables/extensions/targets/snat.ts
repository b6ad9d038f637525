/**
 * The target SNAT: connections come from another address or port. net/netfilter/xt_nat.c, include/uapi/linux/netfilter/nf_nat.h, iptables-extensions(8).
 */
import { MULTI_RANGE, RANGE, type NatTo } from './nat-range.js'
import { mapping } from './nat-target.js'

/** Where connections come from. */
export interface SnatOptions {
  /** Addresses or ports, or both; no base port. */
  readonly to: NatTo
  /** Ports are mapped at random. */
  readonly random?: boolean
  /** Ports are mapped at random throughout, by the kernel's random numbers. */
  readonly randomFully?: boolean
  /** A client gets the same address for each of its connections. */
  readonly persistent?: boolean
}

const given = { name: 'SNAT', option: '--to-source', flags: ['random', 'randomFully', 'persistent'] } as const

/** The revisions that iptables 1.8.9 reads and writes; the kernel has more. */
export const SNAT = [
  mapping<SnatOptions, 'SNAT'>({ ...given, revision: 0, families: ['ip'], layout: MULTI_RANGE }),
  mapping<SnatOptions, 'SNAT'>({ ...given, revision: 1, families: ['ip6'], layout: RANGE })
] as const
