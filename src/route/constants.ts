/**
 * Numbers of rtnetlink and the words for them.
 */
import type { AddressFlag, AddressScope, LinkFlag, RouteType } from './types.js'

// include/uapi/linux/if.h, v6.12
export const IFF_UP = 1
const linkFlagBits: readonly (readonly [LinkFlag, number])[] = [
  ['up', IFF_UP],
  ['broadcast', 0x2],
  ['debug', 0x4],
  ['loopback', 0x8],
  ['pointopoint', 0x10],
  ['notrailers', 0x20],
  ['running', 0x40],
  ['noarp', 0x80],
  ['promisc', 0x100],
  ['allmulti', 0x200],
  ['master', 0x400],
  ['slave', 0x800],
  ['multicast', 0x1000],
  ['portsel', 0x2000],
  ['automedia', 0x4000],
  ['dynamic', 0x8000],
  ['lower-up', 0x10000],
  ['dormant', 0x20000],
  ['echo', 0x40000]
]

// include/uapi/linux/if_addr.h, v6.12
const addressFlagList: readonly (readonly [AddressFlag, number])[] = [
  ['secondary', 0x1],
  ['nodad', 0x2],
  ['optimistic', 0x4],
  ['dadfailed', 0x8],
  ['homeaddress', 0x10],
  ['deprecated', 0x20],
  ['tentative', 0x40],
  ['permanent', 0x80],
  ['managetempaddr', 0x100],
  ['noprefixroute', 0x200],
  ['mcautojoin', 0x400],
  ['stable-privacy', 0x800]
]

/** Bits of the flags by name. */
export const addressFlagBits: ReadonlyMap<string, number> = new Map(addressFlagList)

/**
 * The flags that inet6_rtm_newaddr (net/ipv6/addrconf.c, v6.12) lets a caller set. IPv4 stores whatever it is given, so the others are never sent.
 */
export const settableFlags = 0x2 | 0x4 | 0x10 | 0x100 | 0x200 | 0x400

// include/uapi/linux/rtnetlink.h, enum rt_scope_t, v6.12
const scopes: ReadonlyMap<string, number> = new Map([
  ['global', 0],
  ['site', 200],
  ['link', 253],
  ['host', 254],
  ['nowhere', 255]
])
const scopeNames = new Map([...scopes].map(([name, number]) => [number, name as AddressScope]))

/** The number of a named scope; undefined where the name is none. */
export function scopeNumber(name: string): number | undefined {
  return scopes.get(name)
}

/** The name of a scope, or its number where it has none. */
export function scopeName(number: number): AddressScope {
  return scopeNames.get(number) ?? number
}

function namesOf<Name>(table: readonly (readonly [Name, number])[], bits: number): readonly Name[] {
  return table.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name)
}

/** The names of IFF_* bits. */
export function linkFlags(bits: number): readonly LinkFlag[] {
  return namesOf(linkFlagBits, bits)
}

/** The names of IFA_F_* bits. */
export function addressFlags(bits: number): readonly AddressFlag[] {
  return namesOf(addressFlagList, bits)
}

// include/uapi/linux/rtnetlink.h, RTN_*, v6.12
const routeTypes: readonly RouteType[] = [
  'unspecified',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw'
]

/** The name of a type of routes, or its number where it has none. */
export function routeTypeName(number: number): RouteType {
  return routeTypes[number] ?? number
}
