/**
 * The target DNAT: connections go to another address or port. net/netfilter/xt_nat.c, include/uapi/linux/netfilter/nf_nat.h, iptables-extensions(8).
 */
import { MULTI_RANGE, RANGE, RANGE2, type NatTo } from './nat-range.js'
import { mapping } from './nat-target.js'

/** Where connections go. */
export interface DnatOptions {
  /** Addresses or ports, or both. */
  readonly to: NatTo
  /** Ports are mapped at random. */
  readonly random?: boolean
  /** A client gets the same address for each of its connections. */
  readonly persistent?: boolean
}

const given = { name: 'DNAT', option: '--to-destination', flags: ['random', 'persistent'] } as const

/** Its revisions; iptables 1.8.9 writes the last one. */
export const DNAT = [
  mapping<DnatOptions, 'DNAT'>({ ...given, revision: 0, families: ['ip'], layout: MULTI_RANGE }),
  mapping<DnatOptions, 'DNAT'>({ ...given, revision: 1, families: ['ip', 'ip6'], layout: RANGE }),
  mapping<DnatOptions, 'DNAT'>({ ...given, revision: 2, families: ['ip', 'ip6'], layout: RANGE2 })
] as const
