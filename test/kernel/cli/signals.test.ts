import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import { makeNamespace } from '../../support/namespace.js'
import { attempt, run } from '../../support/run.js'

const PROGRAM = path.resolve(import.meta.dirname, '../../../dist/cli.js')
const TERMINAL = path.resolve(import.meta.dirname, '../../support/terminal.py')

const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'

test.each([
  ['HUP', 129],
  ['INT', 130],
  ['QUIT', 131],
  ['TERM', 143]
])('SIG%s ends a command that waits for the writer of a FIFO', async (signal, status) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'netplane-signals-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const fifo = path.join(folder, 'fifo')
  await run('mkfifo', [fifo])
  const ended = await attempt('timeout', [
    '--signal',
    signal,
    '--kill-after',
    '5',
    '--preserve-status',
    '2',
    process.execPath,
    PROGRAM,
    'plan',
    fifo
  ])
  expect(ended).toMatchObject({ status, stdout: '', stderr: `netplane: ended by SIG${signal}\n` })
})

/** What a terminal gets from `watch`, which is sent signals, and `stopped` where one stopped it. */
async function watched(...signals: string[]): Promise<string> {
  const namespace = await makeNamespace()
  return await namespace.run('python3', [TERMINAL, signals.join(','), process.execPath, PROGRAM, 'watch', '--interval', '60'])
}

test.each([
  ['HUP', 129],
  ['QUIT', 131],
  ['ALRM', 142],
  ['TERM', 143]
])('SIG%s ends watch, and the terminal is as it was', async (signal, status) => {
  const text = await watched(signal)
  expect(text).toContain('no services of a plane')
  expect(text.endsWith(`${LEAVE}netplane: ended by SIG${signal}\r\n<status ${status}>\n`)).toBe(true)
})

test('a terminal that goes away ends watch in order', async () => {
  expect(await watched('GONE')).toMatch(/no services of a plane[^<]*<status 129>\n$/)
})

test('SIGTSTP stops watch, the terminal is as it was meanwhile, and it is drawn anew afterwards', async () => {
  const text = await watched('TSTP', 'CONT', 'INT')
  const [before, after, ...others] = text.split(`${LEAVE}<stopped>`)
  expect(others).toEqual([])
  for (const part of [before, after]) {
    expect(part!.startsWith(ENTER)).toBe(true)
    expect(part).toContain('no services of a plane')
  }
  expect(after!.endsWith(`${LEAVE}<status 0>\n`)).toBe(true)
})
