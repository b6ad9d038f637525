import { expect, it } from 'vitest'
import { type Plane, type Service } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { endpointText, serviceChain } from '../../../../src/plane/iptables/layout/names.js'
import { addressOf, ask, tally, type ServiceNetwork, makeServingNetwork } from '../../../support/service-network.js'

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }
const NODE_ADDRESS = { ip: '10.1.0.1', ip6: 'fd00:1::1' }
type Family = keyof typeof VIP
const families: readonly Family[] = ['ip', 'ip6']

async function openIn(netns: string): Promise<Plane> {
  return await openedPlane({ mode: 'iptables', netns, staleFlows: false, auditMs: 0 })
}

function sticky(family: Family, servers: readonly number[], more: Partial<Service> = {}): Service {
  return {
    name: 'sticky',
    protocol: 'tcp',
    frontends: [
      { kind: 'cluster', address: VIP[family], port: 80 },
      { kind: 'node', port: 30_080, family }
    ],
    endpoints: servers.map((server) => ({ address: addressOf[family](server), port: 8080 })),
    affinity: { timeoutSeconds: 600 },
    ...more
  }
}

const only = (service: Service): Map<string, Service> => new Map([[service.name, service]])

async function oneServer(network: ServiceNetwork, address: string, port: number, connections = 8): Promise<number> {
  const servers = Object.keys(tally(await ask(network.client, 'tcp', address, port, connections)))
  expect(servers).toHaveLength(1)
  return Number(servers[0]!.slice(1))
}

/** How many clients an endpoint remembers. */
async function remembered({ node }: ServiceNetwork, service: Service, server: number, family: Family): Promise<number> {
  const list = serviceChain('endpoint', service, endpointText({ address: addressOf[family](server), port: 8080 }))
  return (await node.run('cat', [`/proc/net/xt_recent/${list}`])).split('\n').filter((line) => line.startsWith('src=')).length
}

it.each(families)('clients keep their endpoint at all frontends, through changes and a restart, over %s', async (family) => {
  const network = await makeServingNetwork(3)
  const first = await openIn(network.node.path)
  await first.sync(only(sticky(family, [1, 2])))
  const server = await oneServer(network, VIP[family], 80)
  expect(await oneServer(network, NODE_ADDRESS[family], 30_080)).toBe(server)
  await first.update({ set: [sticky(family, [1, 2, 3])] })
  expect(await oneServer(network, VIP[family], 80)).toBe(server)
  const weighted = sticky(family, [1, 2, 3])
  const endpoints = weighted.endpoints.map((endpoint, index) => ({ ...endpoint, weight: index + 1 === server ? 1 : 1000 }))
  await first.update({ set: [{ ...weighted, endpoints }] })
  expect(await oneServer(network, VIP[family], 80)).toBe(server)
  await first.close()

  const second = await openIn(network.node.path)
  expect(await second.sync(only({ ...weighted, endpoints }))).toMatchObject({ requests: 0 })
  expect(await oneServer(network, VIP[family], 80)).toBe(server)
})

it.each(families)('clients are led elsewhere when their endpoint goes, and not back when it comes again, over %s', async (family) => {
  const network = await makeServingNetwork(3)
  const plane = await openIn(network.node.path)
  const all = [1, 2, 3]
  await plane.sync(only(sticky(family, all)))
  const first = await oneServer(network, VIP[family], 80)
  expect(await remembered(network, sticky(family, all), first, family)).toBe(1)
  await plane.update({
    set: [
      sticky(
        family,
        all.filter((server) => server !== first)
      )
    ]
  })
  const second = await oneServer(network, VIP[family], 80)
  expect(second).not.toBe(first)
  await plane.update({ set: [sticky(family, all)] })
  expect(await remembered(network, sticky(family, all), first, family)).toBe(0)
  expect(await oneServer(network, VIP[family], 80)).toBe(second)
})

it('explain says for how long a client is remembered, and that it is not when the time is over', async () => {
  const network = await makeServingNetwork(2)
  const plane = await openIn(network.node.path)
  const remembering = (timeoutSeconds: number): Service => sticky('ip', [1, 2], { affinity: { timeoutSeconds } })
  await plane.sync(only(remembering(600)))
  const server = await oneServer(network, VIP.ip, 80)
  const [, from] = /inet (10\.1\.[\d.]+)/.exec(await network.client.run('ip', ['-4', 'address', 'show'])) ?? []
  const affinity = async (): Promise<object | undefined> => {
    const { steps } = await plane.explain({ protocol: 'tcp', address: VIP.ip, port: 80, from: from! })
    return steps.find(({ type }) => type === 'affinity')
  }
  const endpoint = { address: addressOf.ip(server), port: 8080 }
  const { leftMs, ...kept } = (await affinity()) as { readonly leftMs: number }
  expect(kept).toEqual({ type: 'affinity', endpoint, timeoutMs: 600_000 })
  expect(leftMs).toBeGreaterThan(500_000)
  expect(leftMs).toBeLessThanOrEqual(600_000)
  await plane.update({ set: [remembering(1)] })
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect(await affinity()).toEqual({ type: 'affinity', timeoutMs: 1000 })
})

const MANY = `
import socket
for host in range(10, 140):
    s = socket.create_connection(('10.96.0.1', 80), timeout=20, source_address=('10.1.0.%d' % host, 0)); s.recv(99); s.close()`

it('an endpoint remembers as many clients as the module says', async () => {
  const network = await makeServingNetwork(1)
  const commands = Array.from({ length: 130 }, (_, index) => `address add 10.1.0.${10 + index}/24 dev eth0`)
  await network.client.run('ip', ['-batch', '-'], { input: commands.join('\n') })
  const service = sticky('ip', [1])
  await (await openIn(network.node.path)).sync(only(service))
  await network.client.run('python3', ['-c', MANY])
  const most = Number(await network.node.run('cat', ['/sys/module/xt_recent/parameters/ip_list_tot']))
  expect(await remembered(network, service, 1, 'ip')).toBe(Math.min(most, 130))
})
