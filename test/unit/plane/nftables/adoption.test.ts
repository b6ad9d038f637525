/** What a plane makes of tables that an earlier process has left, on fakes. */
import { describe, expect, it } from 'vitest'
import type { Service } from '../../../../src/index.js'
import { makeFakeNode } from '../../../support/fake-node.js'

const endpoints = [{ address: '10.0.0.1', port: 8080 }]
const web: Service = { name: 'web', protocol: 'tcp', frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }], endpoints }
const port: Service = { name: 'port', protocol: 'tcp', frontends: [{ kind: 'node', port: 30_080 }], endpoints }

const named = (...services: Service[]): Map<string, Service> => new Map(services.map((one) => [one.name, one]))

describe("this node's addresses", () => {
  it('are put right without making the tables anew', async () => {
    const { open, add, remove, elementsOf } = await makeFakeNode()
    await add('192.0.2.1')
    const first = await open()
    await first.sync(named(web, port))
    await first.close()
    await add('192.0.2.2')
    await remove('192.0.2.1')
    const again = await open()
    const drift = ['changed elements of set ip netplane node-addresses']
    expect(await again.plan(named(web, port))).toMatchObject({ drift, objects: { written: 0, deleted: 0 } })
    const { objects } = await again.sync(named(web, port))
    expect(objects).toEqual({ written: 0, deleted: 0 })
    expect(await elementsOf('node-addresses')).toEqual(['192.0.2.2'])
  })

  it('are put back where another process has removed one', async () => {
    const { open, add, elementsOf, edit } = await makeFakeNode()
    await add('192.0.2.1')
    const plane = await open()
    await plane.sync(named(web, port))
    await edit('delete', 'node-addresses', '192.0.2.1')
    expect((await plane.plan(named(web, port))).drift).toEqual(['changed elements of set ip netplane node-addresses'])
    await plane.sync(named(web, port))
    expect(await elementsOf('node-addresses')).toEqual(['192.0.2.1'])
    expect(plane.status().drifts).toBe(1)
  })

  it('go with the last port of the node, as a fresh plane has none, and come back with the next', async () => {
    const { open, add, elementsOf } = await makeFakeNode()
    await add('192.0.2.1')
    const plane = await open()
    await plane.sync(named(web, port))
    await plane.sync(named(web))
    expect(await elementsOf('node-addresses')).toEqual([])
    await add('192.0.2.2')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await elementsOf('node-addresses')).toEqual([])
    const fresh = await open()
    expect((await fresh.plan(named(web))).isEmpty).toBe(true)
    await plane.update({ set: [port] })
    expect(await elementsOf('node-addresses')).toEqual(['192.0.2.1', '192.0.2.2'])
  })
})

describe('a plan', () => {
  it("says in words that objects differ which are no single service's", async () => {
    const { open, edit } = await makeFakeNode()
    await (await open()).sync(named(web))
    await edit('add', 'cluster-ips', '10.96.9.9')
    const again = await open()
    const plan = await again.plan(named(web))
    expect(plan).toMatchObject({ isEmpty: false, entries: [], objects: { written: 0, deleted: 1 } })
    expect(String(plan)).toBe('! changed elements of set ip netplane cluster-ips')
  })

  it('calls a service changed of which the kernel holds a part', async () => {
    const { open } = await makeFakeNode()
    await (await open()).sync(named(web))
    const again = await open()
    const more = { ...web, frontends: [...web.frontends, { kind: 'cluster' as const, address: '10.96.0.1', port: 81 }] }
    const plan = await again.plan(named(more, port))
    expect(plan.entries.map(({ action, service }) => `${action} ${service}`)).toEqual(['change web', 'add port'])
    expect((await again.sync(named(more, port))).services).toEqual({ added: 1, changed: 1, removed: 0 })
  })
})
