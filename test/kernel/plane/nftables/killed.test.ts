import { fileURLToPath } from 'node:url'
import { onTestFinished, expect, it } from 'vitest'
import { Nftables, openPlane, type Service } from '../../../../src/index.js'
import { isInLab } from '../../../support/lab.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'
import { Random } from '../../../support/random.js'

const WORKER = fileURLToPath(new URL('../../../support/plane-worker.mjs', import.meta.url))
/** Node takes seconds to start on the emulated processors of the lab. */
const ROUNDS = isInLab ? 20 : 200

/** Classes up to this many slots have all of them in use; larger ones have more than half of them, without a gap. */
const MAX_EXACT = 4

/** Every slot that a membership promises must be in its endpoints map, or a packet would be sent nowhere: the table is never half a change. */
async function findHole(namespace: TestNamespace): Promise<string | undefined> {
  await using nft = await Nftables.open({ netns: namespace.path })
  const tables = await nft.listTables({ family: 'ip' })
  if (tables.length === 0) return undefined
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

it.each([
  ['', ROUNDS, 0, 40],
  [' while sets grow', ROUNDS / 10, 4000, 200]
])(
  'converges after kill -9%s at %i random moments, and never leaves half a change',
  { timeout: 300_000 },
  async (_, rounds, large, lifeMs) => {
    const namespace = await makeNamespace()
    const random = new Random(42)
    let round = 0
    let killed = 0
    while (round < rounds) {
      // One process is worth several kills' time: Node takes far longer to start than a sync.
      const worker = namespace.background(process.execPath, [WORKER, String(random.below(1_000_000)), String(large)])
      await worker.waitFor('ready')
      await new Promise((resolve) => setTimeout(resolve, random.below(lifeMs)))
      await worker.stop('SIGKILL')
      killed++
      round++
      expect(await findHole(namespace)).toBeUndefined()
    }
    expect(killed).toBe(rounds)
    const plane = await openPlane({ mode: 'nftables', netns: namespace.path })
    onTestFinished(() => plane.close())
    const service: Service = {
      name: 'last',
      protocol: 'tcp',
      frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
      endpoints: [{ address: '10.1.0.1', port: 80 }]
    }
    await plane.sync(new Map([['last', service]]))
    expect((await plane.plan(new Map([['last', service]]))).isEmpty).toBe(true)
    expect(await findHole(namespace)).toBeUndefined()
  }
)
