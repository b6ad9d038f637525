import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { lacksHere } from './test/run/here.mjs'
import { filesOfSuites, leftOut, notInContainer } from './test/run/suites.mjs'

/** Programs take long on the emulated processors of the lab. */
const isInLab = process.env.NETPLANE_TEST_NAMESPACE === 'lab'
const isInContainer = process.env.NETPLANE_TEST_NAMESPACE === 'container'
const minute = isInLab ? 600_000 : 60_000

interface ProjectOptions {
  readonly testTimeout: number
  /** Such suites run one file after the other, and only where test/run/namespace.mjs (or the container, or the lab) has put them. */
  readonly changesKernel?: boolean
  readonly include?: readonly string[]
  readonly exclude?: readonly string[]
  readonly setupFiles?: string[]
}

/**
 * One project per kind of test; CONTRIBUTING.md says what each needs and which command runs it. Addons want processes, not threads: `forks` everywhere.
 */
function project(name: string, { testTimeout, changesKernel = false, include, exclude = [], setupFiles = [] }: ProjectOptions) {
  return {
    // The examples import the package by its name; their tests take its sources.
    resolve: {
      alias: [
        { find: /^netplane$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) },
        { find: /^netplane\/(nftables|testing)$/, replacement: fileURLToPath(new URL('src/$1.ts', import.meta.url)) }
      ]
    },
    test: {
      name,
      include: [...(include ?? [`test/${name}/**/*.test.ts`])],
      exclude: [...exclude],
      environment: 'node' as const,
      pool: 'forks' as const,
      testTimeout,
      hookTimeout: testTimeout,
      fileParallelism: !changesKernel,
      globalSetup: changesKernel ? ['test/support/require-namespace.ts'] : [],
      setupFiles
    }
  }
}

/** What this machine's kernel cannot run, of which the runner says so; the lab names the files that each of its kernels runs. */
const files = filesOfSuites(import.meta.dirname)
const elsewhere = isInLab ? [] : [...leftOut(files, lacksHere()).values()].flat()
const tooLong = isInContainer ? notInContainer(files) : []

/** What nft makes of all that is written: the suites of nf_tables run once more, and both versions of nft list what each test has left. */
const listed = ['test/contract/nftables/client.test.ts', 'test/kernel/nftables/{readback,rule-builder,set-golden}.test.ts']

/** What the newest iptables makes of all that is written, and what is made of what it writes. */
const withNewestIptables = ['test/kernel/iptables/**/*.test.ts', 'test/kernel/plane/iptables/{foreign,options,saved,take-over}.test.ts']

export default defineConfig({
  test: {
    maxWorkers: '100%',
    reporters: ['default', './test/run/reporter.mjs'],
    projects: [
      project('unit', { testTimeout: 10_000 }),
      project('contract', { testTimeout: minute, changesKernel: true, exclude: tooLong }),
      project('kernel', { testTimeout: minute, changesKernel: true, exclude: [...elsewhere, ...tooLong] }),
      project('listing', {
        testTimeout: minute,
        changesKernel: true,
        include: [...listed, 'test/kernel/**/listing.test.ts'],
        setupFiles: ['test/support/list-after-each.ts']
      }),
      project('newest-iptables', {
        testTimeout: minute,
        changesKernel: true,
        include: withNewestIptables,
        setupFiles: ['test/support/newest-iptables-first.ts']
      }),
      project('lifecycle', { testTimeout: 5 * minute, changesKernel: true }),
      project('soak', { testTimeout: minute, changesKernel: true }),
      project('cluster', { testTimeout: 3 * minute, changesKernel: true }),
      project('browser', { testTimeout: minute, changesKernel: true }),
      project('site', { testTimeout: 2 * minute }),
      project('image', { testTimeout: 3 * minute, changesKernel: true }),
      project('pack', { testTimeout: 3 * minute }),
      project('prebuilds', { testTimeout: 3 * minute })
    ]
  }
})
