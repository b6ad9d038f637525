import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { TestNamespace } from './namespace.js'
import { attempt, type Background } from './run.js'

/** The path of an example as it is built: `npm run build:examples`. */
export function programOf(name: string): string {
  return fileURLToPath(new URL(`../../build/examples/${name}.js`, import.meta.url))
}

/** Starts an example in a namespace, and waits until it says `ready`. */
export async function startExample(namespace: TestNamespace, name: string, ready: string, ...args: string[]): Promise<Background> {
  const program = namespace.background(process.execPath, [programOf(name), ...args])
  await program.waitFor(ready)
  return program
}

/** Ends an example with a signal: it exits by itself, with status 0. */
export async function endExample(program: Background, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  await program.stop(signal)
  expect(await program.ended, program.output()).toEqual({ status: 0, signal: null })
}

/** Arguments are refused in one line that says what is wrong and how the example is called, and status 2. Nothing is opened before. */
export async function expectRefused(name: string, args: readonly string[], problem: string | RegExp): Promise<void> {
  const { status, stdout, stderr } = await attempt(process.execPath, [programOf(name), ...args])
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toMatch(problem)
  expect(stderr).toMatch(new RegExp(`^[^\n]+; usage: ${name} [^\n]+\n$`))
}
