/**
 * Things that never rest.
 */
import type { Random } from '../support/random.js'

/** What one of the things is, and what may become of it. */
export interface Kind<T extends { readonly name: string }> {
  /** The one with a number, anew: no two have one name, and one number always gives the same. */
  readonly make: (random: Random, number: number) => T
  /** What becomes of one; undefined: it goes. */
  readonly changes: Readonly<Record<string, (random: Random, old: T) => T | undefined>>
}

/** A change of a few of them, as `plane.update` takes it of services. */
export interface Change<T> {
  readonly set: readonly T[]
  readonly delete: readonly string[]
}

/** Things that change at random, and always the same way for the same seed. */
export class Churn<T extends { readonly name: string }> {
  /** Those that there are, by their names. */
  readonly all = new Map<string, T>()
  readonly #kind: Kind<T>
  readonly #random: Random
  readonly #count: number

  constructor(kind: Kind<T>, random: Random, count: number) {
    this.#kind = kind
    this.#random = random
    this.#count = count
    for (let number = 0; number < count; number++) this.#keep(kind.make(random, number))
  }

  #keep(one: T): T {
    this.all.set(one.name, one)
    return one
  }

  /** Changes one to four of them. One that is not there comes back. */
  next(): Change<T> {
    const set = new Map<string, T>()
    const gone = new Set<string>()
    for (let left = 1 + this.#random.below(4); left > 0; left--) {
      const fresh = this.#kind.make(this.#random, this.#random.below(this.#count))
      const { name } = fresh
      const old = this.all.get(name)
      const changed = old === undefined ? fresh : this.#random.pick(Object.values(this.#kind.changes))(this.#random, old)
      set.delete(name)
      gone.delete(name)
      if (changed === undefined) {
        this.all.delete(name)
        gone.add(name)
      } else set.set(name, this.#keep(changed))
    }
    return { set: [...set.values()], delete: [...gone] }
  }

  /** One of those that are there. */
  any(): T {
    return this.#random.pick([...this.all.values()])
  }
}
