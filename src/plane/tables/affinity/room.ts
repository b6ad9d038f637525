/**
 * Whether there is room for more clients to be remembered: where there is not, they are balanced as if they were new, which nothing else would tell.
 */
import type { AddressFamily } from '../../../core/address.js'
import { NetlinkError } from '../../../core/errors.js'
import { ElementBuffer } from '../../../nftables/element-buffer.js'
import type { Nftables } from '../../../nftables/index.js'
import { FAMILIES } from '../../core/frontend.js'
import type { PlaneEvent } from '../../types.js'
import { affinityMap } from '../layout/balancing.js'
import type { TableOptions } from '../layout/table.js'
import { ADDRESS_LENGTH, frontendLength, SCOPES, type Scope } from '../layout/sets.js'

/** How often maps are looked at. */
const LOOK_MS = 1000
/** A map that was full is told again when it has had room for so long. */
const CALM_MS = 60_000

/** Looks whether maps of clients are full, and tells. */
export class AffinityRoom {
  readonly #nft: Pick<Nftables, 'listSets' | 'transaction'>
  readonly #options: Pick<TableOptions, 'name' | 'affinityClients'>
  readonly #tell: (event: PlaneEvent) => void
  /** When each map was last seen full. */
  readonly #fullAt = new Map<string, number>()
  #nextAt = 0

  /** @param tell Told once, until there has been room again for a minute. */
  constructor(
    nft: Pick<Nftables, 'listSets' | 'transaction'>,
    options: Pick<TableOptions, 'name' | 'affinityClients'>,
    tell: (event: PlaneEvent) => void
  ) {
    this.#nft = nft
    this.#options = options
    this.#tell = tell
  }

  /**
   * Looks at maps that are in use, once a second at most.
   *
   * @param now Milliseconds on the clock of `performance.now()`.
   */
  async look(isInUse: (family: AddressFamily) => boolean, now = performance.now()): Promise<void> {
    if (now < this.#nextAt) return
    this.#nextAt = now + LOOK_MS
    for (const family of FAMILIES) if (isInUse(family)) for (const scope of SCOPES) await this.#lookAt(family, scope, now)
  }

  async #lookAt(family: AddressFamily, scope: Scope, now: number): Promise<void> {
    const { name } = affinityMap(family, scope)
    const key = `${family} ${name}`
    try {
      if (!(await this.#isFull(family, scope))) return
    } catch (error) {
      // A map that is not there is what audits look for.
      if (error instanceof NetlinkError) return
      throw error
    }
    const fullAt = this.#fullAt.get(key)
    this.#fullAt.set(key, now)
    if (fullAt !== undefined && now - fullAt < CALM_MS) return
    this.#tell({ type: 'affinityFull', family, frontends: scope === 'node' ? 'node' : 'addressed', clients: this.#options.affinityClients })
  }

  /** Linux 6.18 says how many elements a set has, those that are over and not collected yet among them: the same number by which it refuses more. */
  async #isFull(family: AddressFamily, scope: Scope): Promise<boolean> {
    const { name } = affinityMap(family, scope)
    const [set] = await this.#nft.listSets({ family, table: this.#options.name, name })
    if (set?.count !== undefined && set.size !== undefined) return set.count >= set.size
    return await this.#refusesOne(family, scope)
  }

  /** An older kernel tells only when it is asked to take one more, which it need not keep. */
  async #refusesOne(family: AddressFamily, scope: Scope): Promise<boolean> {
    const length = ADDRESS_LENGTH[family]
    const one = new ElementBuffer(length + frontendLength(family, scope), length + 4, 1)
    one.push(new Uint8Array(one.keyWidth), new Uint8Array(one.dataWidth))
    const tx = this.#nft.transaction()
    tx.add.elements({ family, table: this.#options.name, ...affinityMap(family, scope) }, one, { exclusive: true })
    try {
      await tx.check()
      return false
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'ENFILE') return true
      throw error
    }
  }
}
