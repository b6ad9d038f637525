/**
 * From a service to the elements that it needs: a pure function, in blocks, because one service may need hundreds of thousands.
 */
import { familyOf, writeAddress, type AddressFamily } from '../../../core/address.js'
import type { Slices } from '../../../core/slices.js'
import { IS_LITTLE_ENDIAN } from '../../../nftables/datatypes.js'
import { FAMILIES, isAddressed, isOfFamily } from '../../core/frontend.js'
import { selectionOf, type Selection } from '../../core/balance/selection.js'
import { rangesOf } from '../../core/accept/source-ranges.js'
import { slotCount } from '../../core/balance/weights.js'
import type { Frontend, ModelScheduler, Service, TrafficPolicy } from '../../model.js'
import { FrontendKey, PROTOCOL_NUMBER } from './frontend-key.js'
import { EndpointRows, putPort } from './endpoint-rows.js'
import { classSetsOf, hasFamily, viewOf, visitFrontend, type CompileOptions, type FrontendSink, type ServiceView } from './frontends.js'
import {
  ADDRESS_LENGTH,
  FIXED_SETS,
  frontendLength,
  PORT_LENGTH,
  type Audience,
  type ElementSet,
  type RangeKind,
  type Scope
} from '../layout/sets.js'

/** Takes one element. `key` and `data` are scratch memory: copy what is kept. */
export type ElementVisitor = (set: ElementSet, key: Uint8Array, data: Uint8Array | undefined) => void

/** Elements that are visited in one go. */
const BLOCK = 512

const POLICIES: readonly TrafficPolicy[] = ['cluster', 'local']

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
  endpoints: ElementSet
  balance: Balance
}

/** Audiences that a frontend may have slots for: all clients, or those inside and those outside. */
const MAX_WORK = 2

/** Memory for one service at a time: keys and data, and the rows of its endpoints. */
class Scratch implements FrontendSink {
  /** Slots of the frontend that was visited last: as many as are said. */
  readonly work: readonly SlotWork[]
  works = 0
  readonly #keys = { ip: keysOf('ip'), ip6: keysOf('ip6') } as const
  readonly #data = { ip: new Uint8Array(8), ip6: new Uint8Array(20) } as const
  readonly #hairpins = { ip: new Uint8Array(16), ip6: new Uint8Array(40) } as const
  readonly #balances = { cluster: new Balance(), local: new Balance() } as const
  /** A mark, which has the byte order of this machine. */
  readonly #mark = new Uint32Array(1)
  readonly #markBytes = new Uint8Array(this.#mark.buffer)
  readonly #port = new Uint8Array(PORT_LENGTH)
  /** Protocol and port, as a frontend of kind `node` has them. */
  readonly #relayKey = new Uint8Array(frontendLength('ip', 'node'))
  readonly #visit: ElementVisitor
  readonly #options: CompileOptions
  // One function for all services: making one for each costs more than what it does.
  readonly #slotsOf = (policy: TrafficPolicy): number => this.#balances[policy].count
  #service: Service | undefined
  #view: ServiceView | undefined
  #frontend: Frontend | undefined
  #key = this.#keys.ip.address

  constructor(visit: ElementVisitor, options: CompileOptions) {
    this.#visit = visit
    this.#options = options
    const { cluster: balance } = this.#balances
    this.work = Array.from({ length: MAX_WORK }, () => ({ endpoints: FIXED_SETS.ip.hairpin, balance }))
  }

  /** Begins with a service and family. */
  begin(service: Service, family: AddressFamily): void {
    this.#service = service
    this.#view = viewOf(service, this.#options, selectionOf(service, family), this.#slotsOf)
  }

  /** Takes the endpoints that are chosen under a policy. Returns the balance whose slots are to be placed, if there are any. */
  load(policy: TrafficPolicy): Balance | undefined {
    const balance = this.#balances[policy]
    balance.clear()
    const { selection } = this.#view!
    if (selection[policy] === undefined || !usesPolicy(this.#service!, policy) || !this.#needsEndpoints()) return undefined
    balance.load(this.#service!, selection, policy)
    return balance
  }

  /** Whether endpoints are asked for at all: IPVS has them itself, and of its tables only those of this node are elements. */
  #needsEndpoints(): boolean {
    const { isByIpvs, isByRelays } = this.#view!
    return !isByRelays && (!isByIpvs || hasLocalEndpoint(this.#service!))
  }

  /** Visits what a frontend needs, but for its slots, which are {@link Scratch.work} then. */
  visitFrontend(frontend: Frontend): void {
    this.works = 0
    this.#key = this.#keys[this.#view!.family][isAddressed(frontend) ? 'address' : 'node']
    this.#frontend = frontend
    this.#key.write(this.#service!.protocol, frontend)
    visitFrontend(frontend, this.#view!, this)
  }

  /** Visits elements of an endpoints map: one for each slot of the frontend that was visited last. */
  visitSlots({ endpoints, balance }: SlotWork, from: number, to: number): void {
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
    const key = this.#hairpins[family]
    key[2 * length] = PROTOCOL_NUMBER[this.#service!.protocol]
    for (let policy = 0; policy < POLICIES.length; policy++) {
      const { rows } = this.#balances[POLICIES[policy]!]
      for (let index = 0; rows.hasLocal && index < rows.count; index++) {
        if (rows.endpointAt(index).local !== true) continue
        rows.copyData(index, data)
        for (let byte = 0; byte < length; byte++) key[byte] = key[length + byte] = data[byte]!
        key[2 * length + 4] = data[length]!
        key[2 * length + 5] = data[length + 1]!
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
    const { length } = this.#key.address
    const half = length + frontend.length
    const key = new Uint8Array(2 * half)
    key.set(frontend, length)
    key.set(frontend, half + length)
    for (const { from, to } of rangesOf(prefixes)) {
      key.set(from)
      key.set(to, half)
      this.#visit(set, key, undefined)
    }
  }

  balance(scope: Scope, audience: Audience, policy: TrafficPolicy): void {
    const sets = classSetsOf(this.#view!, scope, audience, policy)
    this.frontend(sets.members)
    const work = this.work[this.works++]!
    work.endpoints = sets.endpoints
    work.balance = this.#balances[policy]
  }

  mark(set: ElementSet, isOutside: boolean): void {
    this.#mark[0] = this.#options.marks!.markOf(this.#service!.protocol, this.#frontend!, isOutside)
    this.#visit(set, this.#key.frontend, this.#markBytes)
  }

  relay(set: ElementSet, policy: TrafficPolicy): void {
    const { family } = this.#view!
    const port = this.#options.relays!.portOf(this.#service!, this.#frontend!, family, policy)
    putPort(this.#port, 0, port)
    this.#visit(set, this.#key.frontend, this.#port)
    this.#relayKey[0] = PROTOCOL_NUMBER[this.#service!.protocol]
    putPort(this.#relayKey, 4, port)
    this.#visit(FIXED_SETS[family].relayPorts, this.#relayKey, undefined)
  }
}

/** Whether some frontend balances over the endpoints that are chosen under a policy. */
function usesPolicy({ frontends }: Service, policy: TrafficPolicy): boolean {
  for (let index = 0; index < frontends.length; index++) {
    const { kind, trafficPolicy = 'cluster' } = frontends[index]!
    if (trafficPolicy === policy || (policy === 'cluster' && kind !== 'cluster')) return true
  }
  return false
}

/** Whether an endpoint of a service is on this node. */
function hasLocalEndpoint({ endpoints }: Service): boolean {
  for (let index = 0; index < endpoints.length; index++) if (endpoints[index]!.local === true) return true
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
    if (hasFamily(service, 'ip')) this.#addSmall(service, 'ip')
    if (hasFamily(service, 'ip6')) this.#addSmall(service, 'ip6')
    return undefined
  }

  #addSmall(service: Service, family: AddressFamily): void {
    const scratch = this.#small
    scratch.begin(service, family)
    scratch.load('cluster')?.place()
    scratch.load('local')?.place()
    const { frontends } = service
    // By index: of lists that are frozen an iterator leaves an object for each entry.
    for (let index = 0; index < frontends.length; index++) {
      if (!isOfFamily(frontends[index]!, family)) continue
      scratch.visitFrontend(frontends[index]!)
      for (let work = 0; work < scratch.works; work++) scratch.visitSlots(scratch.work[work]!, 0, scratch.work[work]!.balance.count)
    }
    scratch.visitEndpoints()
  }

  async #addLarge(service: Service, slices: Slices): Promise<void> {
    const scratch = new Scratch(this.#visit, this.#options)
    const isConsistent = this.#options.schedulerOf(service) === 'consistent'
    for (const family of FAMILIES) {
      if (!hasFamily(service, family)) continue
      scratch.begin(service, family)
      for (const policy of POLICIES) {
        const balance = scratch.load(policy)
        if (balance !== undefined) await placeInSlices(balance, isConsistent, slices)
      }
      for (const frontend of service.frontends) {
        if (!isOfFamily(frontend, family)) continue
        if (slices.isOver) await slices.turn()
        scratch.visitFrontend(frontend)
        for (let work = 0; work < scratch.works; work++) await visitInSlices(scratch, scratch.work[work]!, slices)
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

/** Elements for the source ranges of a frontend. */
function rangeCount(frontend: Frontend): number {
  if (frontend.kind !== 'loadBalancer' || frontend.sourceRanges === undefined) return 0
  const { allow, deny } = frontend.sourceRanges
  return (allow?.length ?? 0) + (deny?.length ?? 0)
}

/** Whether a service needs more elements than may be visited in one go. */
function isLarge({ endpoints, frontends }: Service, scheduler: ModelScheduler): boolean {
  if (scheduler === 'consistent' || endpoints.length * frontends.length > BLOCK) return true
  let ranges = 0
  for (let index = 0; index < frontends.length; index++) ranges += rangeCount(frontends[index]!)
  if (ranges > BLOCK) return true
  let sum = 0
  for (let index = 0; index < endpoints.length; index++) sum += endpoints[index]!.weight ?? 1
  // Weights may make any number of slots.
  return sum * frontends.length > BLOCK && slotCount(endpoints) * frontends.length > BLOCK
}
