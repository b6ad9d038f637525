/**
 * Clients that are remembered: they must not be led to endpoints that take no new connections any more. The packet path fills the maps; what services leave behind in them is removed here.
 */
import { NetlinkError } from '../../core/errors.js'
import type { AddressFamily } from '../../core/address.js'
import { Slices } from '../../core/slices.js'
import type { ElementColumns } from '../../nftables/columns.js'
import { ElementBuffer } from '../../nftables/element-buffer.js'
import type { Nftables } from '../../nftables/index.js'
import { elementsStep, type Step } from '../../nftables/steps.js'
import type { ServiceChange } from '../core/change.js'
import { FAMILIES } from '../core/frontend.js'
import type { Service, Services } from '../model.js'
import { affinityMap } from './balancing.js'
import { keyText } from './changes.js'
import { ElementWalk } from './compile.js'
import type { TableOptions } from './layout.js'
import { ADDRESS_LENGTH, frontendLength, type Scope } from './sets.js'

const SCOPES: readonly Scope[] = ['address', 'node']

/** Bytes of an element in a message, about. */
const ROW_BYTES = 80

/** How often elements are looked up again that went by themselves before they were deleted. */
const MAX_TRIES = 8

/** Where the clients of a frontend may be led. */
interface Allowed {
  /** Bytes of addresses and ports, as text. */
  readonly endpoints: Set<string>
  /** For whom there are endpoints: clients of one kind may be led where those of another may not. */
  readonly audiences: Set<string>
}

/** By family, scope and key of the frontend. */
type Frontends = Map<string, Allowed>

const nameOf = (family: AddressFamily, scope: Scope, key: Uint8Array): string => `${family} ${scope} ${keyText(key)}`

/** Adds the frontends of services whose clients are remembered. */
async function collect(services: Iterable<Service | undefined>, options: TableOptions, slices: Slices): Promise<Frontends> {
  const frontends: Frontends = new Map()
  const walk = new ElementWalk(({ family, scope, kind, slotClass }, key, data) => {
    if (kind !== 'endpoints' || slotClass?.isSticky !== true) return
    const name = nameOf(family, scope, key.subarray(0, key.length - 4))
    let allowed = frontends.get(name)
    if (allowed === undefined) frontends.set(name, (allowed = { endpoints: new Set(), audiences: new Set() }))
    allowed.endpoints.add(keyText(data!))
    allowed.audiences.add(slotClass.audience)
  }, options)
  for (const service of services) {
    if (slices.isOver) await slices.turn()
    if (service?.affinity !== undefined) await walk.add(service, slices)
  }
  return frontends
}

const isSubset = (left: ReadonlySet<string>, right: ReadonlySet<string>): boolean => [...left].every((entry) => right.has(entry))

/** Whether clients may be remembered who must not be led on as before. */
function mustSweep(before: Allowed, after: Allowed | undefined): boolean {
  return after === undefined || !isSubset(before.endpoints, after.endpoints) || [...before.audiences].join() !== [...after.audiences].join()
}

const NOWHERE: ReadonlySet<string> = new Set()

/** Removes clients from the maps. */
export class AffinitySweeper {
  readonly #nft: Pick<Nftables, 'listElements'>
  readonly #options: TableOptions
  /** Where clients of these frontends may be led; those of others are left alone. */
  #due = new Map<string, ReadonlySet<string>>()
  /** Clients of frontends that are not due have no business in the maps. */
  #isWhole = false

  constructor(nft: Pick<Nftables, 'listElements'>, options: TableOptions) {
    this.#nft = nft
    this.#options = options
  }

  /** Whether {@link AffinitySweeper.sweep} has something to do. */
  get isDue(): boolean {
    return this.#isWhole || this.#due.size > 0
  }

  /** Takes note of a change that is in the kernel. */
  async note(changes: readonly ServiceChange[]): Promise<void> {
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
      const now = after.get(name)
      if (!mustSweep(allowed, now)) continue
      // Clients of another kind may be led to other endpoints now: who was remembered as what is not known.
      const isSameFor = now !== undefined && [...allowed.audiences].join() === [...now.audiences].join()
      this.#due.set(name, isSameFor ? now.endpoints : NOWHERE)
    }
  }

  /** Takes note that these are all services, and that it is not known who was remembered before. */
  async noteAll(services: Services): Promise<void> {
    const frontends = await collect(services.values(), this.#options, new Slices())
    this.#due = new Map([...frontends].map(([name, { endpoints }]) => [name, endpoints]))
    this.#isWhole = true
  }

  /**
   * Removes clients that must not be led on as before.
   *
   * @param write Commits steps. @throws {NetlinkError}
   */
  async sweep(write: (steps: readonly Step[]) => Promise<void>): Promise<void> {
    for (let tries = 1; this.isDue; tries++) {
      const [due, isWhole] = [this.#due, this.#isWhole]
      try {
        for (const family of FAMILIES) for (const scope of SCOPES) await write(await this.#steps(family, scope))
        if (this.#due === due) [this.#due, this.#isWhole] = [new Map(), this.#isWhole && !isWhole]
      } catch (error) {
        // Somebody's time was over before he was deleted: all of the transaction was refused.
        if (!(error instanceof NetlinkError) || error.code !== 'ENOENT' || tries === MAX_TRIES) throw error
      }
    }
  }

  async #steps(family: AddressFamily, scope: Scope): Promise<Step[]> {
    const map = { family, table: this.#options.name, name: affinityMap(family, scope).name }
    const slices = new Slices()
    const { chunks } = await this.#nft.listElements(map)
    const width = ADDRESS_LENGTH[family] + frontendLength(family, scope)
    const remove = new ElementBuffer(width, 0)
    for (const chunk of chunks)
      await slices.times(chunk.rows, (row) => {
        const key = chunk.key.subarray(row * width, (row + 1) * width)
        if (this.#isStale(family, scope, key, dataAt(chunk, row))) remove.push(key, undefined)
      })
    if (remove.rows === 0) return []
    return [elementsStep(map, { remove, add: new ElementBuffer(width, 0, 1), owners: [] }, ROW_BYTES)]
  }

  #isStale(family: AddressFamily, scope: Scope, key: Uint8Array, data: Uint8Array): boolean {
    const allowed = this.#due.get(nameOf(family, scope, key.subarray(ADDRESS_LENGTH[family])))
    return allowed === undefined ? this.#isWhole : !allowed.has(keyText(data))
  }
}

const dataAt = ({ data, dataOffsets }: ElementColumns, row: number): Uint8Array => data!.subarray(dataOffsets![row], dataOffsets![row + 1])
