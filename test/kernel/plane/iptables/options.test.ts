import { describe, expect, it, onTestFinished } from 'vitest'
import { openPlane, type IptablesPlaneOptions, type Service } from '../../../../src/index.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve, tally, type ServiceNetwork } from '../../../support/service-network.js'

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }
const NODE = { ip: '10.1.0.1', ip6: 'fd00:1::1' }
/** The node's address on the link to the server. */
const LINK = { ip: '10.1.1.1', ip6: 'fd00:1:1::1' }
const CLIENT = { ip: '10.1.0.2', ip6: 'fd00:1::2' }
const families = ['ip', 'ip6'] as const

const web: Service = {
  name: 'web',
  protocol: 'tcp',
  frontends: [...families.map((family) => ({ kind: 'cluster' as const, address: VIP[family], port: 80 })), { kind: 'node', port: 30_080 }],
  endpoints: families.map((family) => ({ address: addressOf[family](1), port: 8080 }))
}

async function served(options: IptablesPlaneOptions): Promise<ServiceNetwork> {
  const network = await makeServiceNetwork(1)
  await serve(network.servers[0]!, 's1', 8080)
  await reachable(network, 8080)
  const plane = await openPlane({ mode: 'iptables', netns: network.node.path, staleFlows: false, auditMs: 0, ...options })
  onTestFinished(() => plane.close())
  expect((await plane.sync(new Map([['web', web]]))).quarantined).toEqual([])
  return network
}

const seen = async ({ client }: ServiceNetwork, address: string, port: number): Promise<string | undefined> =>
  (await ask(client, 'tcp', address, port, 1))[0]

describe.each(families)('over %s', (family) => {
  it('the address that is given is the source', async () => {
    const network = await served({ masqueradeAddress: { ip: NODE.ip, ip6: NODE.ip6 }, masquerade: 'all' })
    expect(await seen(network, NODE[family], 30_080)).toBe(`s1 ${NODE[family]}`)
    expect(await seen(network, VIP[family], 80)).toBe(`s1 ${NODE[family]}`)
  })

  it.each<[string, IptablesPlaneOptions, 'LINK' | 'CLIENT']>([
    ['of the link the client comes by', { localSources: { bridge: 'host0' } }, 'CLIENT'],
    ['of another link', { localSources: { bridge: 'host1' } }, 'LINK'],
    ['of links that are called so', { localSources: { interfacePrefix: 'ho' } }, 'CLIENT'],
    ['of links that are called otherwise', { localSources: { interfacePrefix: 'cali' } }, 'LINK'],
    ['of several prefixes', { localSources: ['10.9.0.0/16', '10.1.0.0/24', 'fd00:9::/64', 'fd00:1::/64'] }, 'CLIENT'],
    ['of none of several prefixes', { localSources: ['10.9.0.0/16', '10.8.0.0/24', 'fd00:9::/64', 'fd00:8::/64'] }, 'LINK']
  ])('clients %s are local, or not', async (_, options, address) => {
    expect(await seen(await served(options), VIP[family], 80)).toBe(`s1 ${{ LINK, CLIENT }[address][family]}`)
  })
})

it('packets have the bit of the mark until they have their source address', async () => {
  const network = await served({ masqueradeBit: 5 })
  const rules = `add table inet watch
add chain inet watch forward { type filter hook forward priority 10; }
add rule inet watch forward ct state new tcp dport 8080 meta mark & 0x20 == 0x20 counter
add chain inet watch leaving { type filter hook postrouting priority 300; }
add rule inet watch leaving ct state new tcp dport 8080 meta mark 0 counter
add rule inet watch leaving ct state new tcp dport 8080 meta mark != 0 counter`
  await network.node.run('nft', ['-f', '-'], { input: rules })
  expect(await seen(network, NODE.ip, 30_080)).toBe(`s1 ${LINK.ip}`)
  const listing = await network.node.nft('list', 'table', 'inet', 'watch')
  expect([...listing.matchAll(/counter packets (\d+)/g)].map(([, packets]) => packets)).toEqual(['1', '1', '0'])
})

it('marked packets and answers pass a firewall that drops what is forwarded, and health checks one that lets nobody in', async () => {
  const network = await served({ healthCheckPorts: [{ from: 31_000, to: 31_001 }] })
  for (const port of [31_001, 31_002]) await serve(network.node, 'node', port)
  for (const program of ['iptables-nft', 'ip6tables-nft'])
    for (const chain of ['FORWARD', 'INPUT']) await network.node.run(program, ['-P', chain, 'DROP'])
  // Neighbours must be found.
  await network.node.run('ip6tables-nft', ['-A', 'INPUT', '-p', 'icmpv6', '-j', 'ACCEPT'])
  for (const family of families) {
    expect(await seen(network, NODE[family], 30_080)).toBe(`s1 ${LINK[family]}`)
    // What is not marked does not pass: the client keeps its address there.
    const others = [seen(network, VIP[family], 80), seen(network, NODE[family], 31_002)]
    expect(await Promise.all(others)).toEqual(['TimeoutError', 'TimeoutError'])
  }
  // The answers of the node itself come from no chain of ours.
  await network.node.run('iptables-nft', ['-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT'])
  expect(tally(await ask(network.client, 'tcp', NODE.ip, 31_001, 1))).toEqual({ node: 1 })
})
