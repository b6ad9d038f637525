/**
 * How many services need each element: services share addresses and endpoints.
 */
import type { Service } from '../model.js'
import { companionElements, type CompanionElement } from './translate.js'

/** Names an element. */
export function elementName({ family, set, key }: CompanionElement): string {
  return `${family} ${set} ${key.join(' ')}`
}

/** Elements that come and go. */
export interface LedgerChange {
  readonly add: readonly CompanionElement[]
  readonly remove: readonly CompanionElement[]
}

/** A service before and after. */
export type Transition = readonly [before: Service | undefined, after: Service | undefined]

interface Entry {
  readonly element: CompanionElement
  count: number
}

/** The elements that the services in the kernel need. */
export class Ledger {
  readonly #entries = new Map<string, Entry>()

  /** What a change of services would add and remove. */
  changeFor(transitions: Iterable<Transition>): LedgerChange {
    const deltas = deltasOf(transitions)
    const add: CompanionElement[] = []
    const remove: CompanionElement[] = []
    for (const [name, { element, count }] of deltas) {
      const now = this.#entries.get(name)?.count ?? 0
      if (now === 0 && now + count > 0) add.push(element)
      if (now > 0 && now + count === 0) remove.push(element)
    }
    return { add, remove }
  }

  /** Takes a change over. */
  apply(transitions: Iterable<Transition>): void {
    for (const [name, { element, count }] of deltasOf(transitions)) {
      const next = (this.#entries.get(name)?.count ?? 0) + count
      if (next === 0) this.#entries.delete(name)
      else this.#entries.set(name, { element, count: next })
    }
  }

  *elements(): Generator<CompanionElement> {
    for (const { element } of this.#entries.values()) yield element
  }

  has(element: CompanionElement): boolean {
    return this.#entries.has(elementName(element))
  }
}

function deltasOf(transitions: Iterable<Transition>): Map<string, Entry> {
  const deltas = new Map<string, Entry>()
  const count = (service: Service | undefined, by: 1 | -1): void => {
    if (service === undefined) return
    for (const element of companionElements(service)) {
      const name = elementName(element)
      const entry = deltas.get(name)
      if (entry === undefined) deltas.set(name, { element, count: by })
      else entry.count += by
    }
  }
  for (const [before, after] of transitions) {
    count(before, -1)
    count(after, 1)
  }
  return deltas
}
