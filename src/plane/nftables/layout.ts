/**
 * The objects that carry services in nf_tables: few and fixed; services are elements in them. docs/nftables-plane.md has the picture.
 */
import type { Chain, Expression, SetSpec } from '../../nftables/index.js'
import type { AddressFamily } from '../../address.js'
import type { Scheduler } from '../model.js'
import { ADDRESS_LENGTH, endpointsOf, isEndpoints, type ElementSet, type MembershipSet } from './compile.js'
import { address, conntrackBit, frontend, isIn, protocolAndPort, register, verdict } from './expressions.js'

/** Marks a table as ours; a table of our name without it is somebody else's. */
export const TABLE_COMMENT = 'netplane services 1'

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

/** Seed of the client hash: any number, but always the same one, so that a client keeps its endpoint when the process restarts. */
const HASH_SEED = 0x6e65_7470

/** IPS_DST_NAT and the bit of state `new`, include/uapi/linux/netfilter/nf_conntrack_common.h. */
const STATUS_DNAT = 0x20
const STATE_NEW = 8

/** ICMP_PORT_UNREACH, ICMPV6_PORT_UNREACH. */
const PORT_UNREACHABLE = { ip: 3, ip6: 4 } as const

/** A size in use: how endpoints are chosen, and among how many slots. */
export interface Size {
  readonly scheduler: Scheduler
  readonly slots: number
}

/** A size whose objects are in the kernel. */
export interface PlacedSize extends Size {
  /** What its endpoints map is called in the kernel: one of {@link mapNames}. */
  readonly map: string
}

/** The size that a membership set stands for; undefined for other sets. */
export function sizeOf(set: string): Size | undefined {
  const match = /^(random|hash)-([0-9]+)$/.exec(set)
  return match === null ? undefined : { scheduler: match[1] as Scheduler, slots: Number(match[2]) }
}

/** A chain of the layout with its rules. */
export interface LayoutChain {
  readonly chain: Omit<Chain, 'family' | 'table'>
  readonly rules: readonly (readonly Expression[])[]
}

type LayoutSet = Omit<SetSpec, 'family' | 'table'>

const ADDRESS_TYPE = { ip: 'ipv4_addr', ip6: 'ipv6_addr' } as const

function frontendSet(family: AddressFamily, name: string): LayoutSet {
  return { name, key: [ADDRESS_TYPE[family], 'inet_proto', 'inet_service'] }
}

function endpointsMap(family: AddressFamily, name: string): LayoutSet {
  const type = ADDRESS_TYPE[family]
  const daddr = family === 'ip' ? 'ip daddr' : 'ip6 daddr'
  return {
    name,
    key: [type, 'inet_proto', 'inet_service', 'host_integer32'],
    data: [type, 'inet_service'],
    typeof: { key: [daddr, 'meta l4proto', 'th dport', 'numgen random'], data: [daddr, 'th dport'] }
  }
}

/** How a set of services is declared; `name` in the kernel. */
export function declarationOf(family: AddressFamily, set: ElementSet, name: string = set): LayoutSet {
  if (isEndpoints(set)) return endpointsMap(family, name)
  return fixedSets(family, false).find((fixed) => fixed.name === set) ?? frontendSet(family, name)
}

/** The sets and maps that are always there. */
export function fixedSets(family: AddressFamily, localSources: boolean): LayoutSet[] {
  const type = ADDRESS_TYPE[family]
  return [
    { name: 'vips', key: type },
    frontendSet(family, 'unserved'),
    { name: 'hairpin', key: [type, type, 'inet_proto', 'inet_service'] },
    ...(localSources ? [{ name: 'local-sources', key: type, flags: ['interval' as const] }] : [])
  ]
}

/** The chain that balances over the slots of one size. */
export function balancingChain(family: AddressFamily, { scheduler, slots, map }: PlacedSize): LayoutChain {
  const length = ADDRESS_LENGTH[family]
  const slot = register(length + 8)
  const choose: Expression[] =
    scheduler === 'random'
      ? [{ type: 'numgen', destinationRegister: slot, modulus: slots, mode: 'random', offset: 0 }]
      : [
          address(family, 'source', length + 8),
          {
            type: 'hash',
            sourceRegister: slot,
            destinationRegister: slot,
            length,
            modulus: slots,
            seed: HASH_SEED,
            offset: 0,
            mode: 'jenkins'
          }
        ]
  const nat: Expression = { type: 'nat', nat: 'dnat', family, addressMinRegister: 1, protoMinRegister: register(length) }
  return {
    chain: { name: balancingName({ scheduler, slots }) },
    rules: [[...frontend(family), ...choose, { type: 'lookup', set: map, sourceRegister: 1, destinationRegister: 1, flags: [] }, nat]]
  }
}

/** Name of the balancing chain of a size. */
export function balancingName({ scheduler, slots }: Size): string {
  return scheduler === 'random' ? `lb-${slots}` : `lb-hash-${slots}`
}

/** Name of the set whose frontends have this size. */
export function membershipName({ scheduler, slots }: Size): MembershipSet {
  return `${scheduler}-${slots}`
}

/** The names that the endpoints map of a size takes in turn: a larger one must be in use before the smaller one goes. */
export function mapNames(size: Size): readonly [string, string] {
  const name = endpointsOf(membershipName(size))
  return [name, `${name}-b`]
}

/** A size with its objects as they are called when they are new. */
export function placed(size: Size): PlacedSize {
  return { ...size, map: mapNames(size)[0] }
}

/** The rule in chain `services` that sends the frontends of one size to its balancing chain. */
export function dispatchRule(family: AddressFamily, size: Size): Expression[] {
  return [...frontend(family), isIn(membershipName(size)), verdict('goto', balancingName(size))]
}

function hairpinRule(family: AddressFamily): Expression[] {
  const length = ADDRESS_LENGTH[family]
  return [
    ...conntrackBit('status', STATUS_DNAT),
    address(family, 'source', 0),
    address(family, 'destination', length),
    ...protocolAndPort(2 * length),
    isIn('hairpin'),
    { type: 'masq' }
  ]
}

/** After DNAT: the connection's original destination was ours, and its source is not local. */
function masqueradeRule(family: AddressFamily): Expression[] {
  return [
    ...conntrackBit('status', STATUS_DNAT),
    { type: 'ct', key: family === 'ip' ? 'dst-ip' : 'dst-ip6', direction: 'original', destinationRegister: 1 },
    isIn('vips'),
    address(family, 'source', 0),
    isIn('local-sources', true),
    { type: 'masq', flags: ['fully-random'] }
  ]
}

function rejectNewRule(family: AddressFamily): Expression[] {
  return [...conntrackBit('state', STATE_NEW), ...frontend(family), isIn('unserved'), verdict('goto', 'reject-unserved')]
}

function baseChain(name: string, type: 'nat' | 'filter', hook: Chain['hook'], priority: number, rules: LayoutChain['rules']): LayoutChain {
  return { chain: { name, type, hook, priority, policy: 'accept' }, rules }
}

const PRIORITY = { dstnat: -100, filter: 0, srcnat: 100 } as const

/**
 * All chains, those that are gone to before those that go. `sizes` in the order in which new connections are looked up.
 */
export function layoutChains(family: AddressFamily, sizes: readonly PlacedSize[], localSources: boolean): LayoutChain[] {
  const toServices = [[address(family, 'destination', 0), isIn('vips'), verdict('jump', 'services')]]
  const postrouting = localSources ? [hairpinRule(family), masqueradeRule(family)] : [hairpinRule(family)]
  const reject: Expression = { type: 'reject', with: 'icmp-unreachable', icmpCode: PORT_UNREACHABLE[family] }
  return [
    ...sizes.map((size) => balancingChain(family, size)),
    { chain: { name: 'reject-unserved' }, rules: [[reject]] },
    { chain: { name: 'services' }, rules: sizes.map((size) => dispatchRule(family, size)) },
    baseChain('nat-prerouting', 'nat', 'prerouting', PRIORITY.dstnat, toServices),
    baseChain('nat-output', 'nat', 'output', PRIORITY.dstnat, toServices),
    baseChain('nat-postrouting', 'nat', 'postrouting', PRIORITY.srcnat, postrouting),
    baseChain('filter-input', 'filter', 'input', PRIORITY.filter, [rejectNewRule(family)]),
    baseChain('filter-forward', 'filter', 'forward', PRIORITY.filter, [rejectNewRule(family)]),
    baseChain('filter-output', 'filter', 'output', PRIORITY.filter, [rejectNewRule(family)])
  ]
}

/** Whether a rule looks a set up. */
export function looksUp(expressions: readonly Expression[], set: string): boolean {
  return expressions.some((expression) => expression.type === 'lookup' && expression.set === set)
}
