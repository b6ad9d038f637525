/**
 * Ports of this node that the kernel is to give to no connection of a local process by itself.
 *
 * Which of them were reserved by us, and not by somebody else before, is kept in a table of its own, so that it outlives the process.
 */
import { asNetplaneError } from '../../../core/errors.js'
import type { Nftables } from '../../../nftables/index.js'
import { NoteTable } from '../../core/note-table.js'
import { Ports } from '../../core/node/reserved-ports.js'
import type { SystemSettings } from '../../core/system-settings.js'
import type { PlaneEvent } from '../../types.js'

/** Says what to do where the setting may not be written. */
export const RESERVED_PORTS_HINT =
  'the plane reserves node ports by it (option reserveNodePorts): where /proc/sys is read-only, write it yourself'

const COMMENT = 'netplane reserved ports'
const SET = { name: 'ports', key: 'inet_service', flags: ['interval'] } as const
const SETTING = 'ipv4/ip_local_reserved_ports'

/** How often it is looked whether the setting is still as it was left. */
const LOOK_MS = 30_000

/** Reserves ports, and takes back those that it reserved. */
export class PortReservation {
  readonly #notes: NoteTable
  readonly #wanted: Ports
  readonly #settings: SystemSettings
  #nextAt = 0

  /** @param name Of the plane's tables. @param wanted Ports to reserve; none: only to take back what an earlier process reserved. */
  constructor(nft: Nftables, name: string, wanted: Ports | undefined, settings: SystemSettings) {
    this.#notes = new NoteTable(nft, { table: `${name}-ports`, comment: COMMENT, set: SET })
    this.#wanted = wanted ?? new Ports()
    this.#settings = settings
  }

  /**
   * Makes the setting have what is wanted, beside what others have put there; every half minute at most.
   *
   * @returns The generation of the ruleset after a note of what was reserved.
   * @throws {NetplaneError} The setting cannot be read or written, or the table of our name is not ours.
   */
  async ensure(): Promise<number | undefined> {
    const now = performance.now()
    if (now < this.#nextAt) return undefined
    this.#nextAt = now + LOOK_MS
    return await this.#change(this.#wanted)
  }

  /** As {@link PortReservation.ensure}; what cannot be reserved is told, and holds nothing up. */
  async ensureOrTell(tell: (event: PlaneEvent) => void): Promise<number | undefined> {
    try {
      return await this.ensure()
    } catch (error) {
      tell({ type: 'error', error: asNetplaneError(error) })
      return undefined
    }
  }

  /** Looks with the next {@link PortReservation.ensure}: somebody may have taken back what was reserved for both. */
  expire(): void {
    this.#nextAt = 0
  }

  /** Takes back what was reserved, and nothing else. @throws {NetplaneError} */
  async release(): Promise<void> {
    await this.#change(new Ports())
  }

  async #change(wanted: Ports): Promise<number | undefined> {
    const ours = await this.#readOurs()
    if (ours === undefined && wanted.isEmpty) return undefined
    const mine = ours ?? new Ports()
    const reserved = Ports.parse(await this.#settings.read(SETTING))
    const missing = wanted.without(reserved)
    const needless = mine.without(wanted)
    const after = mine.without(needless).with(missing)
    // What is ours is noted before it is reserved, and until it is not: whoever ends in between leaves nothing behind that nobody takes back.
    const generation = missing.isEmpty ? undefined : await this.#note(after.with(needless))
    if (!missing.isEmpty || !needless.isEmpty) await this.#settings.write(SETTING, reserved.without(needless).with(missing).toString())
    if (after.isEmpty) await this.#notes.drop()
    else if (!needless.isEmpty) return await this.#note(after)
    return generation
  }

  async #readOurs(): Promise<Ports | undefined> {
    const elements = await this.#notes.read()
    if (elements === undefined) return undefined
    return Ports.of(
      Array.from(elements, ({ key }) => {
        const field: unknown = Array.isArray(key) ? key[0] : key
        return typeof field === 'object' ? (field as { from: number; to: number }) : { from: Number(field), to: Number(field) }
      })
    )
  }

  async #note(ports: Ports): Promise<number> {
    return await this.#notes.write(ports.ranges().map(({ from, to }) => ({ key: from === to ? from : { from, to } })))
  }
}
