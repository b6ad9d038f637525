/**
 * The tables of nf_tables beside IPVS: what is refused, and what is masqueraded. IPVS itself does neither.
 */
import type { AddressFamily } from '../../address.js'
import {
  concat,
  ct,
  ip,
  ip6,
  jump,
  masquerade,
  meta,
  reject,
  rule,
  th,
  type SetSpec,
  type Nftables,
  type Ruleset,
  type SetElement,
  type Transaction
} from '../../nftables/index.js'
import { elementName } from './ledger.js'
import type { CompanionElement, CompanionSet } from './translate.js'

/** Marks a table as ours, and its rules as those of this version. */
const COMMENT = 'netplane ipvs 1'
const FAMILIES: readonly AddressFamily[] = ['ip', 'ip6']
const SETS: readonly CompanionSet[] = ['vips', 'frontends', 'hairpin']
const SOURCES = 'local-sources'
/** Chains of a table: input, postrouting, masquerade. */
const CHAINS = 3

/** What the kernel holds. */
export interface CompanionState {
  /** Tables are there, of our making, with all their objects. */
  readonly isWhole: boolean
  /** Our tables, whole or not. */
  readonly present: readonly AddressFamily[]
  /** By {@link elementName}. */
  readonly elements: ReadonlyMap<string, CompanionElement>
  /** A table of our name that somebody else made. */
  readonly foreign: readonly string[]
  /** Of the ruleset that all of this belongs to; undefined where somebody committed meanwhile. */
  readonly generation: number | undefined
}

function keyOf(family: AddressFamily, set: CompanionSet): NonNullable<SetSpec['key']> {
  const address = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  return { vips: address, frontends: [address, 'inet_proto', 'inet_service'], hairpin: [address, address] }[set] as NonNullable<
    SetSpec['key']
  >
}

function* elementsIn(family: AddressFamily, listed: Ruleset): Generator<CompanionElement> {
  for (const group of listed.elements) {
    const set = SETS.find((name) => name === group.set.name)
    if (set === undefined) continue
    for (const { key } of group) yield { family, set, key: [key].flat() as (string | number)[] }
  }
}

/** As the kernel counts: 32 bits, without 0 (net/netfilter/nf_tables_api.c, nft_gen_id). */
function nextGeneration(generation: number): number {
  return generation === 0xffff_ffff ? 1 : generation + 1
}

/** The companion tables, one a family. */
export class Companion {
  readonly #nft: Nftables
  readonly #table: string
  readonly #localSources: Readonly<Record<AddressFamily, readonly SetElement[]>> | undefined
  /** Transactions and bytes since the plane was opened. */
  readonly totals = { commits: 0, bytes: 0 }
  /** Of the ruleset when the tables held what the plane knows of; undefined: nobody can say. Our own commits carry it on. */
  knownGeneration: number | undefined

  constructor(nft: Nftables, table: string, localSources: Readonly<Record<AddressFamily, readonly SetElement[]>> | undefined) {
    this.#nft = nft
    this.#table = table
    this.#localSources = localSources
  }

  /** Whether somebody else may have committed since {@link Companion.knownGeneration}. */
  async hasChanged(): Promise<boolean> {
    return (await this.#nft.generation()).id !== this.knownGeneration
  }

  /** Reads what is there. */
  async read(): Promise<CompanionState> {
    const before = await this.#nft.generation()
    const state = await this.#readTables()
    const after = await this.#nft.generation()
    return { ...state, generation: before.id === after.id ? before.id : undefined }
  }

  async #readTables(): Promise<Omit<CompanionState, 'generation'>> {
    const elements = new Map<string, CompanionElement>()
    const present: AddressFamily[] = []
    const foreign: string[] = []
    let isWhole = true
    for (const family of FAMILIES) {
      const table = (await this.#nft.listTables({ family })).find(({ name }) => name === this.#table)
      if (table === undefined) {
        isWhole = false
        continue
      }
      if (table.comment?.startsWith(COMMENT) !== true) foreign.push(`table ${family} ${this.#table} was made by somebody else`)
      present.push(family)
      const listed = await this.#nft.list({ family, table: this.#table, elements: true })
      isWhole &&= table.comment === this.#comment() && listed.rules.length === this.#rules(family).length && listed.chains.length === CHAINS
      for (const element of elementsIn(family, listed)) elements.set(elementName(element), element)
    }
    return { isWhole, present, elements, foreign }
  }

  /** Makes the tables anew, with these elements: one transaction, so that no packet sees a part of them. */
  async rebuild(present: readonly AddressFamily[], elements: Iterable<CompanionElement>): Promise<void> {
    const tx = this.#nft.transaction()
    for (const family of present) tx.delete.table({ family, name: this.#table })
    for (const family of FAMILIES) this.#declare(tx, family)
    this.#put(tx.add, elements)
    await this.#commit(tx)
  }

  async add(elements: readonly CompanionElement[]): Promise<void> {
    if (elements.length === 0) return
    const tx = this.#nft.transaction()
    this.#put(tx.add, elements)
    await this.#commit(tx)
  }

  async remove(elements: readonly CompanionElement[]): Promise<void> {
    if (elements.length === 0) return
    const tx = this.#nft.transaction()
    this.#put(tx.delete, elements)
    await this.#commit(tx)
  }

  /** Removes the tables. */
  async drop(): Promise<void> {
    const { present, foreign } = await this.read()
    if (present.length === 0 || foreign.length > 0) return
    const tx = this.#nft.transaction()
    for (const family of present) tx.delete.table({ family, name: this.#table })
    await this.#commit(tx)
  }

  async #commit(tx: Transaction): Promise<void> {
    const before = this.knownGeneration
    this.knownGeneration = undefined
    const { bytes, generation } = await tx.commit()
    // Anything but the next one means that somebody else committed in between.
    if (before !== undefined && generation === nextGeneration(before)) this.knownGeneration = generation
    this.totals.commits++
    this.totals.bytes += bytes
  }

  /** Prefixes are part of the rules: other ones make other tables. */
  #comment(): string {
    const sources = this.#localSources === undefined ? 'none' : this.#localSources.ip.length + this.#localSources.ip6.length
    return `${COMMENT}, local sources: ${sources}`
  }

  #put(verb: Transaction['add'] | Transaction['delete'], elements: Iterable<CompanionElement>): void {
    const groups = new Map<string, CompanionElement[]>()
    for (const element of elements) {
      const name = `${element.family} ${element.set}`
      const group = groups.get(name)
      if (group === undefined) groups.set(name, [element])
      else group.push(element)
    }
    for (const group of groups.values()) {
      const { family, set } = group[0]!
      const target = { family, table: this.#table, name: set, key: keyOf(family, set) }
      verb.elements(
        target,
        group.map(({ key }) => ({ key: key.length === 1 ? key[0]! : [...key] }))
      )
    }
  }

  #declare(tx: Transaction, family: AddressFamily): void {
    const table = this.#table
    tx.add.table({ family, name: table, comment: this.#comment() })
    for (const set of SETS) tx.add.set({ family, table, name: set, key: keyOf(family, set) })
    const sources = this.#localSources?.[family]
    if (sources !== undefined) {
      const set = { family, table, name: SOURCES, key: keyOf(family, 'vips'), flags: ['interval'] as const }
      tx.add.set(set)
      if (sources.length > 0) tx.add.elements(set, sources, { exclusive: true })
    }
    tx.add.chain({ family, table, name: 'input', type: 'filter', hook: 'input', priority: 'filter' })
    tx.add.chain({ family, table, name: 'masquerade' })
    tx.add.chain({ family, table, name: 'postrouting', type: 'nat', hook: 'postrouting', priority: 'srcnat' })
    for (const { chain, statements } of this.#rules(family)) tx.add.rule({ family, table, chain, statements })
  }

  #rules(family: AddressFamily): { readonly chain: string; readonly statements: ReturnType<typeof rule>['statements'] }[] {
    const address = family === 'ip' ? ip : ip6
    const original = family === 'ip' ? ct.original.ip.daddr : ct.original.ip6.daddr
    const rules = {
      // The addresses are this node's own as far as the kernel can tell: what is no frontend must not reach a program that happens to listen there.
      input: [
        rule(
          ct.state.eq('new'),
          meta.l4proto.in(['tcp', 'udp', 'sctp']),
          address.daddr.in('vips'),
          concat(address.daddr, meta.l4proto, th.dport).notIn('frontends'),
          reject()
        )
      ],
      postrouting: [rule(concat(original, meta.l4proto, ct.original.protoDst).in('frontends'), jump('masquerade'))],
      masquerade: [
        // A connection of this node's own to a service takes the service's address as its source.
        rule(address.saddr.in('vips'), masquerade()),
        rule(concat(address.saddr, address.daddr).in('hairpin'), masquerade()),
        ...(this.#localSources === undefined ? [] : [rule(address.saddr.notIn(SOURCES), masquerade())])
      ]
    }
    return Object.entries(rules).flatMap(([chain, list]) => list.map(({ statements }) => ({ chain, statements })))
  }
}
