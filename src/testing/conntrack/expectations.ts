/**
 * The expectations of a fake connection tracking, and what the kernel would refuse (ctnetlink_new_expect, __nf_ct_expect_check).
 */
import { Buffer } from 'node:buffer'
import { encodeTuple } from '../../conntrack/details.js'
import { EBUSY, EEXIST, EINVAL, EMFILE, ENOENT, EOPNOTSUPP } from '../../core/errno.js'
import { AF_INET6 } from '../../core/protocols.js'
import type { NativeHeaderedRecord, NativeRecord } from '../../native/index.js'
import type { FakeFlow, TupleRecord } from './rows.js'

// include/uapi/asm-generic/errno-base.h
/** Default of nf_conntrack_expect_max on a machine with some memory. */
const MAX_EXPECTATIONS = 4096

interface FakeExpectation {
  readonly family: number
  readonly zone: number
  readonly id: number
  readonly master: FakeFlow
  readonly record: NativeRecord & { readonly tuple: TupleRecord; readonly mask: TupleRecord }
  expiresAt: number
}

/** How many a helper's class holds at once, and for how many seconds (struct nf_conntrack_expect_policy). */
type Policy = readonly [max: number, seconds: number]

/** Policies by class, of the modules nf_conntrack_<name>. */
const POLICIES: Readonly<Record<string, readonly Policy[]>> = {
  amanda: [[3, 180]],
  irc: [[8, 300]],
  pptp: [[2, 300]],
  sip: [
    [1, 180],
    [4, 180],
    [4, 180],
    [2, 180]
  ]
}
/** Of ftp, tftp, sane. */
const COMMON: readonly Policy[] = [[1, 300]]
/** nf_ct_helper_expectfn_register: those of nf_nat. */
const FUNCTIONS: ReadonlySet<unknown> = new Set(['nat-follow-master', 'sip', 'Q.931', 'callforwarding'])

const SOURCE_PORTS = ['sourcePort', 'icmpId', 'icmpv6Id']
const bytesOf = ({ addresses }: TupleRecord, side: 'source' | 'destination'): Uint8Array => (addresses[side] ?? addresses[`${side}6`])!
const sourcePortOf = ({ protocol }: TupleRecord): number => SOURCE_PORTS.reduce<number>((found, name) => protocol[name] ?? found, 0)

/** Everything but the source. */
function destinationKey(tuple: TupleRecord): string {
  const parts = Object.entries(tuple.protocol).filter(([name]) => !SOURCE_PORTS.includes(name))
  return `${Buffer.from(bytesOf(tuple, 'destination')).toString('hex')} ${JSON.stringify(parts.sort())}`
}

/** nf_ct_tuple_mask_cmp: equal sources under all of the masks, and equal destinations. */
function isAlike(one: TupleRecord, other: TupleRecord, masks: readonly TupleRecord[]): boolean {
  const [left, right] = [bytesOf(one, 'source'), bytesOf(other, 'source')]
  const addressMasks = masks.map((mask) => bytesOf(mask, 'source'))
  const portMask = masks.reduce((all, mask) => all & sourcePortOf(mask), 0xffff)
  return (
    destinationKey(one) === destinationKey(other) &&
    ((sourcePortOf(one) ^ sourcePortOf(other)) & portMask) === 0 &&
    left.every((byte, at) => addressMasks.reduce((rest, mask) => rest & mask[at]!, byte ^ right[at]!) === 0)
  )
}

/** Finds a flow by either of its tuples. */
export type MasterLookUp = (tuple: TupleRecord, family: number, zone: number) => FakeFlow | undefined

/** The expectations of one network namespace. */
export class FakeExpectations {
  readonly counters = { new: 0, create: 0, delete: 0 }
  readonly #all: FakeExpectation[] = []
  readonly #masterOf: MasterLookUp
  #nextId = 1

  constructor(masterOf: MasterLookUp) {
    this.#masterOf = masterOf
  }

  list(): readonly NativeHeaderedRecord[] {
    this.#expire()
    return this.#all.map(({ family, id, record, expiresAt }) => ({
      family,
      resource: 0,
      value: { ...record, id, timeoutSeconds: Math.max(0, Math.floor((expiresAt - Date.now()) / 1000)) }
    }))
  }

  /** The errno of a request; 0. */
  change(verb: 'create' | 'update' | 'delete', family: number, value: NativeRecord): number {
    this.#expire()
    const tuple = value['tuple'] as TupleRecord | undefined
    if (tuple === undefined) return this.#remove(() => true)
    const zone = (value['zone'] as number | undefined) ?? 0
    const found = this.#all.find((one) => one.family === family && one.zone === zone && isAlike(one.record.tuple, tuple, [one.record.mask]))
    if (verb === 'create') return found === undefined ? this.#create(family, zone, value) : EEXIST
    if (found === undefined) return ENOENT
    if (verb === 'update') found.expiresAt = Date.now() + (value['timeoutSeconds'] as number) * 1000
    else if (value['id'] !== undefined && value['id'] !== found.id) return ENOENT
    else this.#remove((one) => one === found)
    return 0
  }

  /** Forgets what a flow expects: it has ended, or has no helper any more. */
  forget(master: FakeFlow): void {
    this.#remove((one) => one.master === master)
  }

  #create(family: number, zone: number, value: NativeRecord): number {
    const {
      tuple,
      mask,
      master: masterTuple,
      class: given = 0,
      function: name
    } = value as unknown as {
      readonly tuple: TupleRecord
      readonly mask: TupleRecord
      readonly master: TupleRecord
      readonly class?: number
      readonly function?: string
    }
    const master = this.#masterOf(masterTuple, family, zone)
    if (master === undefined) return ENOENT
    if (master.helper === undefined) return EOPNOTSUPP
    const policies = POLICIES[master.helper] ?? COMMON
    if (given >= policies.length || (name !== undefined && !FUNCTIONS.has(name))) return EINVAL
    const clashes = this.#all.some(
      (one) => one.family === family && one.zone === zone && isAlike(one.record.tuple, tuple, [one.record.mask, mask])
    )
    if (clashes) return EBUSY
    const [max, seconds] = policies[given]!
    const siblings = this.#all.filter((one) => one.master === master && one.record['class'] === given)
    if (siblings.length >= max) this.#remove((one) => one === siblings[0])
    if (this.#all.length >= MAX_EXPECTATIONS) return EMFILE
    const record = { ...value, ...listedAs(value, master), tuple, mask: wholeMask(mask), class: given, helper: master.helper }
    delete (record as Record<string, unknown>)['zone']
    this.#all.push({ family, zone, id: this.#nextId++, master, record, expiresAt: Date.now() + seconds * 1000 })
    this.counters.create += 1
    return 0
  }

  #expire(): void {
    const now = Date.now()
    this.#remove(({ expiresAt }) => expiresAt <= now)
  }

  #remove(isMeant: (one: FakeExpectation) => boolean): 0 {
    for (const one of this.#all.filter(isMeant)) {
      this.#all.splice(this.#all.indexOf(one), 1)
      this.counters.delete += 1
    }
    return 0
  }
}

/** What the kernel lists otherwise than it was given: the original tuple of the master, and NAT in the master's protocol (ctnetlink_exp_dump_expect). */
function listedAs(value: NativeRecord, master: FakeFlow): NativeRecord {
  const family = master.family === AF_INET6 ? 'ip6' : 'ip'
  const length = master.family === AF_INET6 ? 16 : 4
  const addresses = { source: master.originalSource.slice(0, length), destination: master.originalDestination.slice(0, length) }
  const parts = { source: master.originalSourcePort, destination: master.originalDestinationPort }
  const nat = value['nat'] as { readonly direction: number; readonly tuple: TupleRecord } | undefined
  return {
    master: encodeTuple(family, master.protocol, addresses, parts),
    flags: value['flags'] ?? [],
    ...(nat && { nat: { ...nat, tuple: { ...nat.tuple, protocol: { ...nat.tuple.protocol, number: master.protocol } } } })
  }
}

/** As the kernel lists it: its destination has all bits set (ctnetlink_exp_dump_mask). */
function wholeMask({ addresses, protocol }: TupleRecord): TupleRecord {
  const isDestination = (name: string): boolean => !SOURCE_PORTS.includes(name)
  const wide = (name: string): number => (name.endsWith('Port') ? 0xffff : 0xff)
  return {
    addresses: Object.fromEntries(
      Object.entries(addresses).map(([name, bytes]) => [name, name.startsWith('destination') ? bytes!.map(() => 255) : bytes])
    ),
    protocol: Object.fromEntries(Object.entries(protocol).map(([name, part]) => [name, isDestination(name) ? wide(name) : part]))
  }
}
