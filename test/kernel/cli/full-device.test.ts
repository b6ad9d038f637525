import path from 'node:path'
import process from 'node:process'
import { expect, test } from 'vitest'
import { makeNamespace } from '../../support/namespace.js'

const PROGRAM = path.resolve(import.meta.dirname, '../../../dist/cli.js')

/** Runs the program with redirections of a shell; its exit status, and what stands on standard error. */
async function run(redirection: string, ...args: string[]): Promise<string> {
  const namespace = await makeNamespace()
  const script = `{ "$@" ${redirection}; } 2>&1; echo "status $?"`
  return await namespace.run('sh', ['-c', script, 'sh', process.execPath, PROGRAM, ...args])
}

const LOST = 'netplane: standard output cannot be written: ENOSPC: no space left on device, write\nstatus 3\n'

test.each([
  [['show', '-o', 'json']],
  [['doctor', '-o', 'json']],
  [['--help']],
  [['completion', 'bash']],
  [['explain', '10.96.0.1:80']],
  [['watch', '--count', '2', '--interval', '0.1']]
])('says that a full device did not take the answer of %j', async (args) => {
  expect(await run('> /dev/full', ...args)).toBe(LOST)
})

test('tells of no answer where there was none', async () => {
  expect(await run('> /dev/full', 'plan', '/no/such/file')).toMatch(/^netplane: \/no\/such\/file: cannot be read: .*\nstatus 2\n$/)
  expect(await run('2> /dev/full', 'show')).toBe('The kernel holds no services of a plane.\nstatus 0\n')
  expect(await run('2> /dev/full', 'plan', '/no/such/file')).toBe('status 2\n')
})
