import { existsSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { run } from '../support/run.js'
import { play, scenarios } from './scenarios.js'

const root = path.resolve(import.meta.dirname, '../..')
const env: NodeJS.ProcessEnv = {
  ...process.env,
  NETPLANE_ADDON_PATH: path.join(root, 'build-sanitize/build/Release/netplane.node'),
  ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:exitcode=99',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  // Only what V8 itself keeps: frames of Node lie below every leak of ours, so that nothing more may be suppressed.
  LSAN_OPTIONS: `suppressions=${path.join(import.meta.dirname, 'lsan.supp')}:print_suppressions=0`
}

beforeAll(async () => {
  const build = ['native/build.mjs', '--sanitize=address,undefined']
  await run(process.execPath, build, { cwd: root, timeoutMs: 280_000 })
  env.LD_PRELOAD = (await run('g++', ['-print-file-name=libasan.so'])).trim()
})

describe('under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer', () => {
  test('the sanitizers are there', () => {
    expect(env.LD_PRELOAD).toSatisfy(existsSync)
    expect(env.NETPLANE_ADDON_PATH).toSatisfy(existsSync)
  })

  test.for(scenarios)('$name', ({ file, slowArguments = [] }) => play(file, slowArguments, env))
})
