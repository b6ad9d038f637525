import { describe, expect, test } from 'vitest'
import { KeptStream, type CommandResult } from '../../support/command.js'
import { commandInside } from '../../support/command-inside.js'
import { KEEPER, TALKER } from '../../support/kept-connections.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { until } from '../../support/run.js'

const SERVICES = `services:
  - name: default/web:http
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 81 }]
    endpoints:
      - { address: 10.1.0.1, port: 81, weight: 1 }
      - { address: 10.1.0.2, port: 81, weight: 0 }
`

/** A node with both endpoints, and a client. */
async function network(): Promise<{ readonly node: TestNamespace; readonly client: TestNamespace }> {
  const [node, client] = [await makeNamespace(), await makeNamespace()]
  await node.ip('link', 'add', 'inside', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', client.name)
  for (const [address, link] of [
    ['192.0.2.1/24', 'inside'],
    ['10.1.0.1/32', 'lo'],
    ['10.1.0.2/32', 'lo']
  ] as const)
    await node.ip('address', 'add', address, 'dev', link)
  await node.ip('link', 'set', 'inside', 'up')
  // What is not translated must have a way on which it is refused, and another one than it came by.
  await node.ip('route', 'add', '10.96.0.0/16', 'dev', 'lo')
  await node.run('sysctl', ['-w', 'net.ipv4.ip_forward=1'])
  await client.ip('address', 'add', '192.0.2.9/24', 'dev', 'eth0')
  await client.ip('link', 'set', 'eth0', 'up')
  await client.ip('route', 'add', 'default', 'via', '192.0.2.1')
  return { node, client }
}

function inside(namespace: TestNamespace, args: readonly string[], stdout = new KeptStream()): Promise<CommandResult> {
  return commandInside(namespace, args, { stdin: SERVICES, stdout })
}

describe('drain on the kernel', () => {
  test.each(['nftables', 'iptables'])('waits in mode %s until kept connections are over', async (mode) => {
    const { node, client } = await network()
    expect((await inside(node, ['apply', '-', '--mode', mode])).status).toBe(0)
    const talker = node.background('python3', ['-c', TALKER, 'one'])
    await talker.waitFor('ready')
    const keeper = client.background('python3', ['-c', KEEPER, '10.96.0.1', '2'])
    await keeper.waitFor('round 2 ')
    const stdout = new KeptStream()
    const running = inside(node, ['drain', '-', '10.1.0.1:81', '--mode', mode, '--timeout', '60'], stdout)
    await until('both are counted', () => stdout.text.includes('2 connections left, for at most 60 s.'))
    // They go on meanwhile.
    await keeper.waitFor('round 12 one one')
    await keeper.stop()
    const { status, stderr } = await running
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: 'netplane: service default/web:http has no other endpoint: new clients are refused\n'
    })
    expect(stdout.text).toContain('No connections are left after ')
    const refused = await client.attempt('python3', ['-c', 'import socket; socket.create_connection(("10.96.0.1", 81), 5)'])
    expect(refused.stderr).toContain('ConnectionRefusedError')
    expect((await inside(node, ['apply', '-', '--mode', mode])).status).toBe(0)
    await client.run('python3', ['-c', 'import socket; socket.create_connection(("10.96.0.1", 81), 5)'])
  })
})
