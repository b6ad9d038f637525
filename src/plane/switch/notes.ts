/**
 * Which planes a switch is about, noted in the kernel until it is finished: whoever starts next knows what is left.
 */
import type { Nftables } from '../../nftables/index.js'
import { NoteTable } from '../core/note-table.js'
import { formatIdentity, parseIdentity, withoutPlanes, type PlaneIdentity } from './identity.js'

const COMMENT = 'netplane switch'
/** Numbers of planes; their modes and names are comments. */
const SET = { name: 'planes', key: 'inet_service' } as const

/** What is noted of a plane. */
export interface FoundNotes {
  /** Names of the tables. */
  readonly tables: readonly string[]
  /** All planes of switches that the plane has a part in, itself included. */
  readonly planes: readonly PlaneIdentity[]
}

/** Reads and writes notes. Calls must not overlap. */
export class SwitchNotes {
  readonly #open: () => Promise<Nftables>
  readonly #own: PlaneIdentity
  readonly #table: string
  /** Tables that are to go with the next note: earlier processes wrote them about planes that are known here now. */
  #former: readonly string[] = []

  /** @param own The plane that notes are about, by which their table is named. */
  constructor(open: () => Promise<Nftables>, own: PlaneIdentity) {
    this.#open = open
    this.#own = own
    this.#table = `netplane-switch-${formatIdentity(own).replace(' ', '-')}`
  }

  /** All planes of switches that were not finished, and that the plane or one of those that it replaces has a part in. */
  async read(replaced: readonly PlaneIdentity[] = []): Promise<readonly PlaneIdentity[]> {
    const meant = new Set([this.#own, ...replaced].map(formatIdentity))
    return await this.#with(async (nft) => {
      const tables = (await nft.listTables()).filter(({ family, comment }) => family === 'ip' && comment === COMMENT)
      const planes: PlaneIdentity[] = []
      const former: string[] = []
      for (const { name } of tables) {
        const noted = await this.#readTable(nft, name)
        if (!noted.some((plane) => meant.has(formatIdentity(plane)))) continue
        former.push(name)
        planes.push(...noted)
      }
      this.#former = former
      return planes
    })
  }

  /** Puts planes in the place of all that was noted; none: nothing is noted any more. @throws {NetlinkError} */
  async write(planes: readonly PlaneIdentity[]): Promise<void> {
    await this.#with(async (nft) => {
      if (planes.length > 0) await tableIn(nft, this.#table).write(planes.map((plane, key) => ({ key, comment: formatIdentity(plane) })))
      const former = planes.length > 0 ? this.#former.filter((name) => name !== this.#table) : [...this.#former, this.#table]
      for (const name of new Set(former)) await tableIn(nft, name).drop()
      this.#former = []
    })
  }

  /** Of the plane, which was removed, nothing is noted any more: a later one of its mode and name is none that a switch was about. @throws {NetlinkError} */
  async forget(): Promise<void> {
    const left = withoutPlanes(await this.read(), [this.#own])
    if (this.#former.length > 0) await this.write(left.length > 1 ? left : [])
  }

  async #readTable(nft: Nftables, name: string): Promise<PlaneIdentity[]> {
    const elements = [...((await tableIn(nft, name).read()) ?? [])]
    return elements.flatMap(({ comment }) => parseIdentity(comment ?? '') ?? [])
  }

  async #with<T>(work: (nft: Nftables) => Promise<T>): Promise<T> {
    const nft = await this.#open()
    try {
      return await work(nft)
    } finally {
      await nft.close()
    }
  }
}

const tableIn = (nft: Nftables, table: string): NoteTable => new NoteTable(nft, { table, comment: COMMENT, set: SET })
