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
import type { RelayPorts } from '../../plane/tables/elements/frontends.js'
import { endpointWords, frontendOfSlot, frontendWords, type FrontendWords } from '../../plane/tables/elements/frontend-key.js'
import { commentOf } from '../../plane/tables/layout/comment.js'
import { FIXED_SETS, SCOPES, setsOf, type Audience, type ElementSet, type Mark, type Scope } from '../../plane/tables/layout/sets.js'
import type { TableOptions } from '../../plane/tables/layout/table.js'
import { readTables, type KernelTables } from '../../plane/tables/reading/inspect.js'
import { readCounted, type Counted } from './counted.js'
import { checkUserspaceOptions } from '../../plane/userspace/options.js'
import type { KernelMode } from '../options.js'
import type { Clients, ShownEndpoint, ShownFrontend, ShownRefusal, ShownRelay } from './model.js'

/** What is said of a frontend, piece by piece. */
interface Draft {
  readonly family: AddressFamily
  readonly key: FrontendWords
  service: string | undefined
  readonly endpoints: ShownEndpoint[]
  readonly refusals: ShownRefusal[]
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

/** The tables of a name, with all elements but clients that are remembered. @throws {NetplaneError} `ERR_NETPLANE_FOREIGN` */
export async function readOurTables(nft: Nftables, options: TableOptions): Promise<KernelTables> {
  return await readTables(nft, options, NO_ADDRESSES, true)
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
      draft = { family, key: frontendWords(scope, key), service, endpoints: [], refusals: [] }
      this.#drafts.set(id, draft)
    }
    draft.service ??= service
    return draft
  }

  shown(mode: KernelMode): ShownFrontend[] {
    return [...this.#drafts.values()].map((draft) => {
      const { key, ...said } = draft
      return { mode, ...said, ...key, endpoints: forAllIn(draft), isOurs: true }
    })
  }
}

/** Slots of each endpoint, by frontend: a frontend has as many rows as slots, and one row may be there for each of several. */
function slotsOf(tables: KernelTables, set: ElementSet): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const slots = new Map<string, Map<string, number>>()
  for (const { key, data } of elementsOf(tables, set)) {
    const frontend = Buffer.from(frontendOfSlot(key)).toString('hex')
    const target = Buffer.from(data).toString('hex')
    const own = slots.get(frontend) ?? new Map<string, number>()
    slots.set(frontend, own.set(target, (own.get(target) ?? 0) + 1))
  }
  return slots
}

/** @param countedOf What was counted of an endpoint, by its key in hexadecimal. */
function endpointsOf(
  slots: ReadonlyMap<string, number> | undefined,
  clients: Clients,
  countedOf: (endpoint: string) => bigint | undefined
): ShownEndpoint[] {
  const all = [...(slots ?? [])]
  const sum = all.reduce((before, [, count]) => before + count, 0)
  return all.map(([hex, count]) => ({
    ...endpointWords(Buffer.from(hex, 'hex')),
    ...{ clients, share: count / sum, connections: countedOf(hex) }
  }))
}

function addServed(drafts: Drafts, tables: KernelTables, family: AddressFamily, counted: Counted): void {
  for (const slotClass of tables.objects.classes[family].keys()) {
    const { members, endpoints } = setsOf(family, slotClass)
    const slots = slotsOf(tables, endpoints)
    const clients = CLIENTS[slotClass.audience]
    for (const element of elementsOf(tables, members)) {
      const frontend = Buffer.from(element.key).toString('hex')
      const countedOf = (endpoint: string): bigint | undefined => counted(family, slotClass.scope, frontend, endpoint)
      drafts.of(family, slotClass.scope, element).endpoints.push(...endpointsOf(slots.get(frontend), clients, countedOf))
    }
  }
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
export async function showRelays(nft: Nftables, name: string | undefined): Promise<ShownFrontend[]> {
  const tables = await readOurTables(nft, { ...checkUserspaceOptions({ name }).table, relays: NO_PORTS })
  const drafts = new Drafts()
  for (const family of FAMILIES) {
    addRelayed(drafts, tables, family)
    addRefused(drafts, tables, family)
  }
  return drafts.shown('userspace')
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
export async function showTables(nft: Nftables, name: string | undefined): Promise<ShownFrontend[]> {
  const { table } = checkNftablesOptions({ name })
  const tables = await readOurTables(nft, table)
  const counted = await readCounted(nft, table.name)
  const drafts = new Drafts()
  for (const family of FAMILIES) {
    addServed(drafts, tables, family, counted)
    addRefused(drafts, tables, family)
  }
  return drafts.shown('nftables')
}
