import { describe, expect, test } from 'vitest'
import { SignalError } from '../../../src/cli/errors.js'
import { FakeNftablesKernel } from '../../../src/testing.js'
import { command, fakeKernel, KeptStream } from '../../support/command.js'
import { until } from '../../support/run.js'

const ESCAPE = '\u001b'
const ENTER = '\u001b[?1049h\u001b[?25l'
/** What moves the cursor home, and clears. */
const CLEARING = new RegExp(`${ESCAPE}\\[[HJK]`, 'g')
const LEAVE = '\u001b[?25h\u001b[?1049l'

const many = `services:\n${Array.from(
  { length: 40 },
  (_, index) =>
    `  - { name: s${index}, protocol: tcp, frontends: [{ kind: cluster, address: 10.96.0.${index + 1}, port: 80 }], endpoints: [] }\n`
).join('')}`

describe('watch', () => {
  test('shows tables below each other where there is no terminal, as often as it was told', async () => {
    const { status, stdout, stderr } = await command(['watch', '--interval', '0.1', '--count', '2'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout.match(/The kernel holds no services of a plane\./g)).toHaveLength(2)
    expect(stdout).not.toContain('\u001b')
  })

  test('fills a terminal, no more of it than there is, and makes it as it was', async () => {
    const kernel = fakeKernel()
    await command(['apply', '-'], { kernel, stdin: many })
    const { stdout } = await command(['watch', '--count', '1'], { kernel, columns: 100 })
    expect(stdout.startsWith(ENTER)).toBe(true)
    expect(stdout.endsWith(LEAVE)).toBe(true)
    expect(stdout.split('\n')).toHaveLength(24)
    expect(stdout).toContain('… 20 more lines')
  })

  test.each([80, 40, 20])('fits %i columns, and counts lines as they are wrapped', async (columns) => {
    const kernel = fakeKernel()
    await command(['apply', '-'], { kernel, stdin: many })
    const { stdout } = await command(['watch', '--count', '1'], { kernel, columns })
    const lines = stdout.slice(ENTER.length, -LEAVE.length).replaceAll(CLEARING, '').split('\n')
    expect(lines).toHaveLength(24)
    expect(lines.filter((line) => line.length > columns)).toEqual([])
  })

  test.each([
    ['SIGINT', 0, ''],
    ['SIGTERM', 143, 'netplane: ended by SIGTERM\n'],
    ['SIGHUP', 129, 'netplane: ended by SIGHUP\n'],
    ['SIGQUIT', 131, 'netplane: ended by SIGQUIT\n'],
    ['SIGALRM', 142, 'netplane: ended by SIGALRM\n']
  ] as const)('ends by %s, and the terminal is as it was', async (name, status, stderr) => {
    const ending = new AbortController()
    const stdout = new KeptStream(80)
    const running = command(['watch', '--interval', '60'], { stdout, signal: ending.signal })
    await until('the first look', () => stdout.text.includes('no services'))
    ending.abort(new SignalError(name))
    const result = await running
    expect(result).toMatchObject({ status, stderr })
    expect(result.stdout.endsWith(LEAVE)).toBe(true)
  })

  test('gives the terminal back while it is stopped, and draws anew when it goes on', async () => {
    const ending = new AbortController()
    const stdout = new KeptStream(80)
    let stop = { before: (): void => undefined, after: (): void => undefined }
    const atStop = (before: () => void, after: () => void) => {
      stop = { before, after }
      return () => undefined
    }
    const running = command(['watch', '--interval', '60'], { stdout, signal: ending.signal, atStop })
    await until('the first look', () => stdout.text.includes('no services'))
    const first = stdout.text
    stop.before()
    expect(stdout.text).toBe(`${first}${LEAVE}`)
    stop.after()
    expect(stdout.text).toBe(`${first}${LEAVE}${first}`)
    ending.abort(new SignalError('SIGINT'))
    expect((await running).stdout).toBe(`${first}${LEAVE}${first}${LEAVE}`)
  })

  test('makes the terminal as it was when the kernel cannot be read any more', async () => {
    const stdout = new KeptStream(80)
    const kernel = fakeKernel()
    const running = command(['watch', '--interval', '0.1'], { stdout, kernel })
    await until('the first look', () => stdout.text.includes('no services'))
    const refusing = new FakeNftablesKernel({ privileged: false })
    Object.assign(kernel, { nftables: refusing })
    const { status, stderr } = await running
    expect(status).toBe(4)
    expect(stderr).toMatch(/^netplane: EPERM/)
    expect(stdout.text.endsWith(LEAVE)).toBe(true)
  })

  test('does not touch the terminal when it cannot begin', async () => {
    const kernel = fakeKernel({ nftables: new FakeNftablesKernel({ privileged: false }) })
    const { status, stdout } = await command(['watch'], { kernel, columns: 80 })
    expect({ status, stdout }).toEqual({ status: 4, stdout: '' })
  })

  test.each([
    ['--interval', '2s', 'It must be a number of seconds from 0.1 to 3600, without a unit.'],
    ['--interval', '0', 'It must be a number of seconds from 0.1 to 3600, without a unit.'],
    ['--count', '0', 'It must be a whole number above 0.']
  ])('refuses %s %s', async (option, value, message) => {
    const { status, stderr } = await command(['watch', option, value])
    expect(status).toBe(2)
    expect(stderr).toContain(message)
  })
})
