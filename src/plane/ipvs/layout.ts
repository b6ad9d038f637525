/**
 * What stands beside IPVS: the dummy device with the services' addresses, and a table of nf_tables for each family, which refuses and masquerades. IPVS itself does neither.
 */
import { createHash } from 'node:crypto'
import type { AddressFamily } from '../../core/address.js'
import { protocolNumbers, SERVICE_PROTOCOLS, type Protocol } from '../../core/protocols.js'
import type { ChainForm } from '../../nftables/compare.js'
import { type SetSpec } from '../../nftables/index.js'
import type { OwnTables } from '../../nftables/own-tables.js'
import { compileRule } from '../../nftables/rule/compile.js'
import { concat } from '../../nftables/rule/selector.js'
import { ct, ip, ip6, meta, th } from '../../nftables/rule/selectors.js'
import { jump, masquerade, reject, rule } from '../../nftables/rule/statements.js'
import type { RangesByFamily } from '../core/ranges.js'

/** How what is ours is made, but for the services. */
export interface SurroundingsOptions {
  /** Of the device. */
  readonly device: string
  /** Of the tables, one per family. */
  readonly table: string
  /** Ranges of set `local-sources`; absent: sources are left alone. */
  readonly localSources: RangesByFamily | undefined
  /** Addresses that are left to others. */
  readonly excluded: RangesByFamily
}

/** Begins the comment of every table that a plane of this kind has made. */
const COMMENT_PREFIX = 'netplane ipvs '
/** The comment of a table with the rules of this version. */
export const TABLE_COMMENT = `${COMMENT_PREFIX}2`

/** The tables by which we know what is ours, of any version. */
export function ownTables({ table }: SurroundingsOptions): OwnTables {
  return {
    name: table,
    isOurs: (comment) => comment?.startsWith(COMMENT_PREFIX) === true,
    otherwise: `does not begin with '${COMMENT_PREFIX}'`
  }
}

/**
 * The hardware address by which a device is known as ours: it is there from the moment the device is, which an alias (IFLA_IFALIAS) is not. Locally administered; `np`, `l` of netplane, and three bytes
 * that go by the name.
 */
export function deviceMark(name: string): string {
  const hash = createHash('sha256').update(name).digest()
  return ['6e', '70', '6c', ...[0, 1, 2].map((index) => hash[index]!.toString(16).padStart(2, '0'))].join(':')
}

/** A kind of set of the companion tables. */
export type SurroundingsKind = 'vips' | 'frontends' | 'hairpin'

/** One set of one family. There is one object for each, so that they can be compared and be keys of a Map. */
export interface SurroundingsSet {
  readonly family: AddressFamily
  /** Its name in the kernel too. `vips` are the addresses on the device as well. */
  readonly kind: SurroundingsKind
  readonly key: NonNullable<SetSpec['key']>
  readonly keyWidth: number
}

function makeSets(family: AddressFamily): Readonly<Record<SurroundingsKind, SurroundingsSet>> {
  const address = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  const length = family === 'ip' ? 4 : 16
  return {
    vips: { family, kind: 'vips', key: address, keyWidth: length },
    frontends: { family, kind: 'frontends', key: [address, 'inet_proto', 'inet_service'], keyWidth: length + 8 },
    hairpin: { family, kind: 'hairpin', key: [address, address], keyWidth: 2 * length }
  }
}

/** Every set there is. */
export const SURROUNDINGS: Readonly<Record<AddressFamily, Readonly<Record<SurroundingsKind, SurroundingsSet>>>> = {
  ip: makeSets('ip'),
  ip6: makeSets('ip6')
}

type Declaration = Pick<SetSpec, 'name' | 'key' | 'flags'>

/** All sets of a table, by name. */
export function declarations(family: AddressFamily, localSources: boolean): ReadonlyMap<string, Declaration> {
  const address = SURROUNDINGS[family].vips.key
  const all: Declaration[] = [
    ...Object.values(SURROUNDINGS[family]).map(({ kind, key }) => ({ name: kind, key })),
    { name: 'protocols', key: 'inet_proto' },
    ...(localSources ? [{ name: 'local-sources', key: address, flags: ['interval' as const] }] : [])
  ]
  return new Map(all.map((declaration) => [declaration.name, declaration]))
}

/** Protocols whose ports can be looked up: the elements of set `protocols`. */
export const PROTOCOLS: Readonly<Record<Protocol, number>> = protocolNumbers('tcp', 'udp', 'sctp')

function rulesOf(family: AddressFamily, localSources: boolean) {
  const address = family === 'ip' ? ip : ip6
  const original = family === 'ip' ? ct.original.ip.daddr : ct.original.ip6.daddr
  return {
    // The addresses are this node's own as far as the kernel can tell: what is no frontend must not reach a program that happens to listen there.
    input: [
      rule(
        ct.state.eq('new'),
        meta.l4proto.in('protocols'),
        address.daddr.in('vips'),
        concat(address.daddr, meta.l4proto, th.dport).notIn('frontends'),
        reject()
      )
    ],
    masquerade: [
      // A connection of this node's own to a service takes the service's address as its source.
      rule(address.saddr.in('vips'), masquerade()),
      rule(concat(address.saddr, address.daddr).in('hairpin'), masquerade()),
      ...(localSources ? [rule(address.saddr.notIn('local-sources'), masquerade())] : [])
    ],
    // `nft` knows the type of the original port, and can load what it lists, where the rule says the protocol.
    postrouting: SERVICE_PROTOCOLS.map((protocol) =>
      rule(meta.l4proto.eq(protocol), concat(original, meta.l4proto, ct.original.protoDst).in('frontends'), jump('masquerading'))
    )
  }
}

const CHAINS = {
  input: { name: 'input', type: 'filter', hook: 'input', priority: 0, policy: 'accept' },
  masquerade: { name: 'masquerading' },
  postrouting: { name: 'postrouting', type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' }
} as const

/** The chains of a table with their rules, those that are gone to before those that go. */
export function surroundingsChains(family: AddressFamily, { table, localSources }: SurroundingsOptions): ChainForm[] {
  const rules = rulesOf(family, localSources !== undefined)
  const compile = ({ statements }: ReturnType<typeof rule>) =>
    compileRule(statements, { family, table, nextSetId: () => 0, nextChainId: () => 0 }).expressions
  return (['input', 'masquerade', 'postrouting'] as const).map((name) => ({ chain: CHAINS[name], rules: rules[name].map(compile) }))
}
