/**
 * How sets are declared, but for their table.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { SetSpec } from '../../../nftables/index.js'
import { SETS, type ElementSet } from './sets.js'

/** A set without the table that it is in. */
export type LayoutSet = Omit<SetSpec, 'family' | 'table'>

/**
 * Elements from which on a new set declares its size. Then the kernel makes a table of buckets at once, where it otherwise begins with a few and moves all elements each time it has too many; but
 * it refuses what is beyond the size, so that such a set must be made anew to grow.
 */
const DECLARED_FROM = 1024

/**
 * The size to declare for a set that is to hold so many elements: half as many again to three times as many. undefined: none.
 *
 * The kernel takes 4/3 buckets an element, rounded up to a power of two (nft_hash_buckets in net/netfilter/nft_set_hash.c); this is the largest size for the buckets that it takes, as those cost
 * time and memory (8 bytes) whether they are used or not.
 */
export function declaredSize(elements: number): number | undefined {
  return elements < DECLARED_FROM ? undefined : 2 ** Math.ceil(Math.log2(elements * 2)) * 0.75
}

/** How a set of services is declared; `name` in the kernel. */
export function declarationOf(set: ElementSet, name: string = set.name): LayoutSet {
  return { name, ...SETS[set.kind].declare(set.family, set.scope) }
}

const ADDRESS_TYPE = { ip: 'ipv4_addr', ip6: 'ipv6_addr' } as const

/** The set of prefixes of local clients. */
export function localSourcesSet(family: AddressFamily): LayoutSet {
  return { name: 'local-sources', key: ADDRESS_TYPE[family], flags: ['interval'] }
}

/** The set of prefixes out of which cluster addresses are given. */
export function serviceRangesSet(family: AddressFamily): LayoutSet {
  return { name: 'service-ranges', key: ADDRESS_TYPE[family], flags: ['interval'] }
}

/** The set with what `net.ipv4.conf.all.route_localnet` was before a plane switched it on: one element, 0 or 1. */
export const ROUTE_LOCALNET_SET: LayoutSet = { name: 'route-localnet-found', key: 'mark' }

/** The set of this node's addresses at which its ports are served. */
export function nodeAddressesSet(family: AddressFamily): LayoutSet {
  return { name: 'node-addresses', key: ADDRESS_TYPE[family] }
}
