/**
 * Frontends as the tables of nf_tables have them.
 */
import { Buffer } from 'node:buffer'
import type { AddressFamily } from '../../core/address.js'
import type { ElementBuffer } from '../../nftables/element-buffer.js'
import type { Nftables } from '../../nftables/index.js'
import { FAMILIES } from '../../plane/core/frontend.js'
import { NO_ADDRESSES } from '../../plane/core/node/addresses.js'
import { checkNftablesOptions } from '../../plane/nftables/options.js'
import type { SetTables } from '../../plane/tables/elements/changes.js'
import { MAX_EXACT } from '../../plane/tables/layout/balancing.js'
import type { RelayPorts } from '../../plane/tables/elements/frontends.js'
import { endpointWords, frontendOfSlot, frontendWords, slotIn, type FrontendWords } from '../../plane/tables/elements/frontend-key.js'
import { commentOf } from '../../plane/tables/layout/comment.js'
import {
  FIXED_SETS,
  SCOPES,
  setsOf,
  type Audience,
  type ElementSet,
  type Mark,
  type Scope,
  type SlotClass
} from '../../plane/tables/layout/sets.js'
import type { TableOptions } from '../../plane/tables/layout/table.js'
import { readTables, type KernelTables, type TableReading } from '../../plane/tables/reading/inspect.js'
import { missingIn, missingMember, missingSlots, missingTo } from '../../plane/tables/reading/ways.js'
import { readCounted, type Counted } from './counted.js'
import { checkUserspaceOptions } from '../../plane/userspace/options.js'
import type { KernelMode } from '../options.js'
import { missingAround } from './around.js'
import { withMissing, type Clients, type ShownEndpoint, type ShownFrontend, type ShownRefusal, type ShownRelay } from './model.js'

/** What is said of a frontend, piece by piece. */
interface Draft {
  readonly family: AddressFamily
  readonly key: FrontendWords
  service: string | undefined
  readonly endpoints: ShownEndpoint[]
  readonly refusals: ShownRefusal[]
  readonly missing: string[]
  relays?: ShownRelay[]
}

/** An element as it was read. */
export interface ReadElement {
  readonly key: Uint8Array
  readonly data: Uint8Array
  /** The comment. */
  readonly service: string | undefined
}

/** The elements of a set that was read; none where it is not there. */
export function* elementsOf({ elements }: Pick<KernelTables, 'elements'>, set: ElementSet): Generator<ReadElement> {
  const buffer: ElementBuffer | undefined = elements.find(set)?.table.buffer
  for (let row = 0; row < (buffer?.rows ?? 0); row++) {
    const data = set.dataWidth === 0 ? new Uint8Array(0) : buffer!.dataAt(row)
    yield { key: buffer!.keyAt(row), data, service: commentOf(buffer!.userdataAt(row)) }
  }
}

/** Is told of a table of our name that is another program's, which is left out then. Absent: it is refused. */
export type OnForeign = TableReading['onForeign']

/** The tables of a name, with all elements but clients that are remembered. @throws {NetplaneError} `ERR_NETPLANE_FOREIGN` */
export async function readOurTables(nft: Nftables, options: TableOptions, onForeign: OnForeign): Promise<KernelTables> {
  return await readTables(nft, options, NO_ADDRESSES, { withElements: true, onForeign })
}

const CLIENTS: Readonly<Record<Audience, Clients>> = { direct: 'all', indirect: 'inside', outside: 'outside' }

const REFUSALS: readonly (readonly [Mark, ShownRefusal])[] = [
  ['refused', { type: 'refused', clients: 'all' }],
  ['refused-inside', { type: 'refused', clients: 'inside' }],
  ['dropped', { type: 'dropped', clients: 'all' }],
  ['dropped-outside', { type: 'dropped', clients: 'outside' }]
]

/**
 * Whose endpoints they are, where nothing is said of clients outside: then a list of source ranges says who is served, and all of them have the endpoints that stand there for clients inside.
 */
function forAllIn({ endpoints, refusals }: Draft): readonly ShownEndpoint[] {
  const isOutsideTold = [...endpoints, ...refusals].some(({ clients }) => clients !== 'inside')
  return isOutsideTold ? endpoints : endpoints.map((endpoint) => ({ ...endpoint, clients: 'all' }))
}

/** Frontends by their keys, in the order in which they are found. */
class Drafts {
  readonly #drafts = new Map<string, Draft>()

  of(family: AddressFamily, scope: Scope, { key, service }: ReadElement): Draft {
    const id = `${family} ${scope} ${Buffer.from(key).toString('hex')}`
    let draft = this.#drafts.get(id)
    if (draft === undefined) {
      draft = { family, key: frontendWords(scope, key), service, endpoints: [], refusals: [], missing: [] }
      this.#drafts.set(id, draft)
    }
    draft.service ??= service
    return draft
  }

  shown(mode: KernelMode, missingAround: (draft: Draft) => readonly string[] = () => []): ShownFrontend[] {
    return [...this.#drafts.values()].map((draft) => {
      const { key, missing: own, ...said } = draft
      const missing = [...new Set([...own, ...missingAround(draft)])]
      return { mode, ...said, ...key, endpoints: forAllIn(draft), isOurs: true, ...withMissing(missing) }
    })
  }
}

/** The slots of a frontend. */
interface FrontendSlots {
  readonly key: Uint8Array
  /** How many each endpoint has. */
  readonly byEndpoint: Map<string, number>
  count: number
  /** The last one that is used. */
  last: number
}

/** Slots by frontend: a frontend has as many rows as slots, and one row may be there for each of several. */
function slotsOf(tables: Pick<KernelTables, 'elements'>, set: ElementSet): ReadonlyMap<string, FrontendSlots> {
  const slots = new Map<string, FrontendSlots>()
  for (const { key, data } of elementsOf(tables, set)) {
    const frontend = Buffer.from(frontendOfSlot(key))
    const target = Buffer.from(data).toString('hex')
    const own = slots.get(frontend.toString('hex')) ?? { key: frontend, byEndpoint: new Map<string, number>(), count: 0, last: 0 }
    own.byEndpoint.set(target, (own.byEndpoint.get(target) ?? 0) + 1)
    own.count++
    own.last = Math.max(own.last, slotIn(key))
    slots.set(frontend.toString('hex'), own)
  }
  return slots
}

/** A slot class in a table. */
interface ClassPlace {
  readonly family: AddressFamily
  readonly slotClass: SlotClass
  /** Elements of its sets, and of others. */
  readonly elements: SetTables
}

const NO_DATA = new Uint8Array(0)
const NO_SLOTS = { count: 0, last: 0 }

/** @param countedOf What was counted of an endpoint, by its key in hexadecimal. */
function endpointsOf(
  slots: FrontendSlots | undefined,
  { slots: most, audience }: SlotClass,
  countedOf: (endpoint: string) => bigint | undefined
): ShownEndpoint[] {
  const { byEndpoint = [], count = 0 } = slots ?? {}
  // Of few slots each is in use, and a packet that chooses one that is empty is not served.
  const sum = most <= MAX_EXACT ? most : count
  const clients = CLIENTS[audience]
  return [...byEndpoint].map(([hex, used]) => ({
    ...endpointWords(Buffer.from(hex, 'hex')),
    ...{ clients, share: used / sum, connections: countedOf(hex) }
  }))
}

function addClass(drafts: Drafts, tables: KernelTables, place: ClassPlace, counted: Counted): void {
  const { family, slotClass, elements } = place
  const { scope, audience } = slotClass
  const { members, endpoints } = setsOf(family, slotClass)
  const slots = slotsOf({ elements }, endpoints)
  const lost = tables.lost.get(family)!
  const onTheWay = [...missingTo(lost, scope, audience), ...missingIn(lost, slotClass)]
  const found = new Set<string>()
  for (const element of elementsOf({ elements }, members)) {
    const frontend = Buffer.from(element.key).toString('hex')
    const countedOf = (endpoint: string): bigint | undefined => counted(family, scope, frontend, endpoint)
    const own = slots.get(frontend)
    const draft = drafts.of(family, scope, element)
    draft.endpoints.push(...endpointsOf(own, slotClass, countedOf))
    const map = lost.classes.get(slotClass) ?? tables.objects.nameOf(endpoints)
    draft.missing.push(...onTheWay, ...missingSlots(lost, map, slotClass, own ?? NO_SLOTS))
    found.add(frontend)
  }
  for (const [frontend, { key }] of slots) {
    if (found.has(frontend)) continue
    const draft = drafts.of(family, scope, { key, data: NO_DATA, service: undefined })
    draft.missing.push(missingMember(lost, slotClass))
  }
}

function addServed(drafts: Drafts, tables: KernelTables, family: AddressFamily, counted: Counted): void {
  const { elements, unled } = tables
  for (const slotClass of tables.objects.classes[family].keys()) addClass(drafts, tables, { family, slotClass, elements }, counted)
  for (const slotClass of tables.lost.get(family)?.classes.keys() ?? [])
    addClass(drafts, tables, { family, slotClass, elements: unled }, counted)
}

/** Frontends of mode ipvs some clients of which are refused, with nothing else. */
export function refusedFrontends(tables: KernelTables): ShownFrontend[] {
  const drafts = new Drafts()
  for (const family of FAMILIES) addRefused(drafts, tables, family)
  return drafts.shown('ipvs')
}

/** Whose relays they are is not asked: what is read says their ports. */
const NO_PORTS: RelayPorts = { portOf: () => 0 }

/** Data of a port is 2 bytes of a register. */
const portIn = (data: Uint8Array): number => Buffer.from(data).readUInt16BE(0)

function addRelayed(drafts: Drafts, tables: KernelTables, family: AddressFamily): void {
  for (const scope of SCOPES)
    for (const [audience, clients] of Object.entries(CLIENTS) as [Audience, Clients][])
      for (const element of elementsOf(tables, FIXED_SETS[family].relays[scope][audience])) {
        const draft = drafts.of(family, scope, element)
        draft.relays = [...(draft.relays ?? []), { port: portIn(element.data), clients }]
      }
}

/**
 * Frontends of mode userspace.
 *
 * @param name Of the tables; undefined: the usual one.
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of that name is not ours.
 */
export async function showRelays(nft: Nftables, name: string | undefined, onForeign?: OnForeign): Promise<ShownFrontend[]> {
  const tables = await readOurTables(nft, { ...checkUserspaceOptions({ name }).table, relays: NO_PORTS }, onForeign)
  const drafts = new Drafts()
  for (const family of FAMILIES) {
    addRelayed(drafts, tables, family)
    addRefused(drafts, tables, family)
  }
  return drafts.shown('userspace', missingAround(tables))
}

function addRefused(drafts: Drafts, tables: KernelTables, family: AddressFamily): void {
  for (const scope of SCOPES)
    for (const [mark, refusal] of REFUSALS)
      for (const element of elementsOf(tables, FIXED_SETS[family].marks[scope][mark]))
        drafts.of(family, scope, element).refusals.push(refusal)
}

/**
 * Frontends of mode nftables.
 *
 * @param name Of the tables; undefined: the usual one.
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of that name is not ours.
 */
export async function showTables(nft: Nftables, name: string | undefined, onForeign?: OnForeign): Promise<ShownFrontend[]> {
  const { table } = checkNftablesOptions({ name })
  const tables = await readOurTables(nft, table, onForeign)
  const counted = await readCounted(nft, table.name)
  const drafts = new Drafts()
  for (const family of FAMILIES) {
    addServed(drafts, tables, family, counted)
    addRefused(drafts, tables, family)
  }
  return drafts.shown('nftables', missingAround(tables))
}
