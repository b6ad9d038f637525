import { expect, it, onTestFinished } from 'vitest'
import { openPlane, type Plane, type Service } from '../../../../src/index.js'
import { rejection } from '../../../support/rejection.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve, tally } from '../../../support/service-network.js'
import { makeNamespace } from '../../../support/namespace.js'

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }
const families = ['ip', 'ip6'] as const

async function openIn(netns: string): Promise<Plane> {
  const plane = await openPlane({ mode: 'iptables', netns, staleFlows: false, auditMs: 0 })
  onTestFinished(() => plane.close())
  return plane
}

function service(servers: readonly number[], more: Partial<Service> = {}): Service {
  return {
    name: 'web',
    protocol: 'tcp',
    frontends: [
      ...families.map((family) => ({ kind: 'cluster' as const, address: VIP[family], port: 80 })),
      { kind: 'node', port: 30_080 }
    ],
    endpoints: servers.flatMap((server) => families.map((family) => ({ address: addressOf[family](server), port: 8080 }))),
    ...more
  }
}

const only = (one: Service): Map<string, Service> => new Map([[one.name, one]])

async function numbers(plane: Plane) {
  const { connections, endpoints } = (await plane.counters()).get('web')!
  return { connections, endpoints: Object.fromEntries(endpoints.map(({ endpoint, connections: own }) => [endpoint.address, own])) }
}

it('counts new connections of endpoints through all frontends, through changes and a restart', async () => {
  const network = await makeServiceNetwork(2)
  await Promise.all(network.servers.map((host, index) => serve(host, `s${index + 1}`, 8080)))
  await reachable(network, 8080)
  const first = await openIn(network.node.path)
  await first.sync(only(service([1, 2])))
  const seen: Record<string, bigint> = Object.fromEntries(
    [1, 2].flatMap((server) => families.map((family) => [addressOf[family](server), 0n]))
  )
  expect(await numbers(first)).toEqual({ connections: 0n, endpoints: seen })
  const askAll = async (): Promise<void> => {
    for (const family of families) {
      const answers = [
        ...(await ask(network.client, 'tcp', VIP[family], 80, 10)),
        ...(await ask(network.client, 'tcp', family === 'ip' ? '10.1.0.1' : 'fd00:1::1', 30_080, 5))
      ]
      for (const [server, times] of Object.entries(tally(answers))) seen[addressOf[family](Number(server.slice(1)))]! += BigInt(times)
    }
  }
  await askAll()
  expect(await numbers(first)).toEqual({ connections: 30n, endpoints: seen })
  await first.close()

  const second = await openIn(network.node.path)
  const weighted = service([1, 2])
  const endpoints = weighted.endpoints.map((endpoint, index) => ({ ...endpoint, weight: 1 + index }))
  await second.sync(only({ ...weighted, endpoints }))
  await askAll()
  expect(await numbers(second)).toEqual({ connections: 60n, endpoints: seen })
  expect([...(await second.counters())].map(({ service: name }) => name)).toEqual(['web'])

  await second.update({ set: [service([1])] })
  const left = Object.fromEntries(families.map((family) => [addressOf[family](1), seen[addressOf[family](1)]!]))
  const connections = Object.values(left).reduce((sum, each) => sum + each, 0n)
  expect(await numbers(second)).toEqual({ connections, endpoints: left })
})

it('says that there is nothing before the first sync', async () => {
  const namespace = await makeNamespace()
  const plane = await openIn(namespace.path)
  expect(await rejection(plane.counters())).toMatchObject({ name: 'NetlinkError', code: 'ENOENT' })
})
