/**
 * Changes of elements as kernel transactions, and which service a refusal is about.
 */
import { Buffer } from 'node:buffer'
import { formatAddress } from '../../address.js'
import { NetlinkError } from '../../errors.js'
import type { CommitReport, ElementBuffer, Nftables, Transaction } from '../../nftables/index.js'
import type { AddressFamily } from '../../address.js'
import type { Protocol } from '../model.js'
import { type Changes, PHASES, type Phase, type SetChange } from './changes.js'
import { ADDRESS_LENGTH, type ElementSet } from './compile.js'
import { balancingChain, balancingName, dispatchRule, frontendSet, PREBOUND_SIZES, sizeOf, type Size } from './layout.js'
import type { BoundSizes } from './tables.js'

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
  if (set === 'vips' || set === 'hairpin') return undefined
  const length = ADDRESS_LENGTH[family]
  const address = key.subarray(0, length)
  const spelling = family === 'ip' ? formatAddress(address) : Buffer.from(address).toString('latin1')
  return `${PROTOCOL_NAME[key[length]!]} ${(key[length + 4]! << 8) | key[length + 5]!} ${spelling}`
}

/** Writes changes into the tables named `name`. */
export class Committer {
  readonly #nft: Nftables
  readonly #name: string
  readonly sizes: BoundSizes
  /** Generation after our last commit or check. */
  generation: number
  readonly #races: Races

  constructor(nft: Nftables, name: string, sizes: BoundSizes, generation: number, races: Races) {
    this.#nft = nft
    this.#name = name
    this.sizes = sizes
    this.generation = generation
    this.#races = races
  }

  /**
   * Commits the phases of a change, each on its own.
   *
   * @param isEmpty Whether no frontend has a size any more, once the change is in.
   * @throws {RefusedServices} Single services are to blame; nothing of the phase was applied.
   * @throws {NetlinkError} The kernel refused the whole; `ERESTART`: somebody else committed.
   */
  async apply(
    changes: Changes,
    isEmpty: (family: AddressFamily, set: ElementSet) => boolean,
    totals: CommitTotals,
    afterPhase: (phase: Phase) => void
  ): Promise<void> {
    for (const phase of PHASES) {
      const tx = this.#nft.transaction()
      const bound = this.#queueNewSizes(tx, changes.phase(phase))
      const rows = this.#queueElements(tx, changes.phase(phase))
      const unbound = phase === 3 ? this.#queueOldSizes(tx, isEmpty) : []
      if (tx.size > 0) {
        const report = await this.commit(tx, rows, totals, bound.size > 0)
        for (const [index, { family, set, size }] of bound) this.sizes[family].set(set, { size, handle: report.handles.get(index)! })
        for (const { family, set } of unbound) this.sizes[family].delete(set)
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

  #queueNewSizes(tx: Transaction, changes: readonly SetChange[]): Map<number, { family: AddressFamily; set: ElementSet; size: Size }> {
    const bound = new Map<number, { family: AddressFamily; set: ElementSet; size: Size }>()
    for (const { family, set, add } of changes) {
      const size = sizeOf(set)
      if (size === undefined || add.rows === 0 || this.sizes[family].has(set)) continue
      const table = { family, table: this.#name } as const
      tx.add.set({ ...table, ...frontendSet(family, set) })
      if (!isPrebound(size)) {
        const { chain, rules } = balancingChain(family, size)
        tx.add.chain({ ...table, ...chain })
        for (const expressions of rules) tx.add.rule({ ...table, chain: chain.name, expressions })
      }
      bound.set(tx.size, { family, set, size })
      tx.add.rule({ ...table, chain: 'services', expressions: dispatchRule(family, size) })
    }
    return bound
  }

  #queueElements(tx: Transaction, changes: readonly SetChange[]): OperationRows {
    const operations = new Map<number, { family: AddressFamily; set: ElementSet; rows: ElementBuffer }>()
    for (const { family, set, remove, add } of changes) {
      const target = { family, table: this.#name, name: set }
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

  /** A rule for a size that no service has costs every new connection a look-up. */
  #queueOldSizes(
    tx: Transaction,
    isEmpty: (family: AddressFamily, set: ElementSet) => boolean
  ): { family: AddressFamily; set: ElementSet }[] {
    const unbound: { family: AddressFamily; set: ElementSet }[] = []
    for (const family of ['ip', 'ip6'] as const) {
      for (const [set, { size, handle }] of this.sizes[family]) {
        if (!isEmpty(family, set)) continue
        const table = { family, table: this.#name } as const
        tx.delete.rule({ ...table, chain: 'services', handle })
        tx.delete.set({ ...table, name: set })
        if (!isPrebound(size)) tx.delete.chain({ ...table, name: balancingName(size) })
        unbound.push({ family, set })
      }
    }
    return unbound
  }
}

function isPrebound({ scheduler, slots }: Size): boolean {
  return scheduler === 'random' && slots <= PREBOUND_SIZES
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
