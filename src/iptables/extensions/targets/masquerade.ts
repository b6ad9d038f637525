/**
 * The target MASQUERADE: connections come from the address of the interface that they leave by. net/netfilter/xt_MASQUERADE.c, iptables-extensions(8).
 */
import type { NumberRange } from '../ranges.js'
import { MULTI_RANGE, RANGE } from './nat-range.js'
import { mappingPorts } from './nat-target.js'

/** How ports are chosen. */
export interface MasqueradeOptions {
  /** A port, or the first and the last of a range, 0–65535; the rule must ask for a protocol with ports, or for ICMP. Absent: they stay as they are where possible. */
  readonly ports?: NumberRange
  /** Ports are mapped at random. */
  readonly random?: boolean
  /** Ports are mapped at random throughout, by the kernel's random numbers. */
  readonly randomFully?: boolean
}

const given = { name: 'MASQUERADE', module: 'xt_MASQUERADE', revision: 0, flags: ['random', 'randomFully'] } as const

/** One revision, of which each family has its own structure. */
export const MASQUERADE = [
  mappingPorts<MasqueradeOptions, 'MASQUERADE'>({ ...given, families: ['ip'], layout: MULTI_RANGE }),
  mappingPorts<MasqueradeOptions, 'MASQUERADE'>({ ...given, families: ['ip6'], layout: RANGE })
] as const
