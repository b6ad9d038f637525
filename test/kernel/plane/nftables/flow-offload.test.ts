import { expect, it } from 'vitest'
import { Conntrack, type FlowOffloadOption, type Plane, type Service, type UnsupportedError } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { listWithBoth } from '../../../support/list-with-both.js'
import { makeNamespace } from '../../../support/namespace.js'
import { rejection } from '../../../support/rejection.js'
import { addressOf, makeServiceNetwork, type ServiceNetwork } from '../../../support/service-network.js'

const VIP = '10.96.0.1'
const devices = ['host0', 'host1']

async function planeIn({ node }: Pick<ServiceNetwork, 'node'>, flowOffload?: FlowOffloadOption): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns: node.path, auditMs: 0, flowOffload })
}

const services = new Map<string, Service>([
  [
    'web',
    {
      name: 'web',
      protocol: 'tcp',
      frontends: [{ kind: 'cluster', address: VIP, port: 80 }],
      endpoints: [{ address: addressOf.ip(1), port: 8080 }]
    }
  ]
])

/** Whether this kernel has flowtables, as nft finds it. */
async function hasFlowtables(): Promise<boolean> {
  const namespace = await makeNamespace()
  const script = 'table ip t { flowtable f { hook ingress priority 0; devices = { lo }; }; chain c { flow add @f; }; }'
  return (await namespace.attempt('nft', ['-f', '-'], { input: script })).status === 0
}

const ROUNDS = 200
const SERVER = `
import socket
s = socket.create_server(('', 8080)); print('listening', flush=True)
while True:
    c, _ = s.accept()
    while True:
        data = c.recv(1)
        if not data: break
        c.sendall(data)`
const CLIENT = `
import socket, threading
s = socket.create_connection(('${VIP}', 80), 5); s.settimeout(5)
for _ in range(${ROUNDS}): s.sendall(b'x'); assert s.recv(1) == b'x'
print('done', flush=True); threading.Event().wait()`

/** Has a conversation through the service. Gives how many packets the node's hook \`forward\` saw, and what there is to say of connections. */
async function conversation({ node, client }: ServiceNetwork): Promise<{ readonly seen: number; readonly status: readonly unknown[] }> {
  await node.nft('flush', 'chain', 'ip', 'count', 'forward')
  await node.nft('add', 'rule', 'ip', 'count', 'forward', 'counter')
  const program = client.background('python3', ['-c', CLIENT])
  await program.waitFor('done')
  const counted = /counter packets (\d+)/.exec(await node.nft('list', 'chain', 'ip', 'count', 'forward'))
  await using conntrack = await Conntrack.open({ netns: node.path })
  const status = (await conntrack.list()).flatMap((flow) => flow.status)
  await program.stop('SIGKILL')
  return { seen: Number(counted![1]), status }
}

it('hands established connections over where the kernel has flowtables, and says what it lacks where not', async () => {
  const network = await makeServiceNetwork(1)
  if (!(await hasFlowtables())) {
    const error = await rejection<UnsupportedError>((await planeIn(network, { devices })).sync(services))
    expect(error).toMatchObject({ name: 'UnsupportedError', missing: 'flowtables' })
    expect(error.message).toContain('CONFIG_NF_FLOW_TABLE')
    expect(await network.node.nft('list', 'ruleset')).toBe('')
    return
  }
  const server = network.servers[0]!.background('python3', ['-c', SERVER])
  await server.waitFor('listening')
  await network.node.nftScript('table ip count { chain forward { type filter hook forward priority 0; }; }')
  const without = await planeIn(network)
  await without.sync(services)
  const usual = await conversation(network)
  expect(usual.seen).toBeGreaterThan(2 * ROUNDS)
  expect(usual.status).not.toContain('offload')
  await without.close()

  const missing = await planeIn(network, { devices: ['host0', 'absent0'] })
  const plane = await planeIn(network, { devices, afterPackets: 20 })
  await plane.sync(services)
  const { seen, status } = await conversation(network)
  expect(status).toContain('offload')
  expect(seen).toBeGreaterThan(20)
  expect(seen).toBeLessThan(60)
  for (const listing of await listWithBoth(network.node.name)) {
    expect(listing).toMatch(/flowtable offload \{\s+hook ingress priority filter\s+devices = \{ "?host0"?, "?host1"? \}/)
    expect(listing).toContain('flow add @offload')
    expect(listing).toContain('ct status dnat ct state established ct packets > 20 jump if-offloaded')
  }
  await plane.close()
  const again = await planeIn(network, { devices, afterPackets: 20 })
  expect(await again.sync(services)).toMatchObject({ requests: 0 })
  await again.close()

  // A link that is gone is no reason to leave the rest as it is.
  await network.node.ip('link', 'delete', 'host1')
  const later = await planeIn(network, { devices: ['host0'], afterPackets: 5 })
  expect(String(await later.plan(services))).toContain('changed')
  await later.sync(services)
  expect(await network.node.nft('list', 'flowtables')).not.toContain('host1')
  await later.close()
  const tables = await network.node.nft('list', 'ruleset')
  const outcome = await missing.sync(services).catch((error: unknown) => error)
  // Since Linux 6.16 a flowtable takes names of links that do not exist yet.
  if (outcome instanceof Error) {
    expect(outcome).toMatchObject({ code: 'ENODEV', message: expect.stringContaining('absent0') as string })
    expect(await network.node.nft('list', 'ruleset')).toBe(tables)
  }
})
