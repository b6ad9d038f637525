/** Items by key, in their order. */
export function groupBy<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

/** One item of each group, not always the first of it: what else differs takes turns. */
export function oneOfEach<Item>(items: Iterable<Item>, keyOf: (item: Item) => string): Item[] {
  return [...groupBy(items, keyOf).values()].map((same, index) => same[(index * 7) % same.length]!)
}
