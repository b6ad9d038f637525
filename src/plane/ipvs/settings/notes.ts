/**
 * What settings were before the plane changed them: in a table of its own, so that it outlives the process, and whoever cleans up can put them back.
 */
import type { Nftables } from '../../../nftables/index.js'
import { dropTables, listOwnTables, type OwnTables } from '../../../nftables/own-tables.js'

const COMMENT = 'netplane system settings'

/** Values of before, and those that took their place, by the ids of their settings. */
export type Notes = ReadonlyMap<number, { readonly before: number; readonly after: number }>

/** The table with the notes. */
export class NotedSettings {
  readonly #nft: Nftables
  readonly #table: string

  /** @param name Of the tables beside IPVS. */
  constructor(nft: Nftables, name: string) {
    this.#nft = nft
    this.#table = `${name}-settings`
  }

  /** Undefined where there is no table. @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of its name is not ours. */
  async read(): Promise<Notes | undefined> {
    if ((await listOwnTables(this.#nft, this.#ownTables)).length === 0) return undefined
    const elements = await this.#nft.listElements({ family: 'ip', table: this.#table, name: 'found' })
    return new Map(
      Array.from(elements, ({ key }) => {
        const [id, before, after] = [key].flat().map(Number) as [number, number, number]
        return [id, { before, after }]
      })
    )
  }

  /** Puts others in their place; none: the table goes. */
  async write(notes: Notes): Promise<void> {
    if (notes.size === 0) {
      const own = await listOwnTables(this.#nft, this.#ownTables)
      await dropTables(
        this.#nft,
        this.#table,
        own.map(({ family }) => family)
      )
      return
    }
    const set = { family: 'ip', table: this.#table, name: 'found', key: ['inet_service', 'mark', 'mark'] } as const
    const tx = this.#nft.transaction()
    tx.add.table({ family: 'ip', name: this.#table, comment: COMMENT })
    tx.add.set(set)
    tx.flush.set(set)
    const elements = [...notes].map(([id, { before, after }]) => ({ key: [id, before, after] }))
    tx.add.elements(set, elements, { exclusive: true })
    await tx.commit()
  }

  get #ownTables(): OwnTables {
    return { name: this.#table, isOurs: (comment) => comment === COMMENT, otherwise: `is not '${COMMENT}'` }
  }
}
