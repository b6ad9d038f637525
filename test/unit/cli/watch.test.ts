import { describe, expect, test } from 'vitest'
import { SignalError } from '../../../src/cli/errors.js'
import { FakeConntrackKernel, FakeNftablesKernel } from '../../../src/testing.js'
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
    expect(stdout).toContain('… 22 more lines')
  })

  test('says that it falls behind', async () => {
    const kernel = fakeKernel()
    const stdout = new KeptStream()
    await command(['apply', '-'], { kernel, stdin: many })
    const running = command(['watch', '--count', '2', '--interval', '0.1'], { kernel, stdout })
    await until('the first look', () => stdout.text.includes('frontends'))
    // The thread is busy for longer than the interval.
    const end = performance.now() + 400
    while (performance.now() < end);
    expect((await running).stdout).toMatch(/\nlooks are 0\.\d s apart, as that is how long they take\n/)
  })

  test.each([80, 40, 20, 10, 5, 1])('fits %i columns, and counts lines as they are wrapped', async (columns) => {
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

  const web = (endpoints: string, weight = 1): string =>
    `services: [{ name: web, protocol: tcp, frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }], endpoints: [${endpoints
      .split(' ')
      .map((address) => `{ address: ${address}, port: 8080, weight: ${weight} }`)
      .join(', ')}] }]`

  test('says what changed since the look before', async () => {
    const kernel = fakeKernel()
    await command(['apply', '-'], { kernel, stdin: web('10.1.0.1 10.1.0.2') })
    const ending = new AbortController()
    const stdout = new KeptStream()
    const running = command(['watch', '--interval', '0.1'], { kernel, stdout, signal: ending.signal })
    await until('the first look', () => stdout.text.includes('10.1.0.2'))
    await command(['apply', '-'], { kernel, stdin: web('10.1.0.1 10.1.0.3') })
    await until('another endpoint', () => / \+ web tcp 10\.96\.0\.1:80 has 10\.1\.0\.3:8080\n/.test(stdout.text))
    expect(stdout.text).toMatch(/\d\d:\d\d:\d\d - web tcp 10\.96\.0\.1:80 has no more 10\.1\.0\.2:8080\n/)
    await command(['apply', '-'], { kernel, stdin: 'services: []' })
    await until('its end', () => / - web tcp 10\.96\.0\.1:80 is gone\n/.test(stdout.text))
    ending.abort(new SignalError('SIGINT'))
    expect((await running).status).toBe(0)
    // Each is told once.
    expect(stdout.text.match(/is gone/g)).toHaveLength(1)
  })

  test('keeps changes on a terminal', async () => {
    const kernel = fakeKernel()
    const ending = new AbortController()
    const stdout = new KeptStream(100)
    const running = command(['watch', '--interval', '0.1'], { kernel, stdout, signal: ending.signal })
    await until('the first look', () => stdout.text.includes('no services'))
    await command(['apply', '-'], { kernel, stdin: web('10.1.0.1') })
    await until('three looks with it', () => (stdout.text.match(/\+ web tcp 10\.96\.0\.1:80 is there/g)?.length ?? 0) > 2)
    ending.abort(new SignalError('SIGINT'))
    expect((await running).status).toBe(0)
  })

  test('says of real servers that they drain', async () => {
    const kernel = fakeKernel()
    await command(['apply', '-', '--mode', 'ipvs'], { kernel, stdin: web('10.1.0.1 10.1.0.2') })
    const ending = new AbortController()
    const stdout = new KeptStream()
    const running = command(['watch', '--mode', 'ipvs', '--interval', '0.1'], { kernel, stdout, signal: ending.signal })
    await until('the first look', () => stdout.text.includes('10.1.0.2'))
    await command(['apply', '-', '--mode', 'ipvs'], { kernel, stdin: web('10.1.0.1 10.1.0.2', 0) })
    await until(
      'both drain',
      () => (stdout.text.match(/ ~ web tcp 10\.96\.0\.1:80 \(wrr\) drains 10\.1\.0\.[12]:8080\n/g)?.length ?? 0) === 2
    )
    ending.abort(new SignalError('SIGINT'))
    expect((await running).status).toBe(0)
  })

  test('shows beside a file what the kernel lacks of it', async () => {
    const kernel = fakeKernel()
    await command(['apply', '-'], { kernel, stdin: web('10.1.0.1') })
    const same = await command(['watch', '-', '--count', '1'], { kernel, stdin: web('10.1.0.1') })
    expect(same).toMatchObject({ status: 0, stderr: '' })
    expect(same.stdout).toContain('Drift: none. The kernel holds what the file says.\n')
    const other = await command(['watch', '-', '--count', '1'], { kernel, stdin: web('10.1.0.2') })
    expect(other.stdout).toMatch(/Drift\. This is what apply would do:\n~ web\n/)
    expect(other.stdout).toContain('Services: 0 to add, 1 to change, 0 to remove.')
    // It changed nothing.
    expect((await command(['watch', '-', '--count', '1'], { kernel, stdin: web('10.1.0.1') })).stdout).toContain('Drift: none.')
  })

  test('says which services of the file cannot be applied', async () => {
    const thief = web('10.1.0.1').replace(
      /\]$/,
      ', { name: thief, protocol: tcp, frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }], endpoints: [] }]'
    )
    const { status, stdout } = await command(['watch', '-', '--count', '1'], { stdin: thief })
    expect(status).toBe(0)
    expect(stdout).toMatch(/standard input:1:\d+: service thief cannot be applied: /)
  })

  test('says of a file that is wrong, and of one that is not there, before it looks', async () => {
    expect((await command(['watch', '-'], { stdin: 'services: 1' })).status).toBe(2)
    const { status, stderr } = await command(['watch', '/nonexistent/services.yaml'])
    expect(status).toBe(2)
    expect(stderr).toContain('/nonexistent/services.yaml: cannot be read')
  })

  test('refuses to look for drift in mode userspace', async () => {
    const { status, stderr } = await command(['watch', '-', '--mode', 'userspace'], { stdin: 'services: []' })
    expect(status).toBe(2)
    expect(stderr).toBe('netplane: mode userspace has no drift: its services live with their process\n')
  })

  test('gives programs a document for each look', async () => {
    const kernel = fakeKernel()
    await command(['apply', '-'], { kernel, stdin: web('10.1.0.1') })
    const json = await command(['watch', '--count', '2', '--interval', '0.1', '-o', 'json'], { kernel, columns: 80 })
    const looks = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(looks).toHaveLength(2)
    expect(looks[1]).toMatchObject({
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
      connectionsPerSecond: 0,
      frontends: [{ service: 'web', connectionsPerSecond: 0, endpoints: [{ address: '10.1.0.1', connectionsPerSecond: 0 }] }],
      changes: []
    })
    const yaml = await command(['watch', '--count', '2', '--interval', '0.1', '-o', 'yaml'], { kernel })
    expect(yaml.stdout.match(/^---$/gm)).toHaveLength(2)
  })

  test('goes on without connection tracking, and says so', async () => {
    const kernel = fakeKernel({ conntrack: new FakeConntrackKernel({ hasConntrack: false }) })
    const none = ', { name: none, protocol: tcp, frontends: [{ kind: cluster, address: 10.96.0.9, port: 80 }], endpoints: [] }]'
    await command(['apply', '-'], { kernel, stdin: web('10.1.0.1').replace(/\]$/, none) })
    const { status, stdout } = await command(['watch', '--count', '2', '--interval', '0.1'], { kernel })
    expect(status).toBe(0)
    // One without endpoints gets none, which says nothing of the others.
    expect(stdout).not.toContain('new connections a second')
    expect(stdout).toContain('new connections are not counted: ')
    expect(stdout).toMatch(/10\.1\.0\.1:8080 +100 % +- +- +ready\n/)
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
