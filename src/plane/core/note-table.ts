/**
 * What a plane must remember though its process ends: the elements of one set, in a table of its own.
 */
import type { Nftables, SetElement, SetSpec } from '../../nftables/index.js'
import { dropTables, listOwnTables, type OwnTables } from '../../nftables/own-tables.js'

/** What a note is written into, in family `ip`. */
export interface NoteForm {
  readonly table: string
  /** By which a table of its name is known as ours. */
  readonly comment: string
  readonly set: Pick<SetSpec, 'name' | 'key' | 'flags'>
}

/** Reads and writes a note as a whole. */
export class NoteTable {
  readonly #nft: Nftables
  readonly #form: NoteForm

  constructor(nft: Nftables, form: NoteForm) {
    this.#nft = nft
    this.#form = form
  }

  /** The elements; undefined where nothing is noted. @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of its name is not ours. */
  async read(): Promise<Iterable<SetElement> | undefined> {
    const { table, set } = this.#form
    if (!(await this.#exists())) return undefined
    return await this.#nft.listElements({ family: 'ip', table, name: set.name })
  }

  /** Puts elements in the place of what was noted. @returns The generation of the ruleset after it. */
  async write(elements: SetElement[]): Promise<number> {
    const { table, comment } = this.#form
    const set = { family: 'ip', table, ...this.#form.set } as const
    const tx = this.#nft.transaction()
    tx.add.table({ family: 'ip', name: table, comment })
    tx.add.set(set)
    tx.flush.set(set)
    tx.add.elements(set, elements, { exclusive: true })
    return (await tx.commit()).generation
  }

  /** Removes what was noted, if anything was. */
  async drop(): Promise<void> {
    if (await this.#exists()) await dropTables(this.#nft, this.#form.table, ['ip'])
  }

  async #exists(): Promise<boolean> {
    const { table, comment } = this.#form
    const own: OwnTables = { name: table, isOurs: (found) => found === comment, otherwise: `is not '${comment}'` }
    return (await listOwnTables(this.#nft, own)).some(({ family }) => family === 'ip')
  }
}
