/**
 * From a service to the elements that it needs: a pure function, in blocks, because one service may need hundreds of thousands.
 */
import { familyOf, writeAddress, type AddressFamily } from '../../core/address.js'
import { protocolNumbers, type Protocol } from '../../core/protocols.js'
import type { Slices } from '../../core/slices.js'
import { IS_LITTLE_ENDIAN } from '../../nftables/datatypes.js'
import { tableSize } from '../core/consistent.js'
import { FAMILIES, isAddressed, isOfFamily } from '../core/frontend.js'
import { isChosen, selectionOf, type Selection } from '../core/selection.js'
import { rangesOf } from '../core/source-ranges.js'
import { slotCount } from '../core/weights.js'
import type { Endpoint, Frontend, ModelScheduler, Service, TrafficPolicy } from '../model.js'
import { EndpointRows, putPort } from './endpoint-rows.js'
import { choiceOf, visitFrontend, type CompileOptions, type FrontendSink, type ServiceView } from './frontends.js'
import { ADDRESS_LENGTH, FIXED_SETS, frontendLength, type ClassSets, type ElementSet, type RangeKind, type Scope } from './sets.js'

/** IPPROTO_*, include/uapi/linux/in.h. */
const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = protocolNumbers('tcp', 'udp', 'sctp')

/** Takes one element. `key` and `data` are scratch memory: copy what is kept. */
export type ElementVisitor = (set: ElementSet, key: Uint8Array, data: Uint8Array | undefined) => void

/** Elements that are visited in one go. */
const BLOCK = 512

const POLICIES: readonly TrafficPolicy[] = ['cluster', 'local']

/** Memory for the keys of one family and scope: a frontend's key, with room for a slot behind it. */
class FrontendKey {
  readonly slot: Uint8Array
  readonly frontend: Uint8Array
  /** The address alone; of no length for a port of the node's. */
  readonly address: Uint8Array

  constructor(family: AddressFamily, scope: Scope) {
    const length = frontendLength(family, scope)
    this.slot = new Uint8Array(length + 4)
    this.frontend = this.slot.subarray(0, length)
    this.address = this.slot.subarray(0, length - 8)
  }

  write(protocol: Protocol, frontend: Frontend): void {
    const { length } = this.address
    if (isAddressed(frontend)) writeAddress(frontend.address, this.slot, 0)
    this.slot[length] = PROTOCOL_NUMBER[protocol]
    putPort(this.slot, length + 4, frontend.port)
  }
}

const keysOf = (family: AddressFamily): Readonly<Record<Scope, FrontendKey>> => ({
  address: new FrontendKey(family, 'address'),
  node: new FrontendKey(family, 'node')
})

/** The chosen endpoints of one policy, and which of them each slot has. */
class Balance {
  readonly rows = new EndpointRows()
  #slots: Uint32Array | undefined
  count = 0

  /** Takes the endpoints. */
  load(service: Service, selection: Selection, policy: TrafficPolicy): void {
    this.rows.load(service, selection, policy)
  }

  /** Says which endpoint each slot has. */
  place(): void {
    this.#take(this.rows.slots())
  }

  /** As {@link Balance.place}, for scheduler `consistent`: in steps. */
  *placeConsistently(): Generator<undefined> {
    this.#take(yield* this.rows.consistentSlots())
  }

  clear(): void {
    this.count = 0
    this.rows.clear()
  }

  copyData(slot: number, data: Uint8Array): void {
    this.rows.copyData(this.#slots === undefined ? slot : this.#slots[slot]!, data)
  }

  #take(slots: Uint32Array | undefined): void {
    this.#slots = slots
    this.count = slots?.length ?? this.rows.count
  }
}

/** Slots that are still to be visited. */
interface SlotWork {
  readonly sets: ClassSets
  readonly balance: Balance
}

/** Memory for one service at a time: keys and data, and the rows of its endpoints. */
class Scratch implements FrontendSink {
  /** Slots of the frontend that was visited last. */
  readonly work: SlotWork[] = []
  readonly #keys = { ip: keysOf('ip'), ip6: keysOf('ip6') } as const
  readonly #data = { ip: new Uint8Array(8), ip6: new Uint8Array(20) } as const
  readonly #balances = { cluster: new Balance(), local: new Balance() } as const
  readonly #visit: ElementVisitor
  readonly #options: CompileOptions
  #service: Service | undefined
  #view: ServiceView | undefined
  #key = this.#keys.ip.address

  constructor(visit: ElementVisitor, options: CompileOptions) {
    this.#visit = visit
    this.#options = options
  }

  /** Begins with a service and family. Returns the balances whose slots are to be placed. */
  load(service: Service, family: AddressFamily): readonly Balance[] {
    const selection = selectionOf(service, family)
    this.#service = service
    this.#view = viewOf(service, this.#options.schedulerOf(service), selection, (policy) => this.#balances[policy].count)
    const loaded: Balance[] = []
    for (const policy of POLICIES) {
      const balance = this.#balances[policy]
      balance.clear()
      if (selection[policy] === undefined || !usesPolicy(service, policy)) continue
      balance.load(service, selection, policy)
      loaded.push(balance)
    }
    return loaded
  }

  /** Visits what a frontend needs, but for its slots, which are {@link Scratch.work} then. */
  visitFrontend(frontend: Frontend): void {
    this.work.length = 0
    this.#key = this.#keys[this.#view!.family][isAddressed(frontend) ? 'address' : 'node']
    this.#key.write(this.#service!.protocol, frontend)
    visitFrontend(frontend, this.#view!, this)
  }

  /** Visits elements of an endpoints map: one for each slot of the frontend that was visited last. */
  visitSlots({ sets: { endpoints }, balance }: SlotWork, from: number, to: number): void {
    const key = this.#key.slot
    const data = this.#data[endpoints.family]
    const low = key.length - (IS_LITTLE_ENDIAN ? 4 : 1)
    const high = key.length - (IS_LITTLE_ENDIAN ? 3 : 2)
    for (let slot = from; slot < to; slot++) {
      // numgen and jhash leave their result in host order.
      key[low] = slot
      key[high] = slot >>> 8
      balance.copyData(slot, data)
      this.#visit(endpoints, key, data)
    }
  }

  /** Visits what is known of single endpoints, whatever frontends lead to them. */
  visitEndpoints(): void {
    this.#visitHairpins()
    if (this.#options.dropInvalid) this.#visitAll()
  }

  /** Every endpoint, in whatever state: it may still have connections. */
  #visitAll(): void {
    const { family } = this.#view!
    const length = ADDRESS_LENGTH[family]
    const { protocol, endpoints } = this.#service!
    const key = new Uint8Array(length + 8)
    key[length] = PROTOCOL_NUMBER[protocol]
    for (const { address, port } of endpoints) {
      if (familyOf(address) !== family) continue
      writeAddress(address, key, 0)
      putPort(key, length + 4, port)
      this.#visit(FIXED_SETS[family]['all-endpoints'], key, undefined)
    }
  }

  /** Endpoints of this node, which may meet themselves. */
  #visitHairpins(): void {
    const { family } = this.#view!
    const length = ADDRESS_LENGTH[family]
    const data = this.#data[family]
    for (const policy of POLICIES) {
      const { rows } = this.#balances[policy]
      for (let index = 0; rows.hasLocal && index < rows.count; index++) {
        if (rows.endpointAt(index).local !== true) continue
        rows.copyData(index, data)
        const key = new Uint8Array(2 * length + 8)
        key.set(data.subarray(0, length))
        key.set(data.subarray(0, length), length)
        key[2 * length] = PROTOCOL_NUMBER[this.#service!.protocol]
        key.set(data.subarray(length, length + 2), 2 * length + 4)
        this.#visit(FIXED_SETS[family].hairpin, key, undefined)
      }
    }
  }

  address(set: ElementSet): void {
    this.#visit(set, this.#key.address, undefined)
  }

  frontend(set: ElementSet): void {
    this.#visit(set, this.#key.frontend, undefined)
  }

  ranges(kind: RangeKind, prefixes: readonly string[]): void {
    const { frontend } = this.#key
    const set = FIXED_SETS[this.#view!.family][kind]
    for (const { from, to } of rangesOf(prefixes)) this.#visit(set, Uint8Array.of(...from, ...frontend, ...to, ...frontend), undefined)
  }

  slots(sets: ClassSets, policy: TrafficPolicy): void {
    this.frontend(sets.members)
    this.work.push({ sets, balance: this.#balances[policy] })
  }
}

/** Whether some frontend balances over the endpoints that are chosen under a policy. */
function usesPolicy({ frontends }: Service, policy: TrafficPolicy): boolean {
  for (const { kind, trafficPolicy = 'cluster' } of frontends)
    if (trafficPolicy === policy || (policy === 'cluster' && kind !== 'cluster')) return true
  return false
}

function viewOf(
  { affinity, protocol }: Service,
  scheduler: ModelScheduler,
  selection: Selection,
  slotsOf: (policy: TrafficPolicy) => number
): ServiceView {
  const stickiness = affinity === undefined ? undefined : { protocol, timeoutSeconds: affinity.timeoutSeconds }
  return { family: selection.family, selection, choice: choiceOf(scheduler), stickiness, slotsOf }
}

/** Whether a service has frontends in a family. */
function hasFamily(service: Service, family: AddressFamily): boolean {
  for (const frontend of service.frontends) if (isOfFamily(frontend, family)) return true
  return false
}

/** Visits every element that services need in the kernel. Shared elements may be visited more than once. */
export class ElementWalk {
  readonly #visit: ElementVisitor
  readonly #options: CompileOptions
  /** Of services that are visited in one go; never held across a turn of the event loop. */
  readonly #small: Scratch

  constructor(visit: ElementVisitor, options: CompileOptions) {
    this.#visit = visit
    this.#options = options
    this.#small = new Scratch(visit, options)
  }

  /** Visits what an accepted service needs. Returns a promise where the service is large: then the event loop turns in between, when the slice is over. */
  add(service: Service, slices: Slices): Promise<void> | undefined {
    if (isLarge(service, this.#options.schedulerOf(service))) return this.#addLarge(service, slices)
    for (const family of FAMILIES) if (hasFamily(service, family)) this.#addSmall(service, family)
    return undefined
  }

  #addSmall(service: Service, family: AddressFamily): void {
    const scratch = this.#small
    for (const balance of scratch.load(service, family)) balance.place()
    for (const frontend of service.frontends) {
      if (!isOfFamily(frontend, family)) continue
      scratch.visitFrontend(frontend)
      for (const work of scratch.work) scratch.visitSlots(work, 0, work.balance.count)
    }
    scratch.visitEndpoints()
  }

  async #addLarge(service: Service, slices: Slices): Promise<void> {
    const scratch = new Scratch(this.#visit, this.#options)
    const isConsistent = this.#options.schedulerOf(service) === 'consistent'
    for (const family of FAMILIES) {
      if (!hasFamily(service, family)) continue
      const balances = scratch.load(service, family)
      for (const balance of balances) await placeInSlices(balance, isConsistent, slices)
      for (const frontend of service.frontends) {
        if (!isOfFamily(frontend, family)) continue
        if (slices.isOver) await slices.turn()
        scratch.visitFrontend(frontend)
        for (const work of scratch.work) await visitInSlices(scratch, work, slices)
      }
      scratch.visitEndpoints()
    }
  }
}

async function placeInSlices(balance: Balance, isConsistent: boolean, slices: Slices): Promise<void> {
  if (slices.isOver) await slices.turn()
  if (!isConsistent) {
    balance.place()
    return
  }
  const steps = balance.placeConsistently()
  while (steps.next().done !== true) if (slices.isOver) await slices.turn()
}

async function visitInSlices(scratch: Scratch, work: SlotWork, slices: Slices): Promise<void> {
  const { count } = work.balance
  for (let from = 0; from < count; from += BLOCK) {
    if (slices.isOver) await slices.turn()
    scratch.visitSlots(work, from, Math.min(from + BLOCK, count))
  }
}

/** Whether a service needs more elements than may be visited in one go. */
function isLarge({ endpoints, frontends }: Service, scheduler: ModelScheduler): boolean {
  if (scheduler === 'consistent' || endpoints.length * frontends.length > BLOCK) return true
  for (const frontend of frontends) if (frontend.kind === 'loadBalancer' && frontend.sourceRanges !== undefined) return true
  let sum = 0
  for (const { weight = 1 } of endpoints) sum += weight
  // Weights may make any number of slots.
  return sum * frontends.length > BLOCK && slotCount(endpoints) * frontends.length > BLOCK
}

/** Takes how many elements of a set a service needs. */
export type CountVisitor = (set: ElementSet, elements: number) => void

/** Counts what services need, without putting it together; shared elements aside. */
class ElementCounter implements FrontendSink {
  readonly #visit: CountVisitor
  readonly #slots = { cluster: -1, local: -1 }
  #family: AddressFamily = 'ip'
  #slotsOf: ServiceView['slotsOf'] = () => 0

  constructor(visit: CountVisitor) {
    this.#visit = visit
  }

  count(service: Service, { schedulerOf }: CompileOptions): void {
    const scheduler = schedulerOf(service)
    for (const family of FAMILIES) if (hasFamily(service, family)) this.#countFamily(service, scheduler, family)
  }

  address(): void {
    // Of several services, perhaps.
  }

  frontend(set: ElementSet): void {
    this.#visit(set, 1)
  }

  ranges(kind: RangeKind, prefixes: readonly string[]): void {
    this.#visit(FIXED_SETS[this.#family][kind], prefixes.length)
  }

  slots({ members, endpoints }: ClassSets, policy: TrafficPolicy): void {
    this.#visit(members, 1)
    this.#visit(endpoints, this.#slotsOf(policy))
  }

  #countFamily(service: Service, scheduler: ModelScheduler, family: AddressFamily): void {
    const selection = selectionOf(service, family)
    const slots = this.#slots
    slots.cluster = slots.local = -1
    this.#family = family
    this.#slotsOf = (policy) => (slots[policy] < 0 ? (slots[policy] = countSlots(service, scheduler, selection, policy)) : slots[policy])
    const view = viewOf(service, scheduler, selection, this.#slotsOf)
    for (const frontend of service.frontends) if (isOfFamily(frontend, family)) visitFrontend(frontend, view, this)
  }
}

/** As {@link ElementCounter} does, for one service. */
export function countElements(service: Service, options: CompileOptions, visit: CountVisitor): void {
  new ElementCounter(visit).count(service, options)
}

/** Whether a service has elements in a set that is not shared. */
export function needsSet(service: Service, options: CompileOptions, set: ElementSet): boolean {
  let isNeeded = false
  countElements(service, options, (counted) => (isNeeded ||= counted === set))
  return isNeeded
}

function countSlots({ endpoints }: Service, scheduler: ModelScheduler, selection: Selection, policy: TrafficPolicy): number {
  const isWanted = (endpoint: Endpoint): boolean => isChosen(selection, policy, endpoint)
  return scheduler === 'consistent' ? tableSize(endpoints.filter(isWanted).length) : slotCount(endpoints, isWanted)
}
