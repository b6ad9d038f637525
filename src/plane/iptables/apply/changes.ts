/**
 * What leads from the rules of some services to others.
 */
import { Slices } from '../../../core/slices.js'
import type { IptablesFamily, IptablesRule } from '../../../iptables/index.js'
import type { ChainRules, Frame, ServiceRules } from '../layout/types.js'
import type { Addition, Edits, Filling, Removal, ServiceEdits } from '../edits.js'
import { keyOf, placeKey, type Place } from '../rules.js'
import type { SharedHandles } from './handles.js'

/** What one service was, and is to be. */
export interface RuleChange {
  readonly service: string
  readonly before: readonly ServiceRules[]
  readonly after: readonly ServiceRules[]
}

/** A chain with what is to be in it, or was. */
interface PlacedRules {
  readonly place: Place
  readonly rules: readonly IptablesRule[]
}

const placed = (family: IptablesFamily, chains: readonly ChainRules[]): PlacedRules[] =>
  chains.map(({ table, chain, rules }) => ({ place: { family, table, chain }, rules }))

/** By places, of both families. */
function byPlace(parts: readonly PlacedRules[]): Map<string, PlacedRules> {
  return new Map(parts.map((part) => [placeKey(part.place), part]))
}

/** What makes the rules of a service where it has none. */
export function editsOfNew(service: string, rules: readonly ServiceRules[]): ServiceEdits {
  const of = (part: 'chains' | 'shared'): PlacedRules[] => rules.flatMap((one) => placed(one.family, one[part]))
  return {
    service,
    fillings: of('chains').map((one) => ({ ...one, isNew: true })),
    additions: of('shared')
      .filter((one) => one.rules.length > 0)
      .map((one) => ({ ...one, at: 'begin' }))
  }
}

const isSame = (left: readonly IptablesRule[], right: readonly IptablesRule[]): boolean => JSON.stringify(left) === JSON.stringify(right)

/** Collects edits. */
class Changing {
  readonly #handles: SharedHandles
  readonly #services: ServiceEdits[] = []
  readonly #fillings: Filling[] = []
  readonly #additions: Addition[] = []
  readonly #removals: Removal[] = []
  readonly #gone: Place[] = []
  /** Handles that removals before have, by place and rule: of rules that are there twice one after the other goes. */
  readonly #used = new Map<string, number>()
  #written = 0
  #deleted = 0

  constructor(handles: SharedHandles) {
    this.#handles = handles
  }

  get edits(): Edits {
    return {
      tables: [],
      bases: [],
      made: [],
      fillings: this.#fillings,
      additions: this.#additions,
      services: this.#services,
      removals: this.#removals,
      gone: this.#gone,
      emptied: [],
      counts: { written: this.#written, deleted: this.#deleted }
    }
  }

  async service({ service, before, after }: RuleChange): Promise<void> {
    const of = (rules: readonly ServiceRules[], part: 'chains' | 'shared'): Map<string, PlacedRules> =>
      byPlace(rules.flatMap((one) => placed(one.family, one[part])))
    const fillings = this.#fillingsOf(of(before, 'chains'), of(after, 'chains'))
    const additions = await this.#additionsOf(of(before, 'shared'), of(after, 'shared'), 'begin')
    if (fillings.length + additions.length > 0) this.#services.push({ service, fillings, additions })
  }

  async frames(before: readonly Frame[], after: readonly Frame[]): Promise<void> {
    const of = (frames: readonly Frame[], part: 'chains' | 'shared' | 'jumps'): Map<string, PlacedRules> =>
      byPlace(frames.flatMap((one) => placed(one.family, one[part])))
    this.#fillings.push(...this.#fillingsOf(of(before, 'chains'), of(after, 'chains')))
    this.#additions.push(...(await this.#additionsOf(of(before, 'shared'), of(after, 'shared'), 'end')))
  }

  #fillingsOf(before: ReadonlyMap<string, PlacedRules>, after: ReadonlyMap<string, PlacedRules>): Filling[] {
    const fillings: Filling[] = []
    for (const [key, { place, rules }] of after) {
      const old = before.get(key)
      if (old !== undefined && isSame(old.rules, rules)) continue
      fillings.push({ place, isNew: old === undefined, rules })
      this.#written += rules.length
      this.#deleted += old?.rules.length ?? 0
    }
    for (const [key, { place, rules }] of before) {
      if (after.has(key)) continue
      this.#gone.push(place)
      this.#deleted += rules.length
    }
    return fillings
  }

  async #additionsOf(
    before: ReadonlyMap<string, PlacedRules>,
    after: ReadonlyMap<string, PlacedRules>,
    at: Addition['at']
  ): Promise<Addition[]> {
    const additions: Addition[] = []
    for (const [key, { place, rules }] of before) if (!isSame(rules, after.get(key)?.rules ?? [])) await this.#remove(place, rules)
    for (const [key, { place, rules }] of after) {
      if (rules.length === 0 || isSame(rules, before.get(key)?.rules ?? [])) continue
      additions.push({ place, rules, at })
      this.#written += rules.length
    }
    return additions
  }

  async #remove(place: Place, rules: readonly IptablesRule[]): Promise<void> {
    for (const rule of rules) {
      const key = keyOf(rule, place)
      const name = `${placeKey(place)} ${key}`
      const used = this.#used.get(name) ?? 0
      this.#used.set(name, used + 1)
      const handle = (await this.#handles.of(place, key))[used]
      // What another process took away makes the commit fail, by the generation.
      if (handle === undefined) continue
      this.#removals.push({ place, handle, key })
      this.#deleted++
    }
  }
}

/** What leads from some rules of services to others, at a cost that follows the changes. @throws {NetlinkError} */
export async function editsOf(changes: Iterable<RuleChange>, handles: SharedHandles): Promise<Edits> {
  const changing = new Changing(handles)
  const slices = new Slices()
  for (const change of changes) {
    await changing.service(change)
    if (slices.isOver) await slices.turn()
  }
  return changing.edits
}

/** As {@link editsOf}, of what there is for all services too. @throws {NetlinkError} */
export async function editsWithFrames(
  frames: { readonly before: readonly Frame[]; readonly after: readonly Frame[] },
  changes: Iterable<RuleChange>,
  handles: SharedHandles
): Promise<Edits> {
  const changing = new Changing(handles)
  await changing.frames(frames.before, frames.after)
  const slices = new Slices()
  for (const change of changes) {
    await changing.service(change)
    if (slices.isOver) await slices.turn()
  }
  return changing.edits
}
