import { expect, it, onTestFinished, vi } from 'vitest'
import { openPlane, type PlaneEvent, type PlaneOptions, type Service } from '../../../../../src/index.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../../src/testing.js'

const service: Service = {
  name: 'web',
  protocol: 'tcp',
  frontends: [{ kind: 'node', port: 30_080 }],
  endpoints: [{ address: '10.1.0.1', port: 8080 }]
}

const kernels = () => ({ ipvs: new FakeIpvsKernel(), nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() })

/** Opens a plane on fakes. */
type Opening = (kernel: ReturnType<typeof kernels>) => PlaneOptions

const modes: readonly [string, Opening][] = [
  ['nftables', ({ nftables, route }) => ({ mode: 'nftables', kernel: { nftables, route }, auditMs: 0 })],
  ['ipvs', (kernel) => ({ mode: 'ipvs', kernel, auditMs: 0 })],
  ['iptables', ({ nftables, route }) => ({ mode: 'iptables', kernel: { nftables, route }, auditMs: 0, nodeAddresses: ['10.9.0.0/16'] })]
]

/** What another process does, beside a new address of the node. */
type Crossing = (kernel: FakeNftablesKernel) => Promise<void>

const crossings: readonly [string, Crossing][] = [
  [
    'has committed since',
    async (kernel) => {
      await using nft = await kernel.open()
      const tx = nft.transaction()
      tx.add.table({ family: 'inet', name: 'theirs' })
      await tx.commit()
    }
  ],
  ['commits just before', (kernel) => Promise.resolve(void kernel.fail('commit', { code: 'ERESTART' }))]
]

it.each(modes.flatMap(([mode, open]) => crossings.map(([what, cross]) => [mode, what, open, cross] as const)))(
  'mode %s takes a new address of the node at once, though another process %s',
  async (_, __, open, cross) => {
    const kernel = kernels()
    const plane = await openPlane(open(kernel))
    onTestFinished(() => plane.close())
    await plane.sync(new Map([[service.name, service]]))
    const events: PlaneEvent[] = []
    const reading = (async () => {
      for await (const event of plane.watch()) events.push(event)
    })()
    await cross(kernel.nftables)

    await using route = await kernel.route.open()
    await route.addDummy('uplink', { up: true })
    await route.addAddresses('uplink', ['10.9.0.1'])
    await vi.waitFor(() => expect(plane.status().nodeAddresses).toContain('10.9.0.1'))
    await vi.waitFor(async () =>
      expect((await plane.explain({ protocol: 'tcp', address: '10.9.0.1', port: 30_080, from: '10.1.0.9' })).outcome).toMatchObject({
        type: 'served'
      })
    )
    await plane.close()
    await reading
    expect(events).toEqual([])
  }
)
