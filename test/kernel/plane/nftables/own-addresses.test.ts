import { expect, it, onTestFinished } from 'vitest'
import { openPlane, type Service } from '../../../../src/index.js'
import { addressOf, ask, serve, tally, makeServingNetwork } from '../../../support/service-network.js'

/** The node's address at which its clients ask. */
const OWN = '10.1.0.1'

const endpoint = (server: number) => ({ address: addressOf.ip(server), port: 8080 })

const services = new Map<string, Service>(
  (
    [
      { name: 'external', frontends: [{ kind: 'external', address: OWN, port: 80 }], endpoints: [endpoint(1)] },
      { name: 'balancer', frontends: [{ kind: 'loadBalancer', address: OWN, port: 30_080 }], endpoints: [endpoint(1)] },
      { name: 'port', frontends: [{ kind: 'node', port: 30_080 }], endpoints: [endpoint(2)] },
      { name: 'another-port', frontends: [{ kind: 'node', port: 30_081 }], endpoints: [endpoint(2)] }
    ] as const
  ).map((service) => [service.name, { protocol: 'tcp', ...service }])
)

it('serves services at an address of this node before ports of the node, and leaves its other ports to local processes', async () => {
  const network = await makeServingNetwork(2)
  await serve(network.node, 'local', 8022)
  const plane = await openPlane({ mode: 'nftables', netns: network.node.path, auditMs: 0, ownAddresses: 'serve' })
  onTestFinished(() => plane.close())
  expect((await plane.sync(services)).quarantined).toEqual([])
  const others = network.servers.map((_, index) => `10.1.${index + 1}.1`)
  const cases = [
    [OWN, 80, { s1: 5 }],
    [OWN, 30_080, { s1: 5 }],
    [OWN, 30_081, { s2: 5 }],
    [OWN, 8022, { local: 5 }],
    [OWN, 81, { ConnectionRefusedError: 5 }],
    [others[0]!, 30_080, { s2: 5 }],
    [others[0]!, 80, { ConnectionRefusedError: 5 }]
  ] as const
  for (const [address, port, answers] of cases) {
    expect.soft(tally(await ask(network.client, 'tcp', address, port, 5)), `${address}:${port}`).toEqual(answers)
    const { outcome } = await plane.explain({ protocol: 'tcp', address, port, from: '10.1.0.2' })
    const isServed = 's1' in answers || 's2' in answers
    expect.soft(outcome.type, `${address}:${port}`).toBe(isServed ? 'served' : 'untouched')
  }
})
