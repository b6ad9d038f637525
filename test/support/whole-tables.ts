/**
 * Whether tables of the nftables plane are whole.
 */
import { Nftables } from '../../src/index.js'
import type { TestNamespace } from './namespace.js'

/** Classes up to this many slots have all of them in use; larger ones have more than half of them, without a gap. */
const MAX_EXACT = 4

/** Every slot that a membership promises must be in its endpoints map, or a packet would be sent nowhere. @returns The first that is not whole. */
export async function findHole(namespace: TestNamespace): Promise<string | undefined> {
  await using nft = await Nftables.open({ netns: namespace.path })
  const tables = await nft.listTables({ family: 'ip' })
  if (!tables.some(({ name }) => name === 'netplane')) return undefined
  const { elements } = await nft.list({ family: 'ip', table: 'netplane', elements: true })
  const slots = new Set<string>()
  for (const listed of elements.filter(({ set }) => set.name.startsWith('endpoints-')))
    for (const { key } of listed) slots.add((key as unknown[]).map(String).join(' '))
  for (const listed of elements) {
    const size = /^(?:random|hash)-([0-9]+)$/.exec(listed.set.name)?.[1]
    if (size === undefined) continue
    for (const { key } of listed) {
      const has = (slot: number): boolean => slots.has([...(key as unknown[]).map(String), String(slot)].join(' '))
      const present = Array.from({ length: Number(size) }, (_, slot) => slot).filter(has)
      const promised = Number(size) <= MAX_EXACT ? Number(size) : Number(size) / 2 + 1
      const isWhole = present.length >= promised && present.every((slot, index) => slot === index)
      if (!isWhole) return `${listed.set.name} has slots ${present.join()} of ${(key as unknown[]).map(String).join(' ')}`
    }
  }
  return undefined
}
