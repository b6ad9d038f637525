/**
 * Clients that are remembered: they must not be led to endpoints that take no new connections any more. The packet path fills the maps; what services leave behind in them is removed here.
 */
import { NetlinkError } from '../../../core/errors.js'
import type { AddressFamily } from '../../../core/address.js'
import { Slices } from '../../../core/slices.js'
import { rowAt, toColumns, type ElementRow } from '../../../nftables/columns.js'
import { ElementBuffer } from '../../../nftables/element-buffer.js'
import type { Nftables } from '../../../nftables/index.js'
import type { Step } from '../../../nftables/steps.js'
import type { ServiceChange } from '../../core/changes/change.js'
import { FAMILIES } from '../../core/frontend.js'
import type { Service, Services } from '../../model.js'
import { affinityMap } from '../layout/balancing.js'
import { keyValue, type Changes, type KeyValue } from '../elements/changes.js'
import { ElementWalk } from '../elements/walk.js'
import type { TableOptions } from '../layout/table.js'
import { ADDRESS_LENGTH, PHASES, SCOPES, type Audience, type Scope } from '../layout/sets.js'

/** Bytes of an element in a message, about. */
const ROW_BYTES = 100

/** Bytes of a slot's number, behind the frontend in the key of a map of endpoints. */
const SLOT_LENGTH = 4

/** Clients that are removed in one transaction, at most. */
const ROWS_AT_ONCE = 1024

/** How often a map is read in one sweep, at most. */
const MAX_READINGS = 4

/** Where the clients of a frontend may be led, and for how long. */
interface Allowed {
  /** Bytes of addresses and ports, as text, by whose they are: clients of one kind may be led where those of another may not. */
  readonly endpoints: Map<Audience, Set<KeyValue>>
  timeoutMs: number
}

/** By family, scope and key of the frontend. */
type Frontends = Map<string, Allowed>

const scopeName = (family: AddressFamily, scope: Scope): string => `${family} ${scope} `
const nameOf = (family: AddressFamily, scope: Scope, key: Uint8Array): string => `${scopeName(family, scope)}${keyValue(key)}`

/** Adds the frontends of services whose clients are remembered. */
async function collect(services: Iterable<Service | undefined>, options: TableOptions, slices: Slices): Promise<Frontends> {
  const frontends: Frontends = new Map()
  const of = (name: string): Allowed => {
    let allowed = frontends.get(name)
    if (allowed === undefined) frontends.set(name, (allowed = { endpoints: new Map(), timeoutMs: 0 }))
    return allowed
  }
  const walk = new ElementWalk(({ family, scope, kind, slotClass, stickiness }, key, data) => {
    if (kind === 'sticky') of(nameOf(family, scope, key)).timeoutMs = stickiness!.timeoutSeconds * 1000
    if (kind !== 'endpoints' || slotClass?.isSticky !== true) return
    const { endpoints } = of(nameOf(family, scope, key.subarray(0, key.length - SLOT_LENGTH)))
    const theirs = endpoints.get(slotClass.audience) ?? new Set()
    endpoints.set(slotClass.audience, theirs.add(keyValue(data!)))
  }, options)
  for (const service of services) {
    if (slices.isOver) await slices.turn()
    if (service?.affinity !== undefined) await walk.add(service, slices)
  }
  return frontends
}

const isSameFor = (before: Allowed, after: Allowed): boolean => [...before.endpoints.keys()].join() === [...after.endpoints.keys()].join()

/** Every endpoint to which clients of some kind may be led. */
function allOf({ endpoints }: Allowed): Set<KeyValue> {
  return new Set([...endpoints.values()].flatMap((theirs) => [...theirs]))
}

/** The endpoints to which clients of every kind may be led. */
function commonOf(allowed: Allowed): Set<KeyValue> {
  const kinds = [...allowed.endpoints.values()]
  return new Set([...allOf(allowed)].filter((endpoint) => kinds.every((theirs) => theirs.has(endpoint))))
}

/** The endpoints to which clients of some kind may not be led any more, though those of another kind may. */
function lostBetween(before: Allowed, after: Allowed): KeyValue[] {
  return [...before.endpoints].flatMap(([audience, theirs]) => {
    const now = after.endpoints.get(audience)
    return [...theirs].filter((endpoint) => now?.has(endpoint) !== true)
  })
}

/** What is to become of the clients of a frontend. */
interface Due {
  /** Where they may be led on. */
  readonly endpoints: ReadonlySet<KeyValue>
  readonly timeoutMs: number
}

const NOBODY: Due = { endpoints: new Set(), timeoutMs: 0 }

/** What a change means for the clients of a frontend; undefined: nothing. Of which kind a client was is not known, so that whoever may have been led where his kind may not be led any more is forgotten. */
function dueBetween(before: Allowed, after: Allowed | undefined): Due | undefined {
  // Clients of another kind may be led to other endpoints now: who was remembered as what is not known.
  if (after === undefined || !isSameFor(before, after)) return NOBODY
  const lost = lostBetween(before, after)
  if (lost.length === 0 && before.timeoutMs === after.timeoutMs) return undefined
  const endpoints = allOf(after)
  for (const endpoint of lost) endpoints.delete(endpoint)
  return { endpoints, timeoutMs: after.timeoutMs }
}

/** Both together: who was to be forgotten and is not yet stays so. */
function together(earlier: Due | undefined, { endpoints, timeoutMs }: Due): Due {
  return { endpoints: earlier === undefined ? endpoints : new Set([...endpoints].filter((one) => earlier.endpoints.has(one))), timeoutMs }
}

/** Clients to forget, and what is to be known of some of them instead. */
interface Sweep {
  readonly gone: ElementRow[]
  readonly changed: (ElementRow | undefined)[]
}

/** Writes steps. */
export type WriteSteps = (steps: readonly Step[]) => Promise<void>

/** Removes clients from the maps. */
export class AffinitySweeper {
  readonly #nft: Pick<Nftables, 'listElements'>
  readonly #options: TableOptions
  /** Where clients of these frontends may be led; those of others are left alone. */
  #due = new Map<string, Due>()
  /** Clients of frontends that are not due have no business in the maps. */
  #isWhole = false

  constructor(nft: Pick<Nftables, 'listElements'>, options: TableOptions) {
    this.#nft = nft
    // Whoever balances: the endpoints are those that the tables would balance over.
    this.#options = { ...options, marks: undefined }
  }

  /** Whether {@link AffinitySweeper.sweep} has something to do. */
  get isDue(): boolean {
    return this.#isWhole || this.#due.size > 0
  }

  /** Takes note of a change that is in the kernel. */
  async note(changes: readonly ServiceChange[]): Promise<void> {
    if (this.#options.relays !== undefined) return
    const affected = changes.filter(({ before }) => before?.affinity !== undefined)
    if (affected.length === 0) return
    const slices = new Slices()
    const before = await collect(
      affected.map((change) => change.before),
      this.#options,
      slices
    )
    const after = await collect(
      changes.map((change) => change.after),
      this.#options,
      slices
    )
    for (const [name, allowed] of before) {
      const due = dueBetween(allowed, after.get(name))
      if (due !== undefined) this.#due.set(name, together(this.#due.get(name), due))
    }
  }

  /**
   * Takes note that these are all services, and that it is not known who was remembered before.
   *
   * @param changes What was changed in the kernel: where endpoints changed, clients keep those alone that are for all of them.
   */
  async noteAll(services: Services, changes?: Changes): Promise<void> {
    // Relays remember clients by themselves.
    if (this.#options.relays !== undefined) return
    const frontends = await collect(services.values(), this.#options, new Slices())
    const changed = changes === undefined ? new Set<string>() : balancedAnew(changes)
    this.#due = new Map(
      [...frontends].map(([name, allowed]) => {
        const { timeoutMs } = allowed
        return [name, { endpoints: changed.has(name) ? commonOf(allowed) : allOf(allowed), timeoutMs }]
      })
    )
    this.#isWhole = true
  }

  /**
   * Removes clients that must not be led on as before. Maps of frontends that are not concerned are not read.
   *
   * @throws {NetlinkError}
   */
  async sweep(write: WriteSteps): Promise<void> {
    const [due, isWhole] = [this.#due, this.#isWhole]
    for (const family of FAMILIES) {
      for (const scope of SCOPES) {
        const isConcerned = isWhole || [...due.keys()].some((name) => name.startsWith(scopeName(family, scope)))
        if (isConcerned) await this.#sweepMap(family, scope, write)
      }
    }
    if (this.#due !== due) return
    this.#due = new Map<string, Due>()
    this.#isWhole &&= !isWhole
  }

  /** Where somebody was found, it is looked again: a reading may miss one client for each whose time is over meanwhile. */
  async #sweepMap(family: AddressFamily, scope: Scope, write: WriteSteps): Promise<void> {
    const map = { family, table: this.#options.name, name: affinityMap(family, scope).name }
    for (let reading = 1; reading <= MAX_READINGS; reading++) {
      const { gone, changed } = await this.#read(family, scope)
      if (gone.length === 0) return
      for (let from = 0; from < gone.length; from += ROWS_AT_ONCE) {
        const to = Math.min(from + ROWS_AT_ONCE, gone.length)
        await replaceRows(map, { gone: gone.slice(from, to), changed: changed.slice(from, to) }, write)
      }
    }
  }

  /** Who is to be forgotten or remembered for another time. */
  async #read(family: AddressFamily, scope: Scope): Promise<Sweep> {
    const sweep: Sweep = { gone: [], changed: [] }
    const { chunks } = await this.#nft.listElements({ family, table: this.#options.name, name: affinityMap(family, scope).name })
    const slices = new Slices()
    for (const chunk of chunks)
      await slices.times(chunk.rows, (row) => {
        const client = rowAt(chunk, row)
        const after = this.#after(family, scope, client)
        if (after === client) return
        sweep.gone.push(client)
        sweep.changed.push(after)
      })
    return sweep
  }

  /** What is to be known of a client: the same as before, something else, or nothing. */
  #after(family: AddressFamily, scope: Scope, client: ElementRow): ElementRow | undefined {
    const due = this.#due.get(nameOf(family, scope, client.key.subarray(ADDRESS_LENGTH[family])))
    if (due === undefined) return this.#isWhole ? undefined : client
    if (!due.endpoints.has(keyValue(client.data!))) return undefined
    const { timeoutMs } = due
    if (client.timeoutMs === timeoutMs) return client
    // The time goes on from the client's last new connection.
    const expirationMs = timeoutMs - Math.max(client.timeoutMs - client.expirationMs, 0)
    return expirationMs > 0 ? { ...client, timeoutMs, expirationMs } : undefined
  }
}

type MapName = { readonly family: AddressFamily; readonly table: string; readonly name: string }

/** Of one client: he is not there any more, or was remembered anew for another endpoint. ENFILE: the map is full, and his time is over. */
const CHANGED = new Set(['ENOENT', 'EEXIST', 'EBUSY', 'ENFILE'])

/** What changed since the map was read makes the kernel refuse a whole transaction: it is tried in halves until only those are left whom that concerns. */
async function replaceRows(map: MapName, sweep: Sweep, write: WriteSteps): Promise<void> {
  try {
    await write([replacement(map, sweep)])
  } catch (error) {
    const { gone, changed } = sweep
    if (!(error instanceof NetlinkError)) throw error
    const hasChanged = CHANGED.has(error.code)
    if (gone.length === 1 ? !hasChanged : !hasChanged && error.code !== 'EMSGSIZE') throw error
    if (gone.length === 1) return
    const middle = gone.length >> 1
    await replaceRows(map, { gone: gone.slice(0, middle), changed: changed.slice(0, middle) }, write)
    await replaceRows(map, { gone: gone.slice(middle), changed: changed.slice(middle) }, write)
  }
}

function replacement(map: MapName, { gone, changed }: Sweep): Step {
  const remove = new ElementBuffer(gone[0]!.key.length, 0, gone.length)
  for (const { key } of gone) remove.push(key, undefined)
  const add = changed.filter((client) => client !== undefined)
  // Somebody whose time is over may be deleted where he has been added just before; adding somebody who is there changes nothing.
  const present = toColumns(gone.map(({ key, data, flags }) => ({ key, data, flags, timeoutMs: 0, expirationMs: 0 })))
  return {
    bytes: 200 + (2 * gone.length + add.length) * ROW_BYTES,
    queue: (tx) => {
      tx.add.elements(map, present, { exclusive: true })
      tx.delete.elements(map, remove, { exclusive: true })
      if (add.length > 0) tx.add.elements(map, toColumns(add), { exclusive: true })
    }
  }
}

/** Whether changes concern where clients may be led who are remembered. */
export function touchesAffinity(changes: Changes): boolean {
  return PHASES.some((phase) =>
    changes.phase(phase).some(({ set, remove }) => remove.rows > 0 && (set.kind === 'sticky' || set.slotClass?.isSticky === true))
  )
}

/** The frontends whose clients are remembered and of which slots go or lead elsewhere, by family, scope and key. */
function balancedAnew(changes: Changes): Set<string> {
  const names = new Set<string>()
  for (const phase of PHASES) {
    for (const { set, remove } of changes.phase(phase)) {
      if (set.kind !== 'endpoints' || set.slotClass?.isSticky !== true) continue
      for (let row = 0; row < remove.rows; row++) {
        const key = remove.keyAt(row)
        names.add(nameOf(set.family, set.scope, key.subarray(0, key.length - SLOT_LENGTH)))
      }
    }
  }
  return names
}
