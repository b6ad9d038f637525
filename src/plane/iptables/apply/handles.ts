/**
 * Which handles the kernel gave to rules in chains that services share: a rule is taken away by its handle.
 */
import { Slices } from '../../../core/slices.js'
import type { ListedRule, Nftables } from '../../../nftables/index.js'
import { keyOfListed, placeKey, type Place } from '../rules.js'

type Known = Map<string, bigint[]>

async function readHandles(rules: readonly ListedRule[], place: Place): Promise<Known> {
  const known: Known = new Map()
  await new Slices().each(rules, (rule) => {
    const key = keyOfListed(rule, place)
    const handles = key === undefined ? undefined : known.get(key)
    if (handles !== undefined) handles.push(rule.handle)
    else if (key !== undefined) known.set(key, [rule.handle])
  })
  return known
}

/** Handles by the place and what the rule says. */
export class SharedHandles {
  readonly #nft: Nftables
  #places = new Map<string, Known>()

  constructor(nft: Nftables) {
    this.#nft = nft
  }

  /** Takes over what was read of all chains. */
  reset(handles: ReadonlyMap<string, ReadonlyMap<string, readonly bigint[]>>): void {
    this.#places = new Map([...handles].map(([place, known]) => [place, new Map([...known].map(([key, all]) => [key, [...all]]))]))
  }

  /** The chain has rules whose handles were not told: it is listed before one of them goes. */
  forget(place: Place): void {
    this.#places.delete(placeKey(place))
  }

  /** The handles of rules that say this, in a chain that is as it was left. @throws {NetlinkError} */
  async of(place: Place, key: string): Promise<readonly bigint[]> {
    return (await this.#known(place)).get(key) ?? []
  }

  /** Notes a rule that was made. */
  add(place: Place, key: string, handle: bigint): void {
    const known = this.#places.get(placeKey(place))
    const handles = known?.get(key)
    if (handles === undefined) known?.set(key, [handle])
    else handles.push(handle)
  }

  /** Notes that a rule went. */
  remove(place: Place, key: string, handle: bigint): void {
    const known = this.#places.get(placeKey(place))
    const left = known?.get(key)?.filter((one) => one !== handle) ?? []
    if (left.length === 0) known?.delete(key)
    else known?.set(key, left)
  }

  async #known(place: Place): Promise<Known> {
    const name = placeKey(place)
    let known = this.#places.get(name)
    if (known === undefined) {
      const { family, table, chain } = place
      const rules = await this.#nft.listRules({ family, table, chain })
      known = await readHandles(rules, place)
      this.#places.set(name, known)
    }
    return known
  }
}
