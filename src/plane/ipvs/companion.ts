/**
 * The tables of nf_tables beside IPVS: reading and writing them.
 */
import { Buffer } from 'node:buffer'
import type { AddressFamily } from '../../core/address.js'
import { NetlinkError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import { type ChainForm, compareChains, compareElements, compareSets, compareTable } from '../../nftables/compare.js'
import { ElementBuffer } from '../../nftables/element-buffer.js'
import type { Nftables, Ruleset, SetElement } from '../../nftables/index.js'
import { dropTables, listOwnTables } from '../../nftables/own-tables.js'
import { elementsStep, StepWriter, type Step } from '../../nftables/steps.js'
import { FAMILIES } from '../core/frontend.js'
import type { Run } from '../core/run.js'
import type { ElementKeys } from './elements.js'
import {
  declarations,
  ownTables,
  PROTOCOLS,
  SURROUNDINGS,
  surroundingsChains,
  type SurroundingsOptions,
  type SurroundingsSet,
  TABLE_COMMENT
} from './layout.js'

/** What the kernel holds. */
export interface CompanionState {
  /** Our tables, whole or not. */
  readonly present: readonly AddressFamily[]
  /** What is not as we made it, elements of services aside. */
  readonly faults: readonly string[]
  readonly elements: ElementKeys
}

const MAX_READS = 16
const TABLE_BYTES = 5000
const ROW_BYTES = 64

/** The companion tables, one a family. */
export class Companion {
  readonly #nft: Nftables
  readonly #options: SurroundingsOptions
  readonly #writer: StepWriter
  /** The chains of each family with their compiled rules: they depend on the options alone, so that no reading compiles anything. */
  readonly #chains: Readonly<Record<AddressFamily, readonly ChainForm[]>>
  #run: Run | undefined
  /** Transactions since the plane was opened. */
  commits = 0

  constructor(nft: Nftables, options: SurroundingsOptions) {
    this.#nft = nft
    this.#options = options
    this.#chains = { ip: surroundingsChains('ip', options), ip6: surroundingsChains('ip6', options) }
    this.#writer = new StepWriter(nft, {
      before: () => this.#run?.checkpoint(),
      options: () => ({}),
      committed: ({ bytes }) => {
        this.commits++
        this.#run?.wrote(`rules of table ${options.table}`, 1, bytes)
      },
      refused: (error) => error
    })
  }

  /** For look-ups of single elements. */
  get nftables(): Pick<Nftables, 'listTables' | 'getElements' | 'listElements'> {
    return this.#nft
  }

  /**
   * Reads what is there; again where tables come and go meanwhile.
   *
   * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of our name was made by another program.
   */
  async read(): Promise<CompanionState> {
    for (let read = 1; ; read++) {
      try {
        return await this.#read()
      } catch (error) {
        if (!(error instanceof NetlinkError) || error.code !== 'ENOENT' || read === MAX_READS) throw error
      }
    }
  }

  async #read(): Promise<CompanionState> {
    const { table } = this.#options
    const tables = await listOwnTables(this.#nft, ownTables(this.#options))
    const present = tables.map(({ family }) => family)
    const faults = FAMILIES.filter((family) => present.length > 0 && !present.includes(family)).map(
      (family) => `table ${family} ${table} is missing`
    )
    const elements = new Map<SurroundingsSet, ReadonlySet<string>>()
    for (const { family, comment } of tables) {
      const ruleset = await this.#nft.list({ family, table, elements: true })
      if (comment !== TABLE_COMMENT) faults.push(`table ${family} ${table} is of another version`)
      faults.push(...this.#check(family, ruleset))
      await collectElements(family, ruleset, elements)
    }
    return { present, faults, elements }
  }

  /** Makes the tables anew, with these elements: one transaction, if one message can hold it, so that no packet sees a part of them. */
  async rebuild(present: readonly AddressFamily[], elements: ElementKeys, run: Run): Promise<void> {
    const removal: Step = {
      bytes: 200,
      queue: (tx) => {
        for (const family of present) tx.delete.table({ family, name: this.#options.table })
      }
    }
    await this.#write([removal, ...FAMILIES.map((family) => this.#declaration(family)), ...this.#elementSteps(elements, 'add')], run)
  }

  async add(elements: ElementKeys, run: Run): Promise<void> {
    await this.#write(this.#elementSteps(elements, 'add'), run)
  }

  async remove(elements: ElementKeys, run: Run): Promise<void> {
    await this.#write(this.#elementSteps(elements, 'remove'), run)
  }

  /** Removes the tables. */
  async drop(present: readonly AddressFamily[]): Promise<void> {
    await dropTables(this.#nft, this.#options.table, present)
  }

  async close(): Promise<void> {
    await this.#nft.close()
  }

  async #write(steps: readonly Step[], run: Run): Promise<void> {
    this.#run = run
    await this.#writer.write(steps)
  }

  #check(family: AddressFamily, ruleset: Ruleset): string[] {
    const { table, localSources } = this.#options
    const form = { family, name: table }
    const sets = declarations(family, localSources !== undefined)
    const same = (name: string, wanted: readonly SetElement[]): string[] => compareElements(form, ruleset, sets.get(name)!, wanted)
    const faults = [
      ...compareTable(form, ruleset),
      ...compareSets(form, ruleset, sets),
      ...compareChains(form, ruleset, this.#chains[family])
    ]
    // Elements of a set that has another form cannot be compared.
    if (faults.length > 0) return faults
    return [
      ...same('protocols', protocolElements()),
      ...(localSources === undefined
        ? []
        : same(
            'local-sources',
            localSources[family].map((key) => ({ key }))
          ))
    ]
  }

  #declaration(family: AddressFamily): Step {
    const { table, localSources } = this.#options
    const ranges = localSources?.[family] ?? []
    return {
      bytes: TABLE_BYTES + ranges.length * 80,
      queue: (tx) => {
        tx.add.table({ family, name: table, comment: TABLE_COMMENT })
        const sets = declarations(family, localSources !== undefined)
        for (const declared of sets.values()) tx.add.set({ family, table, ...declared })
        tx.add.elements({ family, table, ...sets.get('protocols')! }, protocolElements(), { exclusive: true })
        if (ranges.length > 0) {
          tx.add.elements(
            { family, table, ...sets.get('local-sources')! },
            ranges.map((key) => ({ key })),
            { exclusive: true }
          )
        }
        const chains = this.#chains[family]
        for (const { chain } of chains) tx.add.chain({ family, table, ...chain })
        for (const { chain, rules } of chains)
          for (const expressions of rules) tx.add.rule({ family, table, chain: chain.name, expressions })
      }
    }
  }

  /** Addresses first when they come, and last when they go: what is at an address and no frontend is refused. */
  #elementSteps(elements: ElementKeys, verb: 'add' | 'remove'): Step[] {
    const rank = { vips: 2, frontends: 0, hairpin: 1 } as const
    const sets = [...elements].filter(([, keys]) => keys.size > 0).sort(([left], [right]) => rank[left.kind] - rank[right.kind])
    return (verb === 'add' ? sets : sets.reverse()).map(([set, keys]) => {
      const none = new ElementBuffer(set.keyWidth, 0, 1)
      const rows = new ElementBuffer(set.keyWidth, 0, keys.size)
      for (const key of keys) rows.push(Buffer.from(key, 'latin1'), undefined)
      const target = { family: set.family, table: this.#options.table, name: set.kind }
      const change = verb === 'add' ? { remove: none, add: rows } : { remove: rows, add: none }
      return elementsStep(target, { ...change, owners: [] }, ROW_BYTES)
    })
  }
}

function protocolElements(): SetElement[] {
  return Object.keys(PROTOCOLS).map((key) => ({ key }))
}

async function collectElements(family: AddressFamily, ruleset: Ruleset, into: Map<SurroundingsSet, ReadonlySet<string>>): Promise<void> {
  const slices = new Slices()
  for (const { set, chunks } of ruleset.elements) {
    const known = Object.values(SURROUNDINGS[family]).find(({ kind }) => kind === set.name)
    if (known === undefined) continue
    const keys = new Set<string>()
    for (const { rows, key } of chunks) {
      const width = rows === 0 ? 0 : key.length / rows
      for (let row = 0; row < rows; row++) {
        keys.add(Buffer.from(key.buffer, key.byteOffset + row * width, width).toString('latin1'))
        if ((row & 0xff) === 0 && slices.isOver) await slices.turn()
      }
    }
    into.set(known, keys)
  }
}
