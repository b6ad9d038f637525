import { expect, test } from 'vitest'
import { SignalError } from '../../../src/cli/errors.js'
import { thisSystem } from '../../../src/cli/doctor/system.js'
import { openPlane, type Service } from '../../../src/index.js'
import { command, KeptStream } from '../../support/command.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { until } from '../../support/run.js'
import { looksIn, type SeenLook } from '../../support/watch-looks.js'

const web: Service = {
  ...{ name: 'web', protocol: 'tcp' },
  frontends: [
    { kind: 'cluster', address: '10.96.0.1', port: 80 },
    { kind: 'node', port: 30080 }
  ],
  endpoints: [
    { address: '10.1.0.1', port: 8080 },
    { address: '10.1.0.2', port: 8080 }
  ]
}

/** A node that has both endpoints, a server behind them, and a client. */
async function network(): Promise<{ readonly node: TestNamespace; readonly client: TestNamespace }> {
  const [node, client] = [await makeNamespace(), await makeNamespace()]
  await node.ip('link', 'add', 'inside', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', client.name)
  await node.ip('address', 'add', '192.0.2.1/24', 'dev', 'inside')
  for (const address of ['10.1.0.1/32', '10.1.0.2/32']) await node.ip('address', 'add', address, 'dev', 'lo')
  await node.ip('link', 'set', 'inside', 'up')
  await client.ip('address', 'add', '192.0.2.9/24', 'dev', 'eth0')
  await client.ip('link', 'set', 'eth0', 'up')
  await client.ip('route', 'add', 'default', 'via', '192.0.2.1')
  const server = node.background('python3', [
    '-c',
    `import socket
s = socket.create_server(('0.0.0.0', 8080), backlog=128)
print('ready', flush=True)
while True: s.accept()[0].close()`
  ])
  await server.waitFor('ready')
  return { node, client }
}

/** Opens connections, one after the other. */
async function connect(client: TestNamespace, address: string, port: number, times: number): Promise<void> {
  const program = `import socket
for _ in range(${times}): socket.create_connection(('${address}', ${port}), 5).close()`
  await client.run('python3', ['-c', program])
}

/** Connections that all looks saw: their rates, each by the time since the look before. */
function countOf(looks: readonly SeenLook[], address: string | undefined): number {
  let sum = 0
  for (const [index, { at, frontends }] of looks.entries()) {
    const seconds = index === 0 ? 0 : (Date.parse(at) - Date.parse(looks[index - 1]!.at)) / 1000
    for (const one of frontends) if (one.address === address) sum += (one.connectionsPerSecond ?? 0) * seconds
  }
  return sum
}

test.each([
  ['nftables', false],
  ['nftables', true],
  ['iptables', undefined]
] as const)('mode %s (counters: %s): every connection is seen, and to whom it went', async (mode, counters) => {
  const { node, client } = await network()
  const options = mode === 'nftables' ? { mode, counters } : { mode }
  await using plane = await openPlane({ ...options, netns: node.name })
  await plane.sync(new Map([[web.name, web]]))
  const stdout = new KeptStream()
  const ending = new AbortController()
  const running = command(['watch', '--netns', node.name, '--mode', mode, '--interval', '0.5', '-o', 'json'], {
    ...{ kernel: undefined, system: thisSystem, stdout, signal: ending.signal }
  })
  await until('the first look', () => looksIn(stdout.text).length > 0)
  await connect(client, '10.96.0.1', 80, 40)
  await connect(client, '192.0.2.1', 30080, 20)
  // What came meanwhile stands in the look behind it.
  const seen = looksIn(stdout.text).length
  await until('two looks more', () => looksIn(stdout.text).length > seen + 1)
  ending.abort(new SignalError('SIGINT'))
  expect(await running).toMatchObject({ status: 0, stderr: '' })
  const looks = looksIn(stdout.text)
  expect(looks.flatMap(({ notes }) => notes).filter((note) => note.includes('counted'))).toEqual([])
  // The time of a look is told a little after it was made.
  expect(countOf(looks, '10.96.0.1')).toBeGreaterThan(32)
  expect(countOf(looks, '10.96.0.1')).toBeLessThan(50)
  expect(countOf(looks, undefined)).toBeGreaterThan(16)
  expect(countOf(looks, undefined)).toBeLessThan(25)
  const spreads = looks.flatMap(({ frontends }) => frontends.flatMap(({ endpoints }) => endpoints)).filter(({ spread = 0 }) => spread > 0)
  expect(new Set(spreads.map(({ address }) => address))).toEqual(new Set(['10.1.0.1', '10.1.0.2']))
})

test('says that the kernel tells of no connections', async () => {
  const { node } = await network()
  await node.run('sysctl', ['-w', 'net.netfilter.nf_conntrack_events=0'])
  await using plane = await openPlane({ mode: 'nftables', netns: node.name })
  await plane.sync(new Map([[web.name, web]]))
  const { stdout } = await command(['watch', '--netns', node.name, '--count', '2', '--interval', '0.1'], {
    ...{ kernel: undefined, system: thisSystem }
  })
  expect(stdout).toContain('new connections are not counted: net.netfilter.nf_conntrack_events is 0\n')
})
