// After each test of the suites that this project runs: both versions of nft list what the test has left in its namespaces.
import { readdirSync } from 'node:fs'
import { afterEach } from 'vitest'
import { Nftables } from '../../src/index.js'
import { listWithBoth } from './list-with-both.js'

/** Of the namespace that tests share, when it was looked at last: many tests only read. */
let generation: number | undefined

/** In the name of a test that writes bytes of a caller's own making, at which nft is known to crash. */
const KNOWN_CRASH = '(nft crashes)'
/** The same of a test that writes what the older version has no words for. */
const ONLY_NEWEST = 'the newest nft'

afterEach(async ({ task }) => {
  if (task.name.includes(KNOWN_CRASH) || task.name.includes(ONLY_NEWEST)) return
  await using client = await Nftables.open()
  const { id } = await client.readGeneration()
  if (id !== generation) await listWithBoth()
  generation = id
  for (const namespace of readdirSync('/run/netns')) await listWithBoth(namespace)
})
