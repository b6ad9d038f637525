import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import { makeNamespace } from '../../support/namespace.js'
import { background } from '../../support/background.js'
import { run, until } from '../../support/run.js'

const PROGRAM = path.resolve(import.meta.dirname, '../../../dist/cli.js')
const TERMINAL = path.resolve(import.meta.dirname, '../../support/terminal.py')

const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'

/** Whether a process has a file open. */
async function hasOpen(pid: number, file: string): Promise<boolean> {
  const descriptors = `/proc/${pid}/fd`
  const targets = (await readdir(descriptors)).map((fd) => readlink(path.join(descriptors, fd)).catch(() => undefined))
  return (await Promise.all(targets)).includes(file)
}

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
  const program = background(process.execPath, [PROGRAM, 'plan', fifo])
  await until('the command has opened the FIFO', () => hasOpen(program.pid, fifo))
  await program.stop(`SIG${signal}` as NodeJS.Signals)
  expect(await program.ended).toEqual({ status, signal: null })
  expect(program.output()).toBe(`netplane: ended by SIG${signal}\n`)
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
