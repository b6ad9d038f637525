import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openPlane, Route, type Plane, type Service } from '../../../../src/index.js'
import { patience } from '../../../support/lab.js'
import type { TestNamespace } from '../../../support/namespace.js'
import { closing } from '../../../support/plane-rigs.js'
import { makeRoutedNamespace } from '../../../support/routes.js'

const port: Service = {
  name: 'port',
  protocol: 'tcp',
  frontends: [{ kind: 'node', port: 30_080, family: 'ip' }],
  endpoints: [{ address: '10.0.0.1', port: 8080 }]
}
const ROUTES = 20_000

/** Where `nft` says that ports of the node are served. */
async function servedIn(namespace: TestNamespace): Promise<string[]> {
  const text = await namespace.nft('-j', 'list', 'set', 'ip', 'netplane', 'node-addresses')
  const { nftables } = JSON.parse(text) as { nftables: { set?: { elem?: string[] } }[] }
  return nftables.flatMap(({ set }) => set?.elem ?? [])
}

/** The source that `ip route get` says. */
async function sourceIn(namespace: TestNamespace): Promise<string> {
  const [route] = JSON.parse(await namespace.ip('-json', 'route', 'get', '1.1.1.1')) as [{ prefsrc: string }]
  return route.prefsrc
}

/** Routes to ROUTES networks by a gateway, as a router that speaks BGP has them. */
const networks = (verb: 'replace' | 'delete', gateway: string): string =>
  Array.from({ length: ROUTES }, (_, n) => `route ${verb} 11.${n >> 8}.${n & 255}.0/24 via ${gateway}\n`).join('')

/** A plane where `d1` leads the default route, before the one of `d0`, and all networks besides. */
async function scene(): Promise<{ readonly namespace: TestNamespace; readonly plane: Plane }> {
  const namespace = await makeRoutedNamespace()
  for (const line of [
    'address add 192.0.2.5/24 dev d0',
    'address add 198.51.100.5/24 dev d1',
    'route add default via 198.51.100.1 metric 10',
    'route add default via 192.0.2.1 metric 20'
  ])
    await namespace.ip(...line.split(' '))
  await namespace.run('ip', ['-batch', '-'], { input: networks('replace', '198.51.100.1') })
  const plane = await closing(openPlane({ mode: 'nftables', netns: namespace.path, nodeAddresses: 'primary', staleFlows: false }))
  await plane.sync(new Map([[port.name, port]]))
  expect(await servedIn(namespace)).toEqual(['198.51.100.5'])
  return { namespace, plane }
}

describe(`primary addresses of a node with ${ROUTES} routes`, () => {
  it('are those that ip route get says, also when all routes go with their link', async () => {
    const { namespace } = await scene()
    expect(await servedIn(namespace)).toEqual([await sourceIn(namespace)])
    await namespace.ip('link', 'set', 'd1', 'down')
    expect(await sourceIn(namespace)).toBe('192.0.2.5')
    await vi.waitFor(async () => expect(await servedIn(namespace)).toEqual(['192.0.2.5']), { timeout: 1000 * patience, interval: 5 })
  })

  it('cost nothing while other routes change', async () => {
    const { namespace } = await scene()
    const [lookups, lists] = [vi.spyOn(Route.prototype, 'lookup'), vi.spyOn(Route.prototype, 'listAddresses')]
    onTestFinished(() => {
      lookups.mockRestore()
      lists.mockRestore()
    })
    await namespace.run('ip', ['-batch', '-'], { input: networks('replace', '192.0.2.1') })
    await namespace.run('ip', ['-batch', '-'], { input: networks('delete', '192.0.2.1') })
    await new Promise((resolve) => setTimeout(resolve, 50))
    // What the kernel could not hand over in time is looked up again.
    expect(lookups.mock.calls.length).toBeLessThan(50)
    lists.mockClear()
    await namespace.ip('route', 'delete', 'default', 'metric', '10')
    await vi.waitFor(async () => expect(await servedIn(namespace)).toEqual(['192.0.2.5']), { timeout: 1000 * patience, interval: 5 })
    expect(lists).not.toHaveBeenCalled()
  })

  it('follow a default route that other processes change without a pause', async () => {
    const { namespace } = await scene()
    const lines = Array.from({ length: 2000 }, (_, n) => {
      const [gateway, device] = n % 2 === 0 ? ['192.0.2.1', 'd0'] : ['198.51.100.1', 'd1']
      return `route replace default via ${gateway} dev ${device} metric 5\n`
    })
    const lookups = vi.spyOn(Route.prototype, 'lookup')
    onTestFinished(() => lookups.mockRestore())
    await namespace.run('ip', ['-batch', '-'], { input: [...lines, lines[0]!].join('') })
    await vi.waitFor(async () => expect(await servedIn(namespace)).toEqual(['192.0.2.5']), { timeout: 1000 * patience, interval: 5 })
    // Three for each time that it is looked at, and that is every 10 ms at most.
    expect(lookups.mock.calls.length).toBeLessThan(1000)
  })

  it('leave tables of other rules alone, also those that a tunnel puts before the main one', async () => {
    const { namespace } = await scene()
    await namespace.ip('link', 'add', 'tunnel', 'type', 'veth', 'peer', 'name', 'far')
    for (const link of ['tunnel', 'far']) await namespace.ip('link', 'set', link, 'up')
    await namespace.ip('address', 'add', '203.0.113.5/24', 'dev', 'tunnel')
    await namespace.ip('rule', 'add', 'not', 'fwmark', '7', 'lookup', '1000')
    await namespace.ip('route', 'add', 'default', 'dev', 'tunnel', 'table', '1000')
    expect(await sourceIn(namespace)).toBe('203.0.113.5')
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(await servedIn(namespace)).toEqual(['198.51.100.5'])
    await namespace.ip('route', 'delete', 'default', 'metric', '10')
    await vi.waitFor(async () => expect(await servedIn(namespace)).toEqual(['192.0.2.5']), { timeout: 1000 * patience, interval: 5 })
  })

  it('are those of the first way of a default route with several', async () => {
    const { namespace } = await scene()
    await namespace.ip('route', 'add', 'default', 'metric', '5', 'nexthop', 'via', '192.0.2.1', 'nexthop', 'via', '198.51.100.1')
    await vi.waitFor(async () => expect(await servedIn(namespace)).toEqual(['192.0.2.5']), { timeout: 1000 * patience, interval: 5 })
  })
})
