import { onTestFinished, expect, it, vi } from 'vitest'
import { openPlane, type DrainingEndpoint, type Plane, type Service } from '../../../../src/index.js'
import { KEEPER, TALKER } from '../../../support/kept-connections.js'
import { addressOf, makeServiceNetwork, reachable, serve, type ServiceNetwork } from '../../../support/service-network.js'

const VIP = '10.96.0.1'

const services = (...hosts: number[]): Map<string, Service> => {
  const endpoints = hosts.map((host) => ({ address: addressOf.ip(host), port: 81 }))
  return new Map([
    ['talk', { name: 'talk', protocol: 'tcp', scheduler: 'rr', frontends: [{ kind: 'cluster', address: VIP, port: 81 }], endpoints }]
  ])
}

async function openIn({ node }: ServiceNetwork, deadlineSeconds: number): Promise<Plane> {
  const draining = ({ name }: Service) => (name === 'talk' ? { deadlineSeconds } : undefined)
  const plane = await openPlane({ mode: 'ipvs', netns: node.path, auditMs: 0, staleFlows: false, draining })
  onTestFinished(() => plane.close())
  return plane
}

function draining(plane: Plane): readonly DrainingEndpoint[] {
  const { details } = plane.status()
  return details.mode === 'ipvs' ? details.drainingEndpoints : []
}

it('connections of a removed endpoint outlive the process, and end at the deadline of the next one, not before', async () => {
  const network = await makeServiceNetwork(2)
  for (const [index, host] of network.servers.entries()) {
    await host.background('python3', ['-c', TALKER, `s${index + 1}`]).waitFor('ready')
    await serve(host, `s${index + 1}`, 8080)
  }
  await reachable(network, 8080)
  const first = await openIn(network, 3600)
  await first.sync(services(1, 2))
  const keeper = network.client.background('python3', ['-c', KEEPER, VIP, '2'])
  await keeper.waitFor('round 1 s1 s2\n')
  const rounds = (): number => keeper.output().split('\n').length
  await first.sync(services(1))
  const leaving = { service: 'talk', virtualService: `tcp ${VIP}:81`, address: addressOf.ip(2), port: 81, activeConnections: 1 }
  await vi.waitFor(() => expect(draining(first)).toMatchObject([leaving]), { timeout: 30_000, interval: 100 })
  expect(draining(first)[0]!.remainingMs).toBeGreaterThan(3_000_000)
  await first.close()

  const deadlineSeconds = 15
  const second = await openIn(network, deadlineSeconds)
  expect((await second.plan(services(1))).isEmpty).toBe(true)
  const startedAt = performance.now()
  await second.sync(services(1))
  expect(draining(second)).toMatchObject([leaving])
  await keeper.waitFor(`round ${rounds() + 2} s1 s2\n`)
  await vi.waitFor(() => expect(draining(second)).toEqual([]), { timeout: 120_000, interval: 100 })
  expect(performance.now() - startedAt).toBeGreaterThan(deadlineSeconds * 1000)
  // What is left of the connection is dropped, or reset.
  await vi.waitFor(() => expect(keeper.output()).toMatch(/round \d+ (\w*Error|) ?s1\n/), { timeout: 60_000, interval: 200 })
})
