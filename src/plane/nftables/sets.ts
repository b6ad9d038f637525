/**
 * The sets and maps that services are elements of. Each kind is described once, here.
 */
import type { AddressFamily } from '../../core/address.js'
import type { SetSpec } from '../../nftables/index.js'
import type { Scheduler } from '../model.js'

/** Bytes of an address, per family. */
export const ADDRESS_LENGTH: Readonly<Record<AddressFamily, number>> = { ip: 4, ip6: 16 }

/** How endpoints are chosen, and among how many slots: services of one class share their sets, a chain and a rule. */
export interface SlotClass {
  readonly scheduler: Scheduler
  readonly slots: number
  /** `random-3`, `hash-7`. */
  readonly name: string
}

/**
 * When a removal may happen. A packet may look one set up before a commit and the next after it, so what the first look-up leads to must outlive it:
 * 1: together with the additions · 2: memberships, once the new ones stand · 3: slots and addresses, once no membership leads to them.
 */
export type Phase = 1 | 2 | 3
export const PHASES: readonly Phase[] = [1, 2, 3]

/** A kind of set. `members` and `endpoints` exist once for each slot class. */
export type SetKind = 'vips' | 'unserved' | 'hairpin' | 'members' | 'endpoints'

type Declaration = Omit<SetSpec, 'family' | 'table' | 'name'>

interface KindDescription {
  /** Bytes of a key and of the data (0: a set), for addresses of `length` bytes; every field takes a multiple of 4. */
  readonly key: (length: number) => number
  readonly data: (length: number) => number
  /** Whether an element may belong to several services at once: an address, a local endpoint. */
  readonly shared: boolean
  /** Whether elements carry the service's name as comment. */
  readonly named: boolean
  readonly removedIn: Phase
  readonly declare: (family: AddressFamily) => Declaration
}

const ADDRESS_TYPE = { ip: 'ipv4_addr', ip6: 'ipv6_addr' } as const

const frontends = (family: AddressFamily): Declaration => ({ key: [ADDRESS_TYPE[family], 'inet_proto', 'inet_service'] })

function slots(family: AddressFamily): Declaration {
  const type = ADDRESS_TYPE[family]
  const daddr = family === 'ip' ? 'ip daddr' : 'ip6 daddr'
  return {
    key: [type, 'inet_proto', 'inet_service', 'host_integer32'],
    data: [type, 'inet_service'],
    typeof: { key: [daddr, 'meta l4proto', 'th dport', 'numgen random'], data: [daddr, 'th dport'] }
  }
}

/** Every kind there is. */
export const SETS: Readonly<Record<SetKind, KindDescription>> = {
  vips: {
    key: (length) => length,
    data: () => 0,
    shared: true,
    named: false,
    removedIn: 3,
    declare: (family) => ({ key: ADDRESS_TYPE[family] })
  },
  unserved: { key: (length) => length + 8, data: () => 0, shared: false, named: true, removedIn: 2, declare: frontends },
  hairpin: {
    key: (length) => 2 * length + 8,
    data: () => 0,
    shared: true,
    named: false,
    removedIn: 3,
    declare: (family) => ({ key: [ADDRESS_TYPE[family], ADDRESS_TYPE[family], 'inet_proto', 'inet_service'] })
  },
  members: { key: (length) => length + 8, data: () => 0, shared: false, named: true, removedIn: 2, declare: frontends },
  endpoints: { key: (length) => length + 12, data: (length) => length + 4, shared: false, named: false, removedIn: 3, declare: slots }
}

/** The kinds of which each family has exactly one set, whatever services there are. */
export const FIXED_KINDS = ['vips', 'unserved', 'hairpin'] as const

/** One set or map of one family. There is one object for each, so that they can be compared and be keys of a Map. */
export interface ElementSet {
  readonly family: AddressFamily
  readonly kind: SetKind
  /** Of `members` and `endpoints`. */
  readonly slotClass: SlotClass | undefined
  /** In the kernel; an endpoints map may have another one ({@link mapNames}). */
  readonly name: string
  readonly keyWidth: number
  readonly dataWidth: number
  readonly description: KindDescription
}

const classes = new Map<string, SlotClass>()

/** The class of a scheduler and a number of slots; one object for each. */
export function slotClassOf(scheduler: Scheduler, count: number): SlotClass {
  const name = `${scheduler}-${count}`
  let slotClass = classes.get(name)
  if (slotClass === undefined) classes.set(name, (slotClass = { scheduler, slots: count, name }))
  return slotClass
}

function makeSet(family: AddressFamily, kind: SetKind, name: string, slotClass?: SlotClass): ElementSet {
  const description = SETS[kind]
  const length = ADDRESS_LENGTH[family]
  return { family, kind, slotClass, name, keyWidth: description.key(length), dataWidth: description.data(length), description }
}

function makeFixed(family: AddressFamily): Readonly<Record<(typeof FIXED_KINDS)[number], ElementSet>> {
  return {
    vips: makeSet(family, 'vips', 'vips'),
    unserved: makeSet(family, 'unserved', 'unserved'),
    hairpin: makeSet(family, 'hairpin', 'hairpin')
  }
}

/** The sets that are always there. */
export const FIXED_SETS: Readonly<Record<AddressFamily, ReturnType<typeof makeFixed>>> = { ip: makeFixed('ip'), ip6: makeFixed('ip6') }

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
    const members = makeSet(family, 'members', slotClass.name, slotClass)
    const endpoints = makeSet(family, 'endpoints', mapNames(slotClass)[0], slotClass)
    classSets[family].set(slotClass, (sets = { members, endpoints }))
  }
  return sets
}

/** The names that the endpoints map of a class takes in turn: a larger one must be in use before the smaller one goes. */
export function mapNames({ scheduler, slots: count }: Pick<SlotClass, 'scheduler' | 'slots'>): readonly [string, string] {
  const name = scheduler === 'random' ? `endpoints-${count}` : `endpoints-${scheduler}-${count}`
  return [name, `${name}-b`]
}
