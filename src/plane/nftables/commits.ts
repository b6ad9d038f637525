/**
 * Changes of elements as kernel transactions, and which service a refusal is about.
 */
import { Buffer } from 'node:buffer'
import { formatAddress } from '../../address.js'
import { NetlinkError } from '../../errors.js'
import type { CommitReport, ElementBuffer, Nftables, Transaction } from '../../nftables/index.js'
import type { AddressFamily } from '../../address.js'
import type { Protocol } from '../model.js'
import { type Changes, type Contents, PHASES, type Phase, type SetChange } from './changes.js'
import { ADDRESS_LENGTH, isEndpoints, isShared, membershipSetOf, type ElementSet, type MembershipSet } from './compile.js'
import { overfull, queueGrowth } from './growth.js'
import { balancingName, placed, sizeOf } from './layout.js'
import { forgetSize, nothingQueued, queueSize, queueStale, takeObjects, type QueuedObjects, type ServiceObjects } from './objects.js'
import type { TableOptions } from './tables.js'

/** What commits add up to. */
export interface CommitTotals {
  commits: number
  bytes: number
  retries: number
}

/**
 * Races lost since the last commit that succeeded. Beside somebody who commits all the time no generation stays true long enough: then we commit without one. A transaction is still all or
 * nothing, elements that are not as we left them still refuse it, and the next look finds the rest.
 */
export interface Races {
  lost: number
}

/** Elements handed to the kernel by one operation of a transaction, for attribution. */
type OperationRows = ReadonlyMap<number, { readonly family: AddressFamily; readonly set: ElementSet; readonly rows: ElementBuffer }>

/** The kernel refused elements that belong to these services. */
export class RefusedServices extends Error {
  readonly refusals: readonly { readonly frontend: string; readonly error: NetlinkError }[]

  constructor(refusals: RefusedServices['refusals'], cause: NetlinkError) {
    super('elements of services were refused', { cause })
    this.refusals = refusals
  }
}

/** Refusals that no single service is to blame for. */
const WHOLE = new Set(['EPERM', 'ENOMEM', 'ENFILE', 'ENOBUFS', 'ERESTART', 'EMSGSIZE'])

/** Lost races after which commits go without a generation. */
const MAX_RACES = 4

const PROTOCOL_NAME: Readonly<Record<number, Protocol>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }

/** The identity of the frontend in a key (as `frontendKeys` in compile.ts makes it); undefined for sets that are not keyed by frontends. */
export function frontendOfKey(family: AddressFamily, set: ElementSet, key: Uint8Array): string | undefined {
  if (isShared(set)) return undefined
  const length = ADDRESS_LENGTH[family]
  const address = key.subarray(0, length)
  const spelling = family === 'ip' ? formatAddress(address) : Buffer.from(address).toString('latin1')
  return `${PROTOCOL_NAME[key[length]!]} ${(key[length + 4]! << 8) | key[length + 5]!} ${spelling}`
}

/** Writes changes into our tables. */
export class Committer {
  readonly #nft: Nftables
  readonly #options: TableOptions
  readonly #objects: ServiceObjects
  /** Generation after our last commit or check. */
  generation: number
  readonly #races: Races

  constructor(nft: Nftables, options: TableOptions, objects: ServiceObjects, generation: number, races: Races) {
    this.#nft = nft
    this.#options = options
    this.#objects = objects
    this.generation = generation
    this.#races = races
  }

  /**
   * Commits the phases of a change, each on its own; before them, larger sets in place of those that would be too full.
   *
   * @param contents What the sets hold before the change.
   * @param isEmpty Whether no frontend has a size any more, once the change is in.
   * @throws {RefusedServices} Single services are to blame; nothing of the phase was applied.
   * @throws {NetlinkError} The kernel refused the whole; `ERESTART`: somebody else committed.
   */
  async apply(
    changes: Changes,
    contents: Contents,
    isEmpty: (family: AddressFamily, set: ElementSet) => boolean,
    totals: CommitTotals,
    afterPhase: (phase: Phase) => void
  ): Promise<void> {
    await this.#grow(changes.phase(1), contents, totals)
    for (const phase of PHASES) {
      const tx = this.#nft.transaction()
      queueStale(tx, this.#options.name, this.#objects)
      const made = this.#queueNewSizes(tx, changes.phase(phase))
      const rows = this.#queueElements(tx, changes.phase(phase))
      const unbound = phase === 3 ? this.#queueOldSizes(tx, isEmpty) : []
      if (tx.size > 0) {
        const report = await this.commit(tx, rows, totals, made.dispatch.size > 0)
        takeObjects(this.#objects, made, report)
        for (const { family, set } of unbound) forgetSize(this.#objects, family, set)
      }
      afterPhase(phase)
    }
  }

  /** Commits one transaction against the generation we know. */
  async commit(tx: Transaction, rows: OperationRows, totals: CommitTotals, echo: boolean): Promise<CommitReport> {
    try {
      const report = await tx.commit({ generation: this.#races.lost < MAX_RACES ? this.generation : undefined, echo })
      this.generation = report.generation
      this.#races.lost = 0
      totals.commits++
      totals.bytes += report.bytes
      return report
    } catch (error) {
      throw error instanceof NetlinkError ? attribute(error, rows) : error
    }
  }

  /** Makes room where additions would not fit. What sets hold does not change. */
  async #grow(changes: readonly SetChange[], contents: Contents, totals: CommitTotals): Promise<void> {
    for (const { family, set, rows } of overfull(changes, this.#objects.capacities, contents)) {
      const tx = this.#nft.transaction()
      queueStale(tx, this.#options.name, this.#objects)
      const grown = queueGrowth(tx, this.#options, this.#objects, { family, set, rows }, await contents.elements(family, set))
      takeObjects(this.#objects, grown, await this.commit(tx, new Map(), totals, grown.dispatch.size > 0))
    }
  }

  #queueNewSizes(tx: Transaction, changes: readonly SetChange[]): QueuedObjects {
    const made = nothingQueued()
    const rows = new Map(changes.map(({ family, set, add }) => [`${family} ${set}`, add.rows]))
    for (const { family, set, add } of changes) {
      const named = sizeOf(set)
      if (named === undefined || add.rows === 0 || this.#objects.sizes[family].has(set as MembershipSet)) continue
      const size = placed(named)
      queueSize(tx, { family, table: this.#options.name }, size, (name) => rows.get(`${family} ${name}`) ?? 0, made)
    }
    return made
  }

  #queueElements(tx: Transaction, changes: readonly SetChange[]): OperationRows {
    const operations = new Map<number, { family: AddressFamily; set: ElementSet; rows: ElementBuffer }>()
    for (const { family, set, remove, add } of changes) {
      const target = { family, table: this.#options.name, name: this.#nameOf(family, set) }
      for (const [verb, rows] of [
        ['delete', remove],
        ['add', add]
      ] as const) {
        if (rows.rows === 0) continue
        operations.set(tx.size, { family, set, rows })
        tx[verb].elements(target, rows)
      }
    }
    return operations
  }

  #nameOf(family: AddressFamily, set: ElementSet): string {
    return (isEndpoints(set) ? this.#objects.sizes[family].get(membershipSetOf(set))?.size.map : undefined) ?? set
  }

  /** A rule for a size that no service has costs every new connection a look-up. */
  #queueOldSizes(
    tx: Transaction,
    isEmpty: (family: AddressFamily, set: ElementSet) => boolean
  ): { family: AddressFamily; set: MembershipSet }[] {
    const unbound: { family: AddressFamily; set: MembershipSet }[] = []
    for (const family of ['ip', 'ip6'] as const) {
      for (const [set, { size, handle }] of this.#objects.sizes[family]) {
        if (!isEmpty(family, set)) continue
        const table = { family, table: this.#options.name } as const
        tx.delete.rule({ ...table, chain: 'services', handle })
        tx.delete.chain({ ...table, name: balancingName(size) })
        for (const name of [set, size.map]) tx.delete.set({ ...table, name })
        unbound.push({ family, set })
      }
    }
    return unbound
  }
}

/** Finds out whether single services are to blame. */
function attribute(error: NetlinkError, rows: OperationRows): Error {
  if (WHOLE.has(error.code)) return error
  const refusals: { frontend: string; error: NetlinkError }[] = []
  for (const refusal of [error, ...error.others]) {
    const operation = refusal.index === undefined ? undefined : rows.get(refusal.index)
    const row = typeof refusal.object === 'number' ? refusal.object : undefined
    const frontend =
      operation === undefined || row === undefined ? undefined : frontendOfKey(operation.family, operation.set, operation.rows.keyAt(row))
    if (frontend === undefined) return error
    refusals.push({ frontend, error: refusal })
  }
  return new RefusedServices(refusals, error)
}
