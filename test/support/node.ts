import path from 'node:path'
import process from 'node:process'
import { background } from './background.js'
import { attempt, type Background, type Finished, type RunOptions } from './run.js'

const root = path.resolve(import.meta.dirname, '../..')

/** Whether the addon under test is the one built with AddressSanitizer (the runner's stage `lifecycle-asan`). */
export const isSanitized = process.env.NETPLANE_TEST_PRELOAD !== undefined

/**
 * Environment of a child process of Node. With the sanitized addon its runtime must come first, and a leak, or any other finding, makes the exit
 * status 1 with a report on standard error.
 */
export function nodeEnvironment(extra?: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const sanitizer = {
    LD_PRELOAD: process.env.NETPLANE_TEST_PRELOAD,
    ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
    // Never `node::` or `v8::`: our own leaks have those frames below them.
    LSAN_OPTIONS: `suppressions=${path.join(root, 'test/support/lsan.supp')}:print_suppressions=0`
  }
  return { ...process.env, ...(isSanitized ? sanitizer : {}), ...extra }
}

/**
 * Runs a script, given as text, in a process of Node of its own, as an ES module in the repository's folder: `import { … } from './dist/index.js'`.
 * Arguments are in `process.argv.slice(1)`.
 */
export function attemptNode(script: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Finished> {
  const argv = ['--input-type=module', '--eval', script, '--', ...args]
  return attempt(process.execPath, argv, { cwd: root, ...options, env: nodeEnvironment(options.env) })
}

/** The same for a script that runs beside the test and is killed when the test ends. */
export function backgroundNode(
  script: string,
  args: readonly string[] = [],
  options: Omit<RunOptions, 'input' | 'timeoutMs'> = {}
): Background {
  const argv = ['--input-type=module', '--eval', script, '--', ...args]
  return background(process.execPath, argv, { cwd: root, ...options, env: nodeEnvironment(options.env) })
}
