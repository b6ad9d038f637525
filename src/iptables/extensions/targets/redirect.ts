/**
 * The target REDIRECT: connections go to this machine. net/netfilter/xt_REDIRECT.c, iptables-extensions(8).
 */
import type { NumberRange } from '../ranges.js'
import { MULTI_RANGE, RANGE } from './nat-range.js'
import { mappingPorts } from './nat-target.js'

/** To which ports. */
export interface RedirectOptions {
  /** A port, or the first and the last of a range, 0–65535; the rule must ask for a protocol with ports, or for ICMP. Absent: the one that was asked for. */
  readonly ports?: NumberRange
  /** Ports are mapped at random. */
  readonly random?: boolean
}

const given = { name: 'REDIRECT', module: 'xt_REDIRECT', revision: 0, flags: ['random'] } as const

/** One revision, of which each family has its own structure. */
export const REDIRECT = [
  mappingPorts<RedirectOptions, 'REDIRECT'>({ ...given, families: ['ip'], layout: MULTI_RANGE }),
  mappingPorts<RedirectOptions, 'REDIRECT'>({ ...given, families: ['ip6'], layout: RANGE })
] as const
