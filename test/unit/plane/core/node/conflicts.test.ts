import { expect, it } from 'vitest'
import { ValidationError, type Plane, type PlaneEvent, type Service } from '../../../../../src/index.js'
import { makeFakeNode } from '../../../../support/fake-node.js'

const endpoints = [{ address: '10.0.0.1', port: 8080 }]
const external: Service = {
  name: 'external',
  protocol: 'tcp',
  frontends: [{ kind: 'external', address: '192.0.2.7', port: 80 }],
  endpoints
}
const balancer: Service = {
  name: 'balancer',
  protocol: 'tcp',
  frontends: [{ kind: 'loadBalancer', address: '192.0.2.8', port: 80 }],
  endpoints
}
const port: Service = { name: 'port', protocol: 'tcp', frontends: [{ kind: 'node', port: 30_080 }], endpoints }
const cluster: Service = { name: 'cluster', protocol: 'tcp', frontends: [{ kind: 'cluster', address: '192.0.2.7', port: 80 }], endpoints }

const named = (...services: Service[]): Map<string, Service> => new Map(services.map((one) => [one.name, one]))

async function scene() {
  const node = await makeFakeNode()
  return { ...node, plane: await node.open(), externals: () => node.elementsOf('external-ips') }
}

const refusal = (name: string, address: string) => ({
  service: name,
  error: expect.objectContaining({ path: `services["${name}"].frontends[0].address`, value: address }) as Error
})

it('a service at an address of this node is in quarantine alone, from the first port of the node on, while the node has it', async () => {
  const { plane, add, remove, externals } = await scene()
  await add('192.0.2.7')
  // Without ports of the node nobody else answers there.
  expect((await plane.sync(named(external, balancer))).quarantined).toEqual([])

  const report = await plane.update({ set: [port] })
  expect(report.quarantined).toEqual([refusal('external', '192.0.2.7')])
  expect(report.services).toEqual({ added: 1, changed: 0, removed: 1 })
  expect(plane.status().quarantined).toEqual([refusal('external', '192.0.2.7')])
  expect(plane.status().quarantined[0]!.error).toBeInstanceOf(ValidationError)
  expect(await externals()).toEqual(['192.0.2.8'])
  expect((await plane.plan(named(external, balancer, port))).quarantined).toEqual([refusal('external', '192.0.2.7')])

  // Another address arrives.
  const events: PlaneEvent[] = []
  const watch = plane.watch()
  void (async () => {
    for await (const event of watch) events.push(event)
  })()
  await add('192.0.2.8')
  await expect.poll(() => plane.status().quarantined).toEqual([refusal('external', '192.0.2.7'), refusal('balancer', '192.0.2.8')])
  expect(events).toEqual([{ type: 'quarantined', ...refusal('balancer', '192.0.2.8') }])
  expect(await externals()).toEqual([])
  expect(plane.status().services).toBe(1)

  await remove('192.0.2.7')
  await expect.poll(async () => (await plane.sync(named(external, balancer, port))).quarantined).toEqual([refusal('balancer', '192.0.2.8')])
  expect(await externals()).toEqual(['192.0.2.7'])
})

it('a service at an address of this node is served beside ports of the node where it is told so', async () => {
  const { open, add, externals } = await scene()
  await add('192.0.2.7')
  const plane = await open({ ownAddresses: 'serve' })
  expect((await plane.plan(named(external, port))).quarantined).toEqual([])
  expect((await plane.sync(named(external, port))).quarantined).toEqual([])
  expect((await plane.update({ set: [balancer] })).quarantined).toEqual([])
  await add('192.0.2.8')
  expect((await plane.sync(named(external, balancer, port))).quarantined).toEqual([])
  expect(await externals()).toEqual(['192.0.2.7', '192.0.2.8'])
})

it('a first sync finds it, and cluster addresses are left alone', async () => {
  const { plane, open, add, externals } = await scene()
  await add('192.0.2.7')
  expect((await plane.sync(named(external, port, balancer))).quarantined).toEqual([refusal('external', '192.0.2.7')])
  expect(await externals()).toEqual(['192.0.2.8'])
  expect((await plane.update({ set: [cluster] })).quarantined).toEqual([])
  await plane.close()

  const again = await open()
  const plan = await again.plan(named(external, port, balancer, cluster))
  expect(plan).toMatchObject({ drift: [], entries: [], quarantined: [refusal('external', '192.0.2.7')] })
  await expect(again.sync(named(external, port), { onError: 'atomic' })).rejects.toMatchObject({
    path: 'services["external"].frontends[0].address'
  })
})

it.each([
  ['sync', (plane: Plane) => plane.sync(named(external))],
  ['update', (plane: Plane) => plane.update({ set: [external], delete: ['port'] })]
])('it is served again once ports of the node are gone, by the same %s, and goes again when they come back', async (_, call) => {
  const { plane, add, externals } = await scene()
  await add('192.0.2.7')
  expect((await plane.sync(named(external, port))).quarantined).toEqual([refusal('external', '192.0.2.7')])
  expect((await call(plane)).quarantined).toEqual([])
  expect(await externals()).toEqual(['192.0.2.7'])
  expect(plane.status()).toMatchObject({ services: 1, quarantined: [] })

  // Nor does an address matter that comes now.
  await plane.update({ set: [balancer] })
  await add('192.0.2.8')
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(await externals()).toEqual(['192.0.2.7', '192.0.2.8'])
  expect((await plane.plan(named(external, balancer))).isEmpty).toBe(true)

  const plan = await plane.plan(named({ ...external }, balancer, port))
  expect(plan.quarantined).toEqual([refusal('external', '192.0.2.7'), refusal('balancer', '192.0.2.8')])
  expect(plan.entries.map(({ action, service }) => `${action} ${service}`).sort()).toEqual([
    'add port',
    'remove balancer',
    'remove external'
  ])
  expect(await externals()).toEqual(['192.0.2.7', '192.0.2.8'])
  const both = [refusal('external', '192.0.2.7'), refusal('balancer', '192.0.2.8')]
  expect((await plane.update({ set: [port] })).quarantined).toEqual(both)
  expect(plane.status().quarantined).toEqual(both)
  expect(await externals()).toEqual([])
})

it.each<[string, (plane: Plane) => Promise<unknown>]>([
  ['an atomic sync', (plane) => plane.sync(named(external, port), { onError: 'atomic' })],
  ['an atomic update', (plane) => plane.update({ set: [port] }, { onError: 'atomic' })],
  ['an atomic update with another fault', (plane) => plane.update({ set: [port, { ...port, name: '' }] }, { onError: 'atomic' })]
])('%s that rejects leaves it where it is', async (_, call) => {
  const { plane, add, externals } = await scene()
  await add('192.0.2.7')
  await plane.sync(named(external))
  await expect(call(plane)).rejects.toThrow()
  expect(await externals()).toEqual(['192.0.2.7'])
  expect(plane.status()).toMatchObject({ services: 1, quarantined: [] })
})
