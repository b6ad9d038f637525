import { expect, it } from 'vitest'
import { type Plane, type PlaneEvent, type Service } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { ask, makeServiceNetwork, type ServiceNetwork } from '../../../support/service-network.js'

/** In the subnet of the link to the client, where another host might have it. */
const BESIDE = '10.1.0.77'
const services = new Map<string, Service>([
  [
    'web',
    {
      name: 'web',
      protocol: 'tcp',
      frontends: [BESIDE, '10.96.0.1'].map((address) => ({ kind: 'external', address, port: 80 })),
      endpoints: []
    }
  ]
])

async function openIn({ node }: ServiceNetwork, strictArp: boolean): Promise<Plane> {
  return await openedPlane({ mode: 'ipvs', netns: node.path, auditMs: 0, staleFlows: false, strictArp })
}

it('says for which addresses of services the node answers ARP, which strictArp keeps it from', async () => {
  const network = await makeServiceNetwork(0)
  const events: PlaneEvent[] = []
  const loose = await openIn(network, false)
  void (async () => {
    for await (const event of loose.watch()) events.push(event)
  })()
  await loose.sync(services)
  await loose.sync(services)
  // It was resolved: the node refuses the connection, as there is no endpoint.
  expect(await ask(network.client, 'tcp', BESIDE, 80, 1)).toEqual(['ConnectionRefusedError'])
  expect(events).toEqual([{ type: 'addressesAnnounced', link: 'host0', addresses: [BESIDE], option: 'strictArp' }])
  await loose.close()

  await network.client.ip('neighbour', 'flush', 'all')
  const strict = await openIn(network, true)
  const told = strict.watch()
  await strict.sync(services)
  expect(await ask(network.client, 'tcp', BESIDE, 80, 1)).not.toEqual(['ConnectionRefusedError'])
  await strict.close()
  expect(await told.next()).toEqual({ done: true, value: undefined })
})
