/**
 * The sets and maps that services are elements of. Each kind is described once, here.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { Protocol } from '../../../core/protocols.js'
import type { SetSpec } from '../../../nftables/index.js'

/** Bytes of an address, per family. */
export const ADDRESS_LENGTH: Readonly<Record<AddressFamily, number>> = { ip: 4, ip6: 16 }

/**
 * What a frontend's key is. `address`: destination address, protocol and port. `node`: protocol and port, behind the question whether the destination is an address of this node.
 */
export type Scope = 'address' | 'node'
export const SCOPES: readonly Scope[] = ['address', 'node']

/**
 * Whose packets are looked up in a set of frontends. `direct`: everybody's, first of all. `indirect`: of frontends that had something else to be asked before, such as who the client is.
 * `outside`: those of clients from outside, of the same frontends.
 */
export type Audience = 'direct' | 'indirect' | 'outside'

/** How a slot is chosen. */
export type Choice = 'random' | 'hash'

/** How clients are remembered. */
export interface Stickiness {
  /** The rule that remembers them must say it: the original port of a connection has no type for `nft` otherwise, which could then not load what it listed. */
  readonly protocol: Protocol
  readonly timeoutSeconds: number
}

/** How endpoints are chosen, and among how many slots: frontends of one class share their sets, a chain and a rule. */
export interface SlotClass {
  readonly scope: Scope
  readonly audience: Audience
  readonly choice: Choice
  /** A client's endpoint is looked for in the map of clients first. */
  readonly isSticky: boolean
  /** One of {@link classSize}. */
  readonly slots: number
  /** `random-4`, `hash-8`, `node-outside-random-4-sticky`. */
  readonly name: string
}

/**
 * When a removal may happen. A packet may look one set up before a commit and the next after it, so what the first look-up leads to must outlive it:
 * 1: together with the additions · 2: memberships, once the new ones stand · 3: slots and addresses, once no membership leads to them.
 */
export type Phase = 1 | 2 | 3
export const PHASES: readonly Phase[] = [1, 2, 3]

/** Sets of addresses. */
const ADDRESS_KINDS = ['cluster-ips', 'external-ips'] as const
/** Sets of frontends of either scope: what becomes of their packets, or what else is to be asked. */
const MARKS = ['refused', 'refused-inside', 'dropped', 'dropped-outside', 'external-local', 'masqueraded', 'masqueraded-own'] as const
/** Sets of frontends with an address of their own alone. Those that are `served` are told where IPVS balances. */
const ADDRESS_MARKS = ['ranged', 'restricted', 'unmasqueraded', 'served'] as const
/** Sets of clients and the frontends that take them, or do not. */
const RANGES = ['allowed', 'denied'] as const

/** Sets of single endpoints: those of this node, for connections to themselves, and all of them, where option `dropInvalid` asks for it. */
const ENDPOINT_KINDS = ['hairpin', 'all-endpoints'] as const

/** What is said of a frontend by an element of a set. */
export type Mark = (typeof MARKS)[number]
/** What is said of a frontend with an address of its own. */
export type AddressMark = (typeof ADDRESS_MARKS)[number]
type EndpointKind = (typeof ENDPOINT_KINDS)[number]
/** Which list of source ranges. */
export type RangeKind = (typeof RANGES)[number]

/**
 * A kind of set. `members` and `endpoints` exist once for each slot class, `sticky` once for each scope, protocol and time-out. `fwmarks` are maps from frontends to the marks by which IPVS finds their virtual
 * services. `relays` are maps from frontends to the ports of their relays, which `relay-ports` has all.
 */
export type SetKind =
  | (typeof ADDRESS_KINDS)[number]
  | Mark
  | AddressMark
  | RangeKind
  | EndpointKind
  | 'relays'
  | 'relay-ports'
  | 'sticky'
  | 'members'
  | 'endpoints'
  | 'fwmarks'

type Declaration = Omit<SetSpec, 'family' | 'table' | 'name'>

interface KindDescription {
  /** Bytes of a key and of the data (0: a set), for frontends of `frontend` bytes and addresses of `length` bytes; every field takes a multiple of 4. */
  readonly key: (frontend: number, length: number) => number
  readonly data: (length: number) => number
  /** Whether an element may belong to several services at once: an address, a local endpoint. */
  readonly shared: boolean
  /** Whether elements carry the service's name as comment. */
  readonly named: boolean
  readonly removedIn: Phase
  /** Whether elements are ranges: a row has the first key and the last one. */
  readonly isRange: boolean
  /** Whether it may declare its size: ranges are in no table of buckets, and a map that rules always ask cannot be replaced by a larger one. */
  readonly isSized: boolean
  readonly declare: (family: AddressFamily, scope: Scope) => Declaration
}

const ADDRESS_TYPE = { ip: 'ipv4_addr', ip6: 'ipv6_addr' } as const
const DESTINATION = { ip: 'ip daddr', ip6: 'ip6 daddr' } as const

const frontendTypes = (family: AddressFamily, scope: Scope) =>
  scope === 'address' ? ([ADDRESS_TYPE[family], 'inet_proto', 'inet_service'] as const) : (['inet_proto', 'inet_service'] as const)

const frontends = (family: AddressFamily, scope: Scope): Declaration => ({ key: frontendTypes(family, scope) })

function slots(family: AddressFamily, scope: Scope): Declaration {
  const [daddr, protocol, port] = [DESTINATION[family], 'meta l4proto', 'th dport'] as const
  return {
    key: [...frontendTypes(family, scope), 'host_integer32'],
    data: [ADDRESS_TYPE[family], 'inet_service'],
    typeof: { key: [...(scope === 'address' ? [daddr] : []), protocol, port, 'numgen random'], data: [daddr, port] }
  }
}

const addresses = (family: AddressFamily): Declaration => ({ key: ADDRESS_TYPE[family] })

const ADDRESSES: KindDescription = {
  key: (_, length) => length,
  data: () => 0,
  shared: true,
  named: false,
  removedIn: 3,
  isRange: false,
  isSized: true,
  declare: addresses
}

const MEMBERS: KindDescription = {
  key: (frontend) => frontend,
  data: () => 0,
  shared: false,
  named: true,
  removedIn: 2,
  isRange: false,
  isSized: true,
  declare: frontends
}

const NAMELESS: KindDescription = { ...MEMBERS, named: false }

const CLIENT_RANGES: KindDescription = {
  ...NAMELESS,
  key: (frontend, length) => 2 * (length + frontend),
  removedIn: 3,
  isRange: true,
  isSized: false,
  declare: (family, scope) => ({ key: [ADDRESS_TYPE[family], ...frontendTypes(family, scope)], flags: ['interval'] })
}

/** Bytes of a port that is an element's whole data: what is alone is not filled up. */
export const PORT_LENGTH = 2

/** Bytes of a packet's mark. */
export const MARK_LENGTH = 4

/** The mark in an element's data, which has the byte order of this machine. */
export function markIn(data: Uint8Array): number {
  return new Uint32Array(data.slice(0, MARK_LENGTH).buffer)[0]!
}

/** Every kind there is. */
export const SETS: Readonly<Record<SetKind, KindDescription>> = {
  'cluster-ips': ADDRESSES,
  'external-ips': ADDRESSES,
  refused: MEMBERS,
  'refused-inside': MEMBERS,
  dropped: MEMBERS,
  'dropped-outside': MEMBERS,
  'external-local': NAMELESS,
  masqueraded: NAMELESS,
  'masqueraded-own': NAMELESS,
  ranged: NAMELESS,
  restricted: NAMELESS,
  unmasqueraded: NAMELESS,
  served: MEMBERS,
  fwmarks: {
    ...MEMBERS,
    data: () => MARK_LENGTH,
    isSized: false,
    declare: (family, scope) => ({ ...frontends(family, scope), data: 'mark' })
  },
  relays: {
    ...MEMBERS,
    data: () => PORT_LENGTH,
    isSized: false,
    declare: (family, scope) => ({ ...frontends(family, scope), data: 'inet_service' })
  },
  'relay-ports': { ...ADDRESSES, key: (frontend) => frontend, declare: frontends },
  allowed: CLIENT_RANGES,
  denied: CLIENT_RANGES,
  sticky: NAMELESS,
  hairpin: {
    ...ADDRESSES,
    key: (_, length) => 2 * length + 8,
    declare: (family) => ({ key: [ADDRESS_TYPE[family], ADDRESS_TYPE[family], 'inet_proto', 'inet_service'] })
  },
  'all-endpoints': {
    ...ADDRESSES,
    key: (_, length) => length + 8,
    declare: (family) => frontends(family, 'address')
  },
  members: MEMBERS,
  endpoints: { ...NAMELESS, key: (frontend) => frontend + 4, data: (length) => length + 4, removedIn: 3, declare: slots }
}

/** One set or map of one family. There is one object for each, so that they can be compared and be keys of a Map. */
export interface ElementSet {
  readonly family: AddressFamily
  readonly scope: Scope
  readonly kind: SetKind
  /** Of `members` and `endpoints`. */
  readonly slotClass: SlotClass | undefined
  /** Of `sticky`. */
  readonly stickiness: Stickiness | undefined
  /** In the kernel; an endpoints map may have another one ({@link mapNames}). */
  readonly name: string
  readonly keyWidth: number
  readonly dataWidth: number
  readonly description: KindDescription
}

/** Bytes of a frontend's key. */
export function frontendLength(family: AddressFamily, scope: Scope): number {
  return scope === 'address' ? ADDRESS_LENGTH[family] + 8 : 8
}

function makeSet(
  family: AddressFamily,
  scope: Scope,
  kind: SetKind,
  name: string,
  more: { readonly slotClass?: SlotClass; readonly stickiness?: Stickiness } = {}
): ElementSet {
  const description = SETS[kind]
  const length = ADDRESS_LENGTH[family]
  const keyWidth = description.key(frontendLength(family, scope), length)
  const { slotClass, stickiness } = more
  return { family, scope, kind, slotClass, stickiness, name, keyWidth, dataWidth: description.data(length), description }
}

/** The sets of marks, by what they say. */
export type MarkSets = Readonly<Record<Mark, ElementSet>>

/** The sets that are always there, whatever services there are. */
export interface FixedSets extends Readonly<Record<(typeof ADDRESS_KINDS)[number] | AddressMark | RangeKind | EndpointKind, ElementSet>> {
  readonly marks: Readonly<Record<Scope, MarkSets>>
  /** For frontends with an address: of clients from outside alone. */
  readonly fwmarks: Readonly<Record<FwmarkSet, ElementSet>>
  /** Where relays balance: which port an audience is sent to. */
  readonly relays: Readonly<Record<Scope, Readonly<Record<Audience, ElementSet>>>>
  readonly relayPorts: ElementSet
}

/** The maps of marks, by whose packets they are. */
type FwmarkSet = 'outside' | 'node' | 'node-outside'

/** What the names of sets and chains of a scope begin with. */
export const PREFIX: Readonly<Record<Scope, string>> = { address: '', node: 'node-' }

function record<Key extends string>(keys: readonly Key[], make: (key: Key) => ElementSet): Readonly<Record<Key, ElementSet>> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<Key, ElementSet>
}

function makeFixed(family: AddressFamily): FixedSets {
  const marks = (scope: Scope): MarkSets => record(MARKS, (mark) => makeSet(family, scope, mark, `${PREFIX[scope]}${mark}`))
  const relays = (scope: Scope): Readonly<Record<Audience, ElementSet>> => ({
    direct: makeSet(family, scope, 'relays', `${PREFIX[scope]}relays`),
    indirect: makeSet(family, scope, 'relays', `${PREFIX[scope]}relays-indirect`),
    outside: makeSet(family, scope, 'relays', `${PREFIX[scope]}relays-outside`)
  })
  return {
    ...record([...ADDRESS_KINDS, ...ADDRESS_MARKS, ...RANGES, ...ENDPOINT_KINDS], (kind) => makeSet(family, 'address', kind, kind)),
    marks: { address: marks('address'), node: marks('node') },
    fwmarks: {
      outside: makeSet(family, 'address', 'fwmarks', 'fwmarks-outside'),
      node: makeSet(family, 'node', 'fwmarks', 'node-fwmarks'),
      'node-outside': makeSet(family, 'node', 'fwmarks', 'node-fwmarks-outside')
    },
    relays: { address: relays('address'), node: relays('node') },
    relayPorts: makeSet(family, 'node', 'relay-ports', 'relay-ports')
  }
}

/** The sets that are always there. */
export const FIXED_SETS: Readonly<Record<AddressFamily, FixedSets>> = { ip: makeFixed('ip'), ip6: makeFixed('ip6') }

/** The map with the marks of packets; undefined: IPVS knows them by the frontend's address and port. */
export function fwmarkSetOf(family: AddressFamily, scope: Scope, isOutside: boolean): ElementSet | undefined {
  const { fwmarks } = FIXED_SETS[family]
  if (scope === 'node') return isOutside ? fwmarks['node-outside'] : fwmarks.node
  return isOutside ? fwmarks.outside : undefined
}

/** What decides which sets are always there. */
interface FixedSetOptions {
  readonly dropInvalid: boolean
  /** Present where IPVS balances. */
  readonly marks: unknown
  /** Present where relays balance. */
  readonly relays: unknown
}

/** Sets that are about the source of translated connections: those that relays take come to an end there. */
const ABOUT_SOURCES: ReadonlySet<SetKind> = new Set<SetKind>(['hairpin', 'masqueraded', 'masqueraded-own', 'unmasqueraded'])

/** The sets of a table that are there whatever the services are, in a list. */
export function fixedSets(family: AddressFamily, { dropInvalid, marks: ipvs, relays: byRelays }: FixedSetOptions): readonly ElementSet[] {
  const { marks, fwmarks, served, relays, relayPorts, 'all-endpoints': allEndpoints, ...sets } = FIXED_SETS[family]
  const all = [
    ...Object.values(sets),
    ...(dropInvalid ? [allEndpoints] : []),
    ...(ipvs === undefined ? [] : [served, ...Object.values(fwmarks)]),
    ...Object.values(marks.address),
    ...Object.values(marks.node)
  ]
  if (byRelays === undefined) return all
  return [...all.filter(({ kind }) => !ABOUT_SOURCES.has(kind)), ...SCOPES.flatMap((scope) => Object.values(relays[scope])), relayPorts]
}

/** Largest class of which each number of slots has its own. */
const MAX_EXACT = 4

/**
 * The slots among which a new connection chooses, for frontends with `count` of them: as many up to 4, else the next power of two, so that there are few classes to look up. Where there is nothing in
 * the chosen slot, it chooses again.
 */
export function classSize(count: number): number {
  return count <= MAX_EXACT ? count : 1 << (32 - Math.clz32(count - 1))
}

/** The classes that were asked for, by a number made of what makes them: a hundred thousand frontends ask, and a name is put together once. */
const classes = new Map<number, SlotClass>()
const AUDIENCE_NUMBER: Readonly<Record<Audience, number>> = { direct: 0, indirect: 1, outside: 2 }

/** A class by what makes it; one object for each. `count` slots are in use. */
export function slotClassOf(scope: Scope, audience: Audience, choice: Choice, isSticky: boolean, count: number): SlotClass {
  const size = classSize(count)
  const flags = (scope === 'node' ? 1 : 0) + (choice === 'hash' ? 2 : 0) + (isSticky ? 4 : 0)
  const key = (size * 3 + AUDIENCE_NUMBER[audience]) * 8 + flags
  let slotClass = classes.get(key)
  if (slotClass === undefined) {
    const name = `${PREFIX[scope]}${audience === 'direct' ? '' : `${audience}-`}${choice}-${size}${isSticky ? '-sticky' : ''}`
    classes.set(key, (slotClass = { scope, audience, choice, isSticky, slots: size, name }))
  }
  return slotClass
}

/** The sets of one slot class. */
export interface ClassSets {
  readonly members: ElementSet
  readonly endpoints: ElementSet
}

const classSets: Readonly<Record<AddressFamily, Map<SlotClass, ClassSets>>> = { ip: new Map(), ip6: new Map() }

/** The set with the frontends of a class, and the map from frontend and slot to endpoint. */
export function setsOf(family: AddressFamily, slotClass: SlotClass): ClassSets {
  let sets = classSets[family].get(slotClass)
  if (sets === undefined) {
    const { scope, name } = slotClass
    const members = makeSet(family, scope, 'members', name, { slotClass })
    const endpoints = makeSet(family, scope, 'endpoints', mapNames(slotClass)[0], { slotClass })
    classSets[family].set(slotClass, (sets = { members, endpoints }))
  }
  return sets
}

/** The names that the endpoints map of a class takes in turn: a larger one must be in use before the smaller one goes. */
export function mapNames({ name }: Pick<SlotClass, 'name'>): readonly [string, string] {
  return [`endpoints-${name}`, `endpoints-${name}-b`]
}

const stickySets: Readonly<Record<AddressFamily, Map<string, ElementSet>>> = { ip: new Map(), ip6: new Map() }

/** The frontends of a protocol whose clients are remembered for a time. */
export function stickySetOf(family: AddressFamily, scope: Scope, stickiness: Stickiness): ElementSet {
  const name = `${PREFIX[scope]}sticky-${stickiness.protocol}-${stickiness.timeoutSeconds}`
  let set = stickySets[family].get(name)
  if (set === undefined) stickySets[family].set(name, (set = makeSet(family, scope, 'sticky', name, { stickiness })))
  return set
}
