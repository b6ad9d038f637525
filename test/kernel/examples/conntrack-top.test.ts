import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { trackedNamespace, udpFlows } from '../../support/conntrack.js'
import { makeNamespace } from '../../support/namespace.js'

const TOP = fileURLToPath(new URL('../../../build/examples/conntrack-top.js', import.meta.url))
const TERMINAL = fileURLToPath(new URL('../../support/terminal.py', import.meta.url))
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'

/** What the program prints as JSON, the part that is compared. */
interface Printed {
  readonly entries: number
  readonly accounting: boolean
  readonly flows: number
  readonly translated: number
  readonly protocols: Record<string, number>
  readonly bytesPerSecond: number | null
  readonly top: readonly Record<string, unknown>[]
}

/** The command that runs it on a terminal of 80 × 24 of its own, and says how it ended. */
const onTerminal = (options: string): string[] => [
  ...['--quiet', '--return', '--command', `stty cols 80 rows 24; ${process.execPath} ${TOP} ${options}; echo "status $?"; stty -a`],
  '/dev/null'
]

const translated = {
  protocol: 'tcp',
  original: { source: '10.0.0.1', destination: '10.96.0.1', sourcePort: 40_000, destinationPort: 80 },
  destinationNat: { first: '10.1.0.1', firstPort: 8080 },
  timeoutSeconds: 600,
  state: 'established',
  status: ['assured', 'seen-reply']
} as const

it('prints the flows that conntrack(8) lists', async () => {
  await using tracked = await trackedNamespace()
  const { namespace, conntrack } = tracked
  await conntrack.addFlows([...udpFlows(30), translated])
  const top = async (...options: string[]): Promise<Printed> =>
    JSON.parse(await namespace.run(process.execPath, [TOP, '--once', '--json', ...options])) as Printed
  const all = await top('--limit', '0')
  expect(all).toMatchObject({
    entries: 31,
    flows: 31,
    translated: 1,
    protocols: { udp: 30, tcp: 1 },
    accounting: false,
    bytesPerSecond: null
  })
  const listed = (await namespace.run('conntrack', ['-L', '-o', 'id'])).trim().split('\n')
  const field = (line: string, name: string): string => new RegExp(`\\b${name}=(\\S+)`).exec(line)?.[1] ?? ''
  const theirs = listed.map((line) => ['src', 'sport', 'dst', 'dport', 'id'].map((name) => field(line, name)).join(' '))
  const ours = all.top.map((row) => [row['source'], row['sourcePort'], row['destination'], row['destinationPort'], row['id']].join(' '))
  expect(ours.sort()).toEqual(theirs.sort())
  expect(all.top.find(({ protocol }) => protocol === 'tcp')).toMatchObject({ state: 'established', destinationNat: '10.1.0.1:8080' })
  expect(await top('--protocol', 'tcp', '--address', '10.1.0.0/16', '--port', '8080')).toMatchObject({ flows: 1, entries: 31 })
  expect(await top('--port', '8081')).toMatchObject({ flows: 0, top: [] })
})

it('turns accounting on, and then prints rates', async () => {
  await using tracked = await trackedNamespace()
  const { namespace, conntrack } = tracked
  const off = await namespace.run(process.execPath, [TOP, '--once'])
  expect(off).toContain('sysctl -w net.netfilter.nf_conntrack_acct=1')
  await namespace.run(process.execPath, [TOP, '--once', '--accounting'])
  expect(await conntrack.readSettings(['accounting'])).toEqual({ accounting: true })
  await conntrack.addFlows(udpFlows(1))
  const printed = await namespace.run(process.execPath, [TOP, '--once', '--json', '--interval', '0.1'])
  expect(JSON.parse(printed)).toMatchObject({ accounting: true, flows: 1, bytesPerSecond: 0, packetsPerSecond: 0, top: [{ bytes: 0 }] })
})

it('redraws one screen of 80 × 24 and gives the terminal back on q', async () => {
  await using tracked = await trackedNamespace()
  const { namespace, conntrack } = tracked
  await conntrack.addFlows(udpFlows(100))
  const { stdout } = await namespace.attempt('script', onTerminal('--interval 0.1'), { input: 'spsq' })
  // Before it, the terminal's own echo of the keys.
  const [, live = ''] = stdout.split(ENTER)
  const [before = '', after] = live.split(LEAVE)
  const screens = before.split('\u001b[H').slice(1)
  expect(screens.length).toBeGreaterThan(0)
  for (const screen of screens) {
    // eslint-disable-next-line no-control-regex -- the sequences that clear what was there
    const lines = screen.replaceAll(/\u001b\[[KJ]/g, '').split(/\r+\n/)
    expect(lines).toHaveLength(24)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
    expect(lines[1]).toBe('100 shown: udp 100')
  }
  expect(after).toContain('status 0')
  expect(after).toMatch(/[^-]icanon/)
})

it.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
  ['SIGHUP', 129]
] as const)('gives the terminal back on %s', async (signal, status) => {
  const namespace = await makeNamespace()
  const terminal = namespace.background('script', onTerminal('--interval 0.1 & echo "pid $!"; wait $!'))
  await terminal.waitFor('flows 0')
  const pid = Number(/pid ([0-9]+)/.exec(terminal.output())?.[1])
  process.kill(pid, signal)
  await terminal.waitFor(`status ${status}`)
  const text = terminal.output()
  expect(text.indexOf(LEAVE)).toBeGreaterThan(text.indexOf(ENTER))
  await terminal.ended
})

it('ends in order where the terminal goes away', async () => {
  const namespace = await makeNamespace()
  const text = await namespace.run('python3', [TERMINAL, 'GONE', process.execPath, TOP, '--interval', '60'])
  expect(text.endsWith('<status 129>\n')).toBe(true)
})

it('gives the terminal back on an exception', async () => {
  const namespace = await makeNamespace()
  // Thrown after the first screen, whenever that is.
  const failing = `setInterval(() => { if (process.listenerCount('uncaughtException') > 0) throw new Error('on-purpose') }, 300)`
  const env = { ...process.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(failing)}` }
  const { stdout } = await namespace.attempt('script', onTerminal('--interval 0.1'), { env })
  expect(stdout.indexOf('on-purpose')).toBeGreaterThan(stdout.indexOf(LEAVE))
  expect(stdout.indexOf(LEAVE)).toBeGreaterThan(stdout.indexOf(ENTER))
  expect(stdout).toContain('status 1')
  expect(stdout).toMatch(/[^-]icanon/)
})
