/**
 * What settings were before the plane changed them: in a table of its own, so that it outlives the process, and whoever cleans up can put them back.
 */
import type { Nftables } from '../../../nftables/index.js'
import { NoteTable } from '../../core/note-table.js'

const COMMENT = 'netplane system settings'
/** The id of a setting, its value of before, and the one in its place. */
const SET = { name: 'found', key: ['inet_service', 'mark', 'mark'] } as const

/** Values of before, and those that took their place, by the ids of their settings. */
export type Notes = ReadonlyMap<number, { readonly before: number; readonly after: number }>

/** The table with the notes. */
export class NotedSettings {
  readonly #table: NoteTable

  /** @param name Of the tables beside IPVS. */
  constructor(nft: Nftables, name: string) {
    this.#table = new NoteTable(nft, { table: `${name}-settings`, comment: COMMENT, set: SET })
  }

  /** @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of its name is not ours. */
  async read(): Promise<Notes> {
    return new Map(
      Array.from((await this.#table.read()) ?? [], ({ key }) => {
        const [id, before, after] = [key].flat().map(Number) as [number, number, number]
        return [id, { before, after }]
      })
    )
  }

  /** Puts others in their place; none: the table goes. @returns The generation of the ruleset after it, unless the table has gone. */
  async write(notes: Notes): Promise<number | undefined> {
    if (notes.size === 0) {
      await this.#table.drop()
      return undefined
    }
    return await this.#table.write([...notes].map(([id, { before, after }]) => ({ key: [id, before, after] })))
  }
}
