/**
 * The objects that carry services in nf_tables: few and fixed; services are elements in them. docs/nftables-plane.md has the picture.
 */
import type { AddressFamily } from '../../core/address.js'
import type { ChainForm } from '../../nftables/compare.js'
import type { Expression } from '../../nftables/expressions.js'
import type { Chain, SetSpec } from '../../nftables/index.js'
import type { OwnTables } from '../../nftables/own-tables.js'
import type { LocalSources } from '../core/local-sources.js'
import { address, conntrackBit, frontend, isIn, protocolAndPort, register, verdict } from './expressions.js'
import { ADDRESS_LENGTH, mapNames, SETS, type ElementSet, type SlotClass } from './sets.js'

/** How our tables are made, but for the services. */
export interface TableOptions {
  readonly name: string
  /** Ranges of set `local-sources`; absent: sources are left alone. */
  readonly localSources: LocalSources | undefined
}

/** Marks a table as ours; a table of our name without it is not ours. */
export const TABLE_COMMENT = 'netplane services 1'

/** The tables by which we know what is ours. */
export function ownTables({ name }: TableOptions): OwnTables {
  return { name, isOurs: (comment) => comment === TABLE_COMMENT, otherwise: `is not '${TABLE_COMMENT}'` }
}

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

/** A slot class whose objects are in the kernel. */
export interface PlacedClass {
  readonly slotClass: SlotClass
  /** What its endpoints map is called in the kernel: one of {@link mapNames}. */
  readonly map: string
}

type LayoutSet = Omit<SetSpec, 'family' | 'table'>

/** How a set of services is declared; `name` in the kernel. */
export function declarationOf(set: ElementSet, name: string = set.name): LayoutSet {
  return { name, ...SETS[set.kind].declare(set.family) }
}

/** The set of prefixes whose sources are left alone. */
export function localSourcesSet(family: AddressFamily): LayoutSet {
  return { name: 'local-sources', key: family === 'ip' ? 'ipv4_addr' : 'ipv6_addr', flags: ['interval'] }
}

/** The chain that balances over the slots of one class. */
export function balancingChain(family: AddressFamily, { slotClass, map }: PlacedClass): ChainForm {
  const { scheduler, slots } = slotClass
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
    chain: { name: balancingName(slotClass) },
    rules: [[...frontend(family), ...choose, { type: 'lookup', set: map, sourceRegister: 1, destinationRegister: 1, flags: [] }, nat]]
  }
}

/** Name of the balancing chain of a class. */
export function balancingName({ scheduler, slots }: SlotClass): string {
  return scheduler === 'random' ? `lb-${slots}` : `lb-${scheduler}-${slots}`
}

/** A class with its objects as they are called when they are new. */
export function placed(slotClass: SlotClass): PlacedClass {
  return { slotClass, map: mapNames(slotClass)[0] }
}

/** The rule in chain `services` that sends the frontends of one class to its balancing chain. */
export function dispatchRule(family: AddressFamily, slotClass: SlotClass): Expression[] {
  return [...frontend(family), isIn(slotClass.name), verdict('goto', balancingName(slotClass))]
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

function baseChain(name: string, type: 'nat' | 'filter', hook: Chain['hook'], priority: number, rules: ChainForm['rules']): ChainForm {
  return { chain: { name, type, hook, priority, policy: 'accept' }, rules }
}

const PRIORITY = { dstnat: -100, filter: 0, srcnat: 100 } as const

/**
 * All chains, those that are gone to before those that go. `classes` in the order in which new connections are looked up.
 */
export function layoutChains(family: AddressFamily, classes: readonly PlacedClass[], localSources: boolean): ChainForm[] {
  const toServices = [[address(family, 'destination', 0), isIn('vips'), verdict('jump', 'services')]]
  const postrouting = localSources ? [hairpinRule(family), masqueradeRule(family)] : [hairpinRule(family)]
  const reject: Expression = { type: 'reject', with: 'icmp-unreachable', icmpCode: PORT_UNREACHABLE[family] }
  return [
    ...classes.map((placedClass) => balancingChain(family, placedClass)),
    { chain: { name: 'reject-unserved' }, rules: [[reject]] },
    { chain: { name: 'services' }, rules: classes.map(({ slotClass }) => dispatchRule(family, slotClass)) },
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
