/**
 * How many services need each object that several may share: an address, a local endpoint.
 */

/** Counts, or differences of counts, by set and by what identifies an object in it. Sets are told apart as the keys of a Map are. */
export class ReferenceCounts<Set, Key = string> {
  readonly #sets = new Map<Set, Map<Key, number>>()

  /** Adds to a count and returns it. A count of 0 is forgotten. */
  add(set: Set, key: Key, by: number): number {
    let counts = this.#sets.get(set)
    if (counts === undefined) this.#sets.set(set, (counts = new Map<Key, number>()))
    const count = (counts.get(key) ?? 0) + by
    if (count === 0) counts.delete(key)
    else counts.set(key, count)
    return count
  }

  get(set: Set, key: Key): number {
    return this.#sets.get(set)?.get(key) ?? 0
  }

  /** The objects of a set. */
  keys(set: Set): Iterable<Key> {
    return this.#sets.get(set)?.keys() ?? []
  }

  /** How many objects a set has. */
  size(set: Set): number {
    return this.#sets.get(set)?.size ?? 0
  }

  /** How many objects each set has. */
  *sizes(): Generator<readonly [Set, number]> {
    for (const [set, counts] of this.#sets) yield [set, counts.size]
  }

  *entries(): Generator<{ readonly set: Set; readonly key: Key; readonly count: number }> {
    for (const [set, counts] of this.#sets) for (const [key, count] of counts) yield { set, key, count }
  }

  /** What a difference brings and takes away: objects whose count leaves 0, and those whose count comes back to it. */
  *differences(by: ReferenceCounts<Set, Key>): Generator<{ readonly set: Set; readonly key: Key; readonly isAdded: boolean }> {
    for (const { set, key, count } of by.entries()) {
      const now = this.get(set, key)
      if (now === 0 || now + count === 0) yield { set, key, isAdded: now === 0 }
    }
  }

  /** Takes a difference over. */
  apply(by: ReferenceCounts<Set, Key>): void {
    for (const { set, key, count } of by.entries()) this.add(set, key, count)
  }
}
