import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { hasIpvs } from './test/run/ipvs.mjs'

/** Programs take long on the emulated processors of the lab. */
const isInLab = process.env.NETPLANE_TEST_NAMESPACE === 'lab'
const minute = isInLab ? 300_000 : 60_000

/**
 * One project per kind of test; CONTRIBUTING.md says what each needs and which command runs it. Addons want processes, not threads: `forks` everywhere.
 * The suites that change kernel state run one file after the other, and only where test/run/namespace.mjs (or the container, or the lab) has put them.
 */
const project = (name: string, testTimeout: number, changesKernel: boolean, more: readonly string[] = []) => ({
  // The examples import the package by its name; their tests take its sources.
  resolve: { alias: [{ find: /^netplane$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) }] },
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`, ...more],
    environment: 'node' as const,
    pool: 'forks' as const,
    testTimeout,
    hookTimeout: testTimeout,
    fileParallelism: !changesKernel,
    globalSetup: changesKernel ? ['test/support/require-namespace.ts'] : [],
    setupFiles: [] as string[]
  }
})

/**
 * The suites of IPVS, which the lab runs in its machines, for kernels that have it themselves. Only the initial user namespace may use it.
 */
function ipvsOfThisKernel(): string[] {
  if (isInLab || process.getuid?.() !== 0) return []
  return hasIpvs() ? ['test/lab/ipvs*.test.ts'] : []
}

/**
 * What nft makes of all that the suites of nf_tables write: they run once more, with a look by both versions of nft after each test.
 */
function listing(): ReturnType<typeof project> {
  const suites = ['test/contract/nftables.test.ts', 'test/kernel/{nftables-readback,rule-builder,set-golden}.test.ts']
  const { test, ...rest } = project('listing', minute, true, suites)
  return { ...rest, test: { ...test, setupFiles: ['test/listing/after-each.ts'] } }
}

export default defineConfig({
  test: {
    projects: [
      project('unit', 10_000, false),
      project('contract', minute, true),
      project('kernel', minute, true, ipvsOfThisKernel()),
      listing(),
      project('lifecycle', 5 * minute, true),
      project('lab', 5 * minute, true),
      project('pack', 3 * minute, false)
    ]
  }
})
