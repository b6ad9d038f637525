import { expect, it, onTestFinished } from 'vitest'
import { openPlane, type IpvsStatistics, type RealServer, type Service, type VirtualServiceListing } from '../../../../src/index.js'
import { DrainChoice } from '../../../../src/plane/ipvs/drain-choice.js'
import { VirtualServices } from '../../../../src/plane/ipvs/compile.js'
import { readCounters } from '../../../../src/plane/ipvs/counters.js'
import { Marks } from '../../../../src/plane/ipvs/marks.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../src/testing.js'

const service: Service = {
  name: 'web',
  protocol: 'tcp',
  frontends: [
    { kind: 'cluster', address: '10.96.0.1', port: 80 },
    { kind: 'external', address: 'fd00:96:0::1', port: 80 }
  ],
  endpoints: [
    { address: '10.0.0.1', port: 8080 },
    { address: 'fd00:0::1', port: 8080 }
  ]
}
const services = new Map([[service.name, service]])
const virtual = new VirtualServices({ of: () => 'wrr' }, new Marks(), new DrainChoice(undefined))

const NONE = { incomingPackets: 0n, outgoingPackets: 0n, incomingBytes: 0n, outgoingBytes: 0n }

const statistics = (connections: bigint): IpvsStatistics => ({
  connections,
  incomingPackets: connections * 10n,
  outgoingPackets: connections * 20n,
  incomingBytes: connections * 1000n,
  outgoingBytes: connections * 2000n,
  connectionsPerSecond: 1n,
  incomingPacketsPerSecond: 1n,
  outgoingPacketsPerSecond: 1n,
  incomingBytesPerSecond: 1n,
  outgoingBytesPerSecond: 1n
})

function listing(address: string, server: string, connections: bigint): VirtualServiceListing {
  const real = { address: server, port: 8080, statistics: statistics(connections) } as RealServer
  return {
    protocol: 'tcp',
    address,
    port: 80,
    statistics: statistics(connections + 1n),
    realServers: [real]
  } as unknown as VirtualServiceListing
}

it('adds up what virtual services and real servers say, whatever the spelling of addresses', async () => {
  const all = [listing('10.96.0.1', '10.0.0.1', 5n), listing('fd00:96::1', 'fd00::1', 2n), listing('10.96.0.9', '10.0.0.1', 100n)]
  const counters = await readCounters({ list: () => Promise.resolve(all) }, services, virtual)
  expect(counters.size).toBe(1)
  expect(counters.isComplete).toBe(true)
  expect(counters.get('nothing')).toBeUndefined()
  const traffic = (connections: bigint) => ({
    incomingPackets: connections * 10n,
    outgoingPackets: connections * 20n,
    incomingBytes: connections * 1000n,
    outgoingBytes: connections * 2000n
  })
  expect([...counters]).toEqual([
    {
      service: 'web',
      connections: 9n,
      traffic: traffic(9n),
      endpoints: [
        { endpoint: service.endpoints[0], connections: 5n, traffic: traffic(5n) },
        { endpoint: service.endpoints[1], connections: 2n, traffic: traffic(2n) }
      ]
    }
  ])
})

it('a plane of IPVS answers without an option', async () => {
  const kernel = { ipvs: new FakeIpvsKernel(), nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  const plane = await openPlane({ mode: 'ipvs', kernel, auditMs: 0 })
  onTestFinished(() => plane.close())
  await plane.sync(services)
  const endpoints = service.endpoints.map((endpoint) => ({ endpoint, connections: 0n, traffic: NONE }))
  expect((await plane.counters()).get('web')).toEqual({ service: 'web', connections: 0n, traffic: NONE, endpoints })
})
