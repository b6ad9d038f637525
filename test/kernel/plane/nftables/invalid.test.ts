import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type Frontend, type Plane, type Service } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { addressOf, makeServiceNetwork, type ServiceNetwork } from '../../../support/service-network.js'

const STRAYS = fileURLToPath(new URL('../../../support/strays.py', import.meta.url))
const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }
const NODE = { ip: '10.1.0.1', ip6: 'fd00:1:0::1' }

async function planeIn(network: ServiceNetwork, dropInvalid: boolean | undefined): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns: network.node.path, auditMs: 0, dropInvalid })
}

const serving = (family: 'ip' | 'ip6', frontends: readonly Frontend[]): Map<string, Service> =>
  new Map([['web', { name: 'web', protocol: 'tcp', frontends, endpoints: [{ address: addressOf[family](1), port: 8080 }] }]])

/** Who loses a conversation with a service to a reset, in which one side sends a stray packet; `whole`: nobody. */
async function conversation(
  network: ServiceNetwork,
  [address, port]: readonly [string, number],
  sender: 'client' | 'server'
): Promise<string> {
  const strayOf = (side: string): string[] => (side === sender ? ['stray'] : [])
  const server = network.servers[0]!.background('python3', [STRAYS, 'serve', '8080', ...strayOf('server')])
  await server.waitFor('listening')
  const end = await network.client.run('python3', [STRAYS, 'ask', address, String(port), ...strayOf('client')])
  await server.stop()
  return server.output().includes('ConnectionResetError') ? 'server' : end.trim() === 'ConnectionResetError' ? 'client' : end.trim()
}

describe.each(['ip', 'ip6'] as const)('packets that connection tracking calls invalid, over %s', (family) => {
  const cluster = { kind: 'cluster', address: VIP[family], port: 80 } as const
  const external = { kind: 'external', address: family === 'ip' ? '203.0.113.7' : '2001:db8::7', port: 80 } as const
  const node = { kind: 'node', port: 30080 } as const

  it('do not end connections where they are dropped', async () => {
    const network = await makeServiceNetwork(1)
    const ways = [
      [[VIP[family], 80], 'server'],
      [[external.address, 80], 'server'],
      [[NODE[family], 30080], 'client'],
      [[NODE[family], 30080], 'server']
    ] as const
    const ends = async (): Promise<string[]> => {
      const found: string[] = []
      for (const [target, sender] of ways) found.push(await conversation(network, target, sender))
      return found
    }
    const services = serving(family, [cluster, external, node])
    const without = await planeIn(network, undefined)
    await without.sync(services)
    // Where the connection is masqueraded, it is this node that answers the stray packet of the server.
    expect(await ends()).toEqual(['server', 'server', 'client', 'server'])
    await without.close()
    await (await planeIn(network, true)).sync(services)
    expect(await ends()).toEqual(['whole', 'whole', 'whole', 'whole'])
  })
})

it('packets that are no concern of services pass as before', async () => {
  const network = await makeServiceNetwork(2)
  const services = serving('ip', [{ kind: 'cluster', address: VIP.ip, port: 80 }])
  await (await planeIn(network, true)).sync(services)
  // Nothing leads to the second server, so that its stray packet comes to the client, which knows the connection.
  const heard = network.client.background('python3', [
    '-c',
    `import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800)); print('ready', flush=True)
while True:
    if s.recv(2048).endswith(b'stray'): print('heard', flush=True)`
  ])
  await heard.waitFor('ready')
  const server = network.servers[1]!.background('python3', [STRAYS, 'serve', '8080', 'stray'])
  await server.waitFor('listening')
  expect((await network.client.run('python3', [STRAYS, 'ask', addressOf.ip(2), '8080'])).trim()).toBe('whole')
  await heard.waitFor('heard')
})

it('is taken over at a restart without a write, follows endpoints, and goes with the option', async () => {
  const network = await makeServiceNetwork(1)
  const frontends = [{ kind: 'cluster', address: VIP.ip, port: 80 } as const]
  const plain = await planeIn(network, undefined)
  await plain.sync(serving('ip', frontends))
  const before = await network.node.nft('list', 'ruleset')
  await plain.close()

  const dropping = await planeIn(network, true)
  expect(String(await dropping.plan(serving('ip', frontends)))).toContain('missing set ip netplane all-endpoints')
  await dropping.sync(serving('ip', frontends))
  const listing = await network.node.nft('list', 'ruleset')
  expect(listing).toContain('ct state invalid jump invalid')
  expect(listing).toMatch(
    /set all-endpoints \{\s+type ipv4_addr \. inet_proto \. inet_service\s+elements = \{ 10\.1\.1\.2 \. tcp \. 8080 \}/
  )
  const drained = new Map(
    [...serving('ip', frontends)].map(([name, service]) => [
      name,
      { ...service, endpoints: service.endpoints.map((endpoint) => ({ ...endpoint, state: 'draining' as const })) }
    ])
  )
  await dropping.sync(drained)
  expect(await network.node.nft('list', 'set', 'ip', 'netplane', 'all-endpoints')).toContain('10.1.1.2 . tcp . 8080')
  await dropping.close()

  const again = await planeIn(network, true)
  expect(await again.sync(drained)).toMatchObject({ requests: 0, objects: { written: 0, deleted: 0 } })
  await again.sync(new Map())
  expect(await network.node.nft('list', 'set', 'ip', 'netplane', 'all-endpoints')).not.toContain('elements')
  await again.close()

  await (await planeIn(network, false)).sync(serving('ip', frontends))
  expect(await network.node.nft('list', 'ruleset')).toBe(before)
})
