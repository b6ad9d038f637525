import path from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { thisSystem } from '../../../src/cli/doctor/system.js'
import { command, KeptStream, type CommandResult } from '../../support/command.js'
import { commandInside } from '../../support/command-inside.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { until } from '../../support/run.js'

const PROGRAM = path.resolve(import.meta.dirname, '../../../dist/cli.js')

const SERVICES = `services:
  - name: default/web:http
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints: [{ address: 10.1.0.1, port: 8080 }]
`

/** A node that has the endpoint's address itself, and a client on another link. */
async function network(): Promise<{ readonly node: TestNamespace; readonly client: TestNamespace }> {
  const [node, client] = [await makeNamespace(), await makeNamespace()]
  await node.ip('link', 'add', 'inside', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', client.name)
  await node.ip('address', 'add', '192.0.2.1/24', 'dev', 'inside')
  await node.ip('address', 'add', '10.1.0.1/32', 'dev', 'lo')
  await node.ip('link', 'set', 'inside', 'up')
  await node.ip('route', 'add', '10.96.0.0/16', 'dev', 'inside')
  await client.ip('address', 'add', '192.0.2.9/24', 'dev', 'eth0')
  await client.ip('link', 'set', 'eth0', 'up')
  await client.ip('route', 'add', 'default', 'via', '192.0.2.1')
  return { node, client }
}

async function connect(from: TestNamespace): Promise<void> {
  const script = 'import socket; s = socket.socket(); s.settimeout(2); s.connect_ex(("10.96.0.1", 80))'
  await from.run('python3', ['-c', script])
}

function inside(namespace: TestNamespace, args: readonly string[], stdin = ''): Promise<CommandResult> {
  return commandInside(namespace, args, { stdin })
}

async function hasTable(node: TestNamespace): Promise<boolean> {
  return (await node.nft('list', 'tables')).includes('netplane-trace-')
}

/** Runs the command while somebody connects. */
async function traced(node: TestNamespace, from: TestNamespace, ...args: string[]): Promise<CommandResult> {
  const all = ['trace', '10.96.0.1:80', '--count', '1', '--timeout', '20', ...args, '--netns', node.name]
  const running = command(all, { kernel: undefined, system: thisSystem, stdout: new KeptStream() })
  await until('the table is there', () => hasTable(node))
  await connect(from)
  return await running
}

describe('trace on the kernel', () => {
  test.each([
    ['nftables', 'ip netplane lb-random-1 rule 1: dnat, accept  (chooses an endpoint)'],
    ['iptables', 'dnat, accept  (leads to the endpoint; "default/web:http")']
  ])('follows a packet to its endpoint in mode %s', async (mode, choice) => {
    const { node, client } = await network()
    expect((await inside(node, ['apply', '-', '--mode', mode], SERVICES)).status).toBe(0)
    const { status, stdout, stderr } = await traced(node, client)
    expect({ status, stderr }).toEqual({ status: 0, stderr: 'netplane: tracing; Ctrl-C ends it\n' })
    const lines = stdout.split('\n')
    expect(lines[0]).toMatch(
      new RegExp(
        `^packet [0-9a-f]{8}: tcp 192\\.0\\.2\\.9:\\d+ -> 10\\.96\\.0\\.1:80, in by inside; to a frontend of service default/web:http \\(mode ${mode}\\)$`
      )
    )
    const place = lines.findIndex((line) => line.endsWith(choice))
    expect(place).toBeGreaterThan(1)
    expect(lines[place + 1]).toMatch(/^ {2}now tcp 192\.0\.2\.9:\d+ -> 10\.1\.0\.1:8080: an endpoint of service default\/web:http$/)
    expect(await hasTable(node)).toBe(false)
  })

  test('follows a packet of this node itself on to loopback, as objects', async () => {
    const { node } = await network()
    expect((await inside(node, ['apply', '-'], SERVICES)).status).toBe(0)
    const { status, stdout } = await traced(node, node, '-o', 'json')
    expect(status).toBe(0)
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const packets = events.filter(({ event }) => event === 'packet')
    expect(packets).toMatchObject([
      { again: false, destination: { address: '10.96.0.1', port: 80 }, frontends: [{ service: 'default/web:http' }] },
      { again: true, destination: { address: '10.1.0.1', port: 8080 }, inLink: 'lo' }
    ])
    expect(events.find(({ event }) => event === 'translated')).toMatchObject({ endpoint: { service: 'default/web:http' } })
  })

  test('ends behind the last packet, although others go on', async () => {
    const { node } = await network()
    expect((await inside(node, ['apply', '-'], SERVICES)).status).toBe(0)
    const busy = node.background('python3', [
      '-c',
      'import socket, time\nwhile True: s = socket.socket(); s.connect_ex(("10.96.0.1", 80)); s.close(); time.sleep(0.1)'
    ])
    const { status, stdout } = await command(
      ['trace', '10.96.0.1:80', '--count', '1', '--timeout', '20', '-o', 'json', '--netns', node.name],
      { kernel: undefined, system: thisSystem }
    )
    await busy.stop('SIGTERM')
    expect(status).toBe(0)
    const ways = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly event: string; readonly again?: boolean; readonly source?: unknown })
      .filter(({ event }) => event === 'packet')
    expect(ways.map(({ again }) => again)).toEqual([false, true])
    expect(ways[1]!.source).toEqual(ways[0]!.source)
  })

  test('names the rule that drops a packet, another program’s', async () => {
    const { node, client } = await network()
    await node.nftScript(
      'table inet firewall {\n chain in {\n type filter hook prerouting priority -50;\n tcp dport 80 drop comment "no web"\n }\n}'
    )
    const { stdout } = await traced(node, client)
    expect(stdout).toContain('prerouting: inet firewall in rule 1: drop  ("no web")\n')
  })

  test('says of a rule that refuses that it does so', async () => {
    const { node, client } = await network()
    const none = SERVICES.replace(/endpoints: .*/, 'endpoints: []')
    expect((await inside(node, ['apply', '-'], none)).status).toBe(0)
    await node.run('sysctl', ['-w', 'net.ipv4.ip_forward=1'])
    expect((await traced(node, client)).stdout).toContain('refusals rule 1: reject, drop  (refuses or drops what nobody serves)')
  })

  test('tells nothing of packets from elsewhere', async () => {
    const { node, client } = await network()
    const all = ['trace', '10.96.0.1:80', '--from', '192.0.2.77', '--timeout', '1.5', '--netns', node.name]
    const running = command(all, { kernel: undefined, system: thisSystem })
    await until('the table is there', () => hasTable(node))
    await connect(client)
    expect(await running).toMatchObject({ status: 1, stdout: '' })
  })

  test.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)('leaves no table when it is ended by %s', async (signal) => {
    const { node } = await network()
    const program = node.background(process.execPath, [PROGRAM, 'trace', '10.96.0.1:80'])
    await until('the table is there', () => hasTable(node))
    await program.stop(signal)
    // Older kernels have no tables with owners.
    if (signal === 'SIGKILL' && isOlderThan('5.12')) {
      expect(await hasTable(node)).toBe(true)
      return
    }
    await until('the table is gone', async () => !(await hasTable(node)))
    if (signal !== 'SIGKILL') expect((await program.ended).status).toBe(signal === 'SIGINT' ? 0 : 143)
  })

  test('leaves no table when its reader goes away', async () => {
    const { node, client } = await network()
    const program = node.background('sh', ['-c', `"${process.execPath}" "${PROGRAM}" trace 10.96.0.1:80 | head -n 1`])
    await until('the table is there', () => hasTable(node))
    await connect(client)
    await program.ended
    await until('the table is gone', async () => !(await hasTable(node)))
  })
})
