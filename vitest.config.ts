import { defineConfig } from 'vitest/config'

/** One project per kind of test (CONTRIBUTING.md says what each needs). Addons want processes, not threads: `forks` everywhere. */
const project = (name: string, include: string[], testTimeout: number) => ({
  test: { name, include, testTimeout, hookTimeout: testTimeout, pool: 'forks' as const, environment: 'node' as const }
})

/** Tests that share one kernel's tables, or measure time or descriptors: one file after the other. */
const serial = (name: string, include: string[], testTimeout: number) => {
  const base = project(name, include, testTimeout)
  return { test: { ...base.test, fileParallelism: false, maxWorkers: 1 } }
}

export default defineConfig({
  test: {
    projects: [
      project('unit', ['test/unit/**/*.test.ts'], 10_000),
      project('contract', ['test/contract/**/*.test.ts'], 30_000),
      serial('kernel', ['test/kernel/**/*.test.ts'], 60_000),
      serial('lifecycle', ['test/lifecycle/**/*.test.ts'], 180_000),
      serial('pack', ['test/pack/**/*.test.ts'], 180_000),
      serial('lab', ['test/lab/**/*.test.ts'], 300_000)
    ]
  }
})
