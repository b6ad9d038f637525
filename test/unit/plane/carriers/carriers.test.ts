import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  openPlane,
  readStateFile,
  TransactionError,
  UnsupportedError,
  ValidationError,
  type CarrierOptions,
  type Plane,
  type PlaneEvent,
  type PlaneOptions,
  type Service
} from '../../../../src/index.js'
import { EPERM } from '../../../../src/core/errno.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../src/testing.js'
import { faulty } from '../../../support/faulty-kernel.js'

const makeKernel = () => ({ nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() })
const loopback: CarrierOptions = { mode: 'userspace', name: 'loopback', carries: 'loopbackNodePorts' }
const relayed: CarrierOptions = { mode: 'userspace', name: 'relayed', carries: 'assigned' }

const web = (more: Partial<Service> = {}): Service => ({
  name: 'web',
  protocol: 'tcp',
  frontends: [
    { kind: 'cluster', address: '10.96.0.1', port: 80 },
    { kind: 'node', port: 30080 }
  ],
  endpoints: [{ address: '10.1.0.1', port: 8080 }],
  ...more
})

const dns: Service = {
  name: 'dns',
  protocol: 'udp',
  frontends: [{ kind: 'cluster', address: 'fd00:96::53', port: 53 }],
  endpoints: [{ address: 'fd00:1::53', port: 53 }]
}

const all = (...services: Service[]): Map<string, Service> => new Map(services.map((service) => [service.name, service]))

async function opened(kernel: object, carriers: readonly CarrierOptions[], more: object = {}): Promise<Plane> {
  const plane = await openPlane({ mode: 'nftables', kernel, auditMs: 0, staleFlows: false, carriers, ...more } as PlaneOptions)
  onTestFinished(() => plane.close())
  return plane
}

/** The elements that name services, and how many addresses sets have, by table. */
async function holdings({ nftables }: { readonly nftables: FakeNftablesKernel }): Promise<string[]> {
  await using nft = await nftables.open()
  const { elements } = await nft.list({ elements: true })
  return elements
    .flatMap((listed) =>
      [...listed].map(
        ({ comment }) => `${listed.set.family} ${listed.set.table} ${listed.set.name}${comment === undefined ? '' : ` ${comment}`}`
      )
    )
    .filter((line) => / (web|dns)$|-ips$/.test(line))
    .sort()
}

describe('what is refused before anything is opened', () => {
  const open = async (carriers: unknown, more: object = {}): Promise<unknown> =>
    await openPlane({ mode: 'nftables', kernel: makeKernel(), carriers, ...more } as PlaneOptions).catch((error: unknown) => error)

  it.each<[unknown, string, object?]>([
    ['loopback', 'carriers'],
    [[{ ...loopback, mode: 'ipvs' }], 'carriers[0].mode'],
    [[{ ...loopback, name: '1' }], 'carriers[0].name'],
    [[{ ...loopback, name: 'a-name-too-long' }], 'carriers[0].name'],
    [[{ ...loopback, carries: 'everything' }], 'carriers[0].carries'],
    [[{ ...loopback, masquerade: 'all' }], 'carriers[0].masquerade'],
    [[{ ...loopback, schedulerFallback: null }], 'carriers[0].schedulerFallback'],
    [[{ ...relayed, schedulerFallback: null }], 'carriers[0].schedulerFallback'],
    [[{ ...loopback, schedulerFallback: 'consistent' }], 'carriers[0].schedulerFallback'],
    [[{ ...loopback, relays: { maxConnections: 0 } }], 'carriers[0].relays.maxConnections'],
    [[loopback, { ...relayed, name: 'loopback' }], 'carriers[1].name'],
    [[loopback, { ...loopback, name: 'other' }], 'carriers[1].carries'],
    [
      [
        { ...relayed, carries: ['web'] },
        { ...relayed, name: 'other', carries: ['web'] }
      ],
      'carriers[1].carries'
    ],
    [[loopback], 'carriers[0].carries', { loopbackNodePorts: true }],
    [[loopback], 'carriers[0].carries', { mode: 'userspace' }],
    [[relayed], 'carriers[0].carries', { mode: 'iptables' }],
    [[{ ...loopback, name: 'loopback' }], 'carriers[0].name', { name: 'a-name-of-21-letters-' }]
  ])('%j', async (carriers, where, more) => {
    const error = await open(carriers, more)
    expect(error).toBeInstanceOf(ValidationError)
    expect((error as ValidationError).path).toBe(where)
  })
})

describe('loopbackNodePorts', () => {
  it('leaves the plane as it is, and gives a carrier all ports of this node', async () => {
    const kernel = makeKernel()
    const alone = makeKernel()
    await (await opened(alone, [])).sync(all(web(), dns))
    const plane = await opened(kernel, [loopback])
    const plan = await plane.plan(all(web(), dns))
    expect(String(plan)).toContain('+ web (carrier loopback)  tcp node port 30080 -> 1 endpoint')
    const report = await plane.sync(all(web(), dns))
    expect(report).toMatchObject({ services: { added: 2 }, quarantined: [], details: { mode: 'nftables' } })
    expect(report.carriers).toMatchObject([
      { carrier: 'loopback', report: { services: { added: 1 }, details: { mode: 'userspace', relays: 1 } } }
    ])
    const own = report.objects.written - report.carriers![0]!.report.objects.written
    expect(own).toBeGreaterThan(0)
    const lines = await holdings(kernel)
    expect(lines.filter((line) => !line.includes('loopback'))).toEqual(await holdings(alone))
    expect(lines.filter((line) => line.includes('loopback') && line.endsWith(' web')).length).toBeGreaterThan(0)
    expect((await plane.plan(all(web(), dns))).isEmpty).toBe(true)
    await plane.update({ delete: ['web'] })
    expect(plane.status()).toMatchObject({ services: 1, carriers: [{ carrier: 'loopback', services: 0, details: { mode: 'userspace' } }] })
    await plane.close({ cleanup: true })
    await using nft = await kernel.nftables.open()
    expect(await nft.listTables()).toEqual([])
  })

  it('what a carrier cannot carry is told of it alone', async () => {
    const plane = await opened(makeKernel(), [{ ...loopback, schedulerFallback: undefined }])
    const sctp = web({ name: 'sctp', protocol: 'sctp', frontends: [{ kind: 'node', port: 30081 }] })
    const report = await plane.sync(all(web({ scheduler: 'consistent' }), sctp))
    expect(report).toMatchObject({ quarantined: [], carriers: [{ report: { services: { added: 1 } } }] })
  })
})

describe('assigned', () => {
  it('a service, or one frontend, is carried by the carrier that it names, or that names it', async () => {
    const kernel = makeKernel()
    const plane = await opened(kernel, [{ ...relayed, carries: ['dns'] }])
    const parted = web({
      frontends: [
        { kind: 'cluster', address: '10.96.0.1', port: 80 },
        { kind: 'node', port: 30080, carrier: 'relayed' }
      ]
    })
    expect(await plane.sync(all(parted, dns))).toMatchObject({ quarantined: [], carriers: [{ report: { services: { added: 2 } } }] })
    expect(await holdings(kernel)).toEqual(
      [
        'ip netplane cluster-ips',
        'ip netplane random-1 web',
        'ip6 netplane cluster-ips',
        'ip6 netplane node-refused web',
        'ip6 netplane-relayed-userspace cluster-ips',
        'ip6 netplane-relayed-userspace node-refused web',
        'ip6 netplane-relayed-userspace relays dns',
        'ip netplane-relayed-userspace node-relays web'
      ].sort()
    )
  })

  it('a carrier that there is not is refused, and so is any where there is none', async () => {
    for (const carriers of [[], [loopback], [relayed]]) {
      const { quarantined } = await (await opened(makeKernel(), carriers)).sync(all(web({ carrier: 'other' }), dns))
      expect(quarantined).toMatchObject([{ service: 'web', error: { path: 'services["web"].carrier', value: 'other' } }])
    }
    const malformed = web({ frontends: [{ kind: 'node', port: 30080, carrier: 7 as never }] })
    const { quarantined } = await (await opened(makeKernel(), [relayed])).sync(all(malformed))
    expect(quarantined).toMatchObject([{ error: { path: 'services["web"].frontends[0].carrier' } }])
  })

  it('what a carrier cannot take over the plane goes on carrying, and says so', async () => {
    const kernel = makeKernel()
    const plane = await opened(kernel, [relayed])
    const events: PlaneEvent[] = []
    void (async () => {
      for await (const event of plane.watch()) events.push(event)
    })()
    const before = web({ scheduler: 'consistent' })
    await plane.sync(all(before))
    const held = await holdings(kernel)
    const moved = { ...before, carrier: 'relayed' }
    for (const call of [() => plane.sync(all(moved)), () => plane.update({ set: [moved] })]) {
      const { quarantined } = await call()
      expect(quarantined).toMatchObject([{ service: 'web', carrier: 'relayed', error: { code: 'ERR_NETPLANE_UNSUPPORTED' } }])
      expect(await holdings(kernel)).toEqual(held)
    }
    await vi.waitFor(() => expect(events).toMatchObject([{ type: 'quarantined', service: 'web', carrier: 'relayed' }]))
    const error: unknown = await plane.sync(all(moved), { onError: 'atomic' }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ applied: [], undone: ['the plane itself'], unknown: ['carrier relayed'] })
    expect((error as Error).cause).toBeInstanceOf(UnsupportedError)
    expect(await holdings(kernel)).toEqual(held)
    await plane.sync(all({ ...moved, scheduler: 'hash' }))
    expect(plane.status()).toMatchObject({ quarantined: [], carriers: [{ services: 1 }] })
    expect(await holdings(kernel)).not.toEqual(held)
    await plane.sync(all(before))
    expect(await holdings(kernel)).toEqual(held)
  })

  it('services on disk are as they were given', async () => {
    const stateFile = path.join(mkdtempSync(path.join(tmpdir(), 'carriers-')), 'services')
    const plane = await opened(makeKernel(), [{ ...relayed, carries: ['dns'] }], { stateFile })
    await plane.sync(all(web(), dns))
    await plane.close()
    expect(await readStateFile(stateFile)).toEqual(all(web(), dns))
  })
})

describe.each(['atomic', 'isolate'] as const)('where a transaction of one of both is refused (%s)', (onError) => {
  const states = [web(), web({ carrier: 'relayed' })] as const

  it.each([
    ['to a carrier', 0, 1],
    ['from a carrier', 1, 0]
  ] as const)('on the way %s: says who failed, takes back what it can, and the next call ends it', async (_, from, to) => {
    const fresh = makeKernel()
    await (await opened(fresh, [relayed])).sync(all(states[to], dns))
    const wanted = await holdings(fresh)
    const seen = new Set<string>()
    for (let nth = 1; ; nth++) {
      const failed = vi.fn()
      let left = Infinity
      const base = { ...makeKernel(), ipvs: new FakeIpvsKernel() }
      const kernel = faulty(base, (operation) => {
        if (operation !== 'commit' || --left !== 0) return undefined
        failed()
        return { type: 'refuse', errno: EPERM }
      })
      const plane = await opened(kernel, [relayed])
      await plane.sync(all(states[from], dns))
      const before = await holdings(base)
      left = nth
      const error: unknown = await plane.sync(all(states[to], dns), { onError }).catch((reason: unknown) => reason)
      if (failed.mock.calls.length === 0) break
      expect(error).toMatchObject({ code: expect.stringMatching(/^(EPERM|ERR_NETPLANE_TRANSACTION)$/) as string })
      if (error instanceof TransactionError) {
        seen.add(error.message.split(' failed')[0]!)
        expect(error.applied.length > 0).toBe(onError === 'isolate')
        // Of who failed half-way the next call finds out what he holds.
        const isOther = (line: string): boolean => line.includes('relayed') !== error.unknown.includes('carrier relayed')
        if (onError === 'atomic') expect((await holdings(base)).filter(isOther)).toEqual(before.filter(isOther))
      }
      left = Infinity
      expect(await plane.sync(all(states[to], dns))).toMatchObject({ quarantined: [] })
      expect(await holdings(base)).toEqual(wanted)
      await plane.close()
    }
    expect(seen).toContain('carrier relayed')
  })
})

it('a plane with carriers keeps its mode', async () => {
  const kernel = makeKernel()
  const plane = await opened(kernel, [loopback])
  await plane.sync(all(web()))
  await expect(plane.switchTo({ mode: 'iptables', kernel })).rejects.toThrow('a plane with carriers keeps its mode')
  const other = await opened(makeKernel(), [])
  await other.sync(all(web()))
  await expect(other.switchTo({ mode: 'iptables', kernel, carriers: [loopback] })).rejects.toThrow('a plane with carriers keeps its mode')
})

describe('what carriers of an earlier process left', () => {
  const tables = async ({ nftables }: ReturnType<typeof makeKernel>): Promise<string[]> => {
    await using nft = await nftables.open()
    return (await nft.listTables()).filter(({ family }) => family === 'ip').map(({ name }) => name)
  }
  const leave = async (kernel: ReturnType<typeof makeKernel>, more: object = {}): Promise<void> => {
    const plane = await opened(kernel, [loopback], more)
    await plane.sync(all(web()))
    await plane.close()
    const alone = await openPlane({ mode: 'userspace', name: 'netplane-other', kernel, auditMs: 0, staleFlows: false })
    await alone.sync(all(dns))
    await alone.close()
  }

  it('goes with the first sync of a plane that has none, or with its clean-up, and nothing else does', async () => {
    const ends: readonly ((plane: Plane) => Promise<unknown>)[] = [
      (plane) => plane.sync(all(web())),
      (plane) => plane.close({ cleanup: true })
    ]
    for (const end of ends) {
      const kernel = makeKernel()
      await leave(kernel)
      expect(await tables(kernel)).toContain('netplane-loopback-userspace')
      await end(await opened(kernel, []))
      expect(await tables(kernel)).not.toContain('netplane-loopback-userspace')
      expect(await tables(kernel)).toContain('netplane-other-userspace')
    }
  })

  it('goes with a plane of another mode that replaces it, and is taken over by a carrier of the same name', async () => {
    const kernel = makeKernel()
    await leave(kernel)
    await (await opened(kernel, [], { mode: 'iptables' })).sync(all(web()))
    expect(await tables(kernel)).toContain('netplane-loopback-userspace')
    const next = await opened(kernel, [loopback], { mode: 'iptables', replaces: ['nftables'] })
    await next.sync(all(web()))
    await vi.waitFor(async () => expect(await tables(kernel)).not.toContain('netplane'))
    expect(await tables(kernel)).toContain('netplane-loopback-userspace')
    await next.close()
    await leave(kernel)
    await (await opened(kernel, [], { mode: 'iptables', replaces: ['nftables'] })).sync(all(web()))
    await vi.waitFor(async () => expect(await tables(kernel)).not.toContain('netplane-loopback-userspace'))
  })
})
