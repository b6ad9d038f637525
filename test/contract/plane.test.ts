import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ClosedError, TransactionError, type Endpoint, type Nftables, type Plane, type PlaneEvent, type Service } from '../../src/index.js'
import { isInLab } from '../support/lab.js'
import { dump, freshDump, rigKinds, type Rig, type RigKind } from '../support/plane-rigs.js'
import { Random } from '../support/random.js'
import { randomService } from '../support/random-services.js'
import { rejection } from '../support/rejection.js'
import { until } from '../support/run.js'

const named = (...services: Service[]): Map<string, Service> => new Map(services.map((service) => [service.name, service]))

function web(name: string, host: number, overrides: Partial<Service> = {}): Service {
  return {
    name,
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: `10.96.0.${host}`, port: 80 }],
    endpoints: [
      { address: `10.1.0.${host}`, port: 8080, weight: 3 },
      { address: `10.1.1.${host}`, port: 8080, local: true }
    ],
    ...overrides
  }
}

const dual: Service = {
  name: 'dual',
  protocol: 'udp',
  scheduler: 'hash',
  frontends: [
    { kind: 'cluster', address: '10.96.0.53', port: 53 },
    { kind: 'external', address: 'fd00::35', port: 53 }
  ],
  endpoints: [
    { address: '10.1.0.53', port: 53 },
    { address: 'fd00:1::35', port: 53 }
  ]
}

const fresh = async (kind: RigKind, services: ReadonlyMap<string, Service>, localSources?: readonly string[]): Promise<string[]> =>
  await freshDump(await kind.make(), services, { localSources })

async function change(nft: Nftables, build: (tx: ReturnType<Nftables['transaction']>) => void): Promise<void> {
  const tx = nft.transaction()
  build(tx)
  await tx.commit()
}

/** Types of events as they come. */
function record(plane: Plane): PlaneEvent[] {
  const seen: PlaneEvent[] = []
  void (async () => {
    for await (const event of plane.watch()) seen.push(event)
  })()
  return seen
}

/** Ways of another process to change what is ours. */
type Vandalism = readonly [what: string, run: (rig: Rig) => Promise<void>]

/** @param isIn Whether the rule is in a chain of this name. */
const replacedRule = (isIn: (chain: string) => boolean, verdict: 'drop' | 'accept'): Vandalism => [
  'a rule is replaced by another',
  async (rig) => {
    const nft = await rig.nftables()
    const rules = await nft.listRules({ family: 'ip', table: rig.table })
    const { chain, handle } = rules.find((rule) => isIn(rule.chain))!
    const expressions = [{ type: 'immediate', destinationRegister: 0, data: { verdict } }] as const
    await change(nft, (tx) => tx.replace.rule({ family: 'ip', table: rig.table, chain, handle, expressions }))
  }
]

const madeDormant: Vandalism = [
  'a table is made dormant',
  async (rig) => {
    const nft = await rig.nftables()
    const { comment } = (await nft.listTables({ family: 'ip' })).find(({ name }) => name === rig.table)!
    await change(nft, (tx) => tx.add.table({ family: 'ip', name: rig.table, comment, flags: ['dormant'] }))
  }
]

/** Of a table that is ours as a whole, with sets. */
const ofOwnTable: readonly Vandalism[] = [
  replacedRule((chain) => chain.endsWith('input'), 'drop'),
  madeDormant,
  [
    'a foreign chain is added',
    async (rig) => {
      const nft = await rig.nftables()
      await change(nft, (tx) => tx.add.chain({ family: 'ip6', table: rig.table, name: 'stranger' }))
    }
  ],
  [
    'a set is flushed',
    async (rig) => {
      const nft = await rig.nftables()
      await change(nft, (tx) => tx.flush.set({ family: 'ip', table: rig.table, name: 'cluster-ips' }))
    }
  ],
  [
    'local sources are changed',
    async (rig) => {
      const nft = await rig.nftables()
      await change(nft, (tx) => tx.flush.set({ family: 'ip', table: rig.table, name: 'local-sources' }))
    }
  ]
]

/** Of chains in tables that are everybody's. */
const ofOwnChains: readonly Vandalism[] = [
  replacedRule((chain) => chain.startsWith('KUBE-SVC-'), 'accept'),
  madeDormant,
  [
    'a chain with a name of ours is added',
    async (rig) => {
      const nft = await rig.nftables()
      await change(nft, (tx) => tx.add.chain({ family: 'ip6', table: rig.table, name: 'KUBE-SVC-STRANGERSTRANGER' }))
    }
  ],
  [
    'a rule of a frontend is deleted',
    async (rig) => {
      const nft = await rig.nftables()
      const { chain, handle } = (await nft.listRules({ family: 'ip', table: rig.table, chain: 'KUBE-SERVICES' }))[0]!
      await change(nft, (tx) => tx.delete.rule({ family: 'ip', table: rig.table, chain, handle }))
    }
  ],
  [
    'a chain is flushed',
    async (rig) => {
      const nft = await rig.nftables()
      await change(nft, (tx) => tx.flush.chain({ family: 'ip', table: rig.table, name: 'KUBE-SERVICES' }))
    }
  ],
  [
    'a jump is deleted',
    async (rig) => {
      const nft = await rig.nftables()
      const { chain, handle } = (await nft.listRules({ family: 'ip', table: rig.table, chain: 'PREROUTING' }))[0]!
      await change(nft, (tx) => tx.delete.rule({ family: 'ip', table: rig.table, chain, handle }))
    }
  ]
]

/** Of whatever a plane has. */
const ofEverything: readonly Vandalism[] = [
  [
    'a table is deleted',
    async (rig) => {
      const nft = await rig.nftables()
      await change(nft, (tx) => tx.delete.table({ family: 'ip', name: rig.table }))
    }
  ],
  [
    'everything is deleted',
    async (rig) => {
      const nft = await rig.nftables()
      await change(nft, (tx) => tx.flush.ruleset({ allTables: true }))
      if (rig.mode !== 'ipvs') return
      await (await rig.ipvs()).flush({ allServices: true })
      await (await rig.route()).removeLink('netplane')
    }
  ]
]

const vandalismOf = (mode: Rig['mode']): readonly Vandalism[] => [...(mode === 'iptables' ? ofOwnChains : ofOwnTable), ...ofEverything]

const frontend = (address: string, port: unknown = 80): object => ({ kind: 'cluster', address, port })

/** A load balancer's address with source ranges. */
const ranges = (sourceRanges: Record<string, unknown>) => ({
  frontends: [{ kind: 'loadBalancer', address: '203.0.113.7', port: 80, sourceRanges }]
})

/** Everything that is refused in a service, and where the error says it is. */
const badServices: readonly (readonly [what: string, overrides: Record<string, unknown>, path: string])[] = [
  ['no name', { name: '' }, '.name'],
  ['a name with a control character of ASCII', { name: 'a\u0000b' }, '.name'],
  ['a name with a control character of Latin-1', { name: 'a\u009b2J' }, '.name'],
  ['a name of 256 bytes', { name: 'é'.repeat(128) }, '.name'],
  ['an unknown protocol', { protocol: 'icmp' }, '.protocol'],
  ['an unknown field', { colour: 'red' }, '.colour'],
  ['no frontends', { frontends: [] }, '.frontends'],
  ['an address that is none', { frontends: [{ kind: 'cluster', address: '10.96.0.256', port: 80 }] }, '.frontends[0].address'],
  ['port 0', { frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 0 }] }, '.frontends[0].port'],
  ['an unknown kind', { frontends: [{ kind: 'ingress', address: '10.96.0.1', port: 80 }] }, '.frontends[0].kind'],
  ['endpoints that are no list', { endpoints: 5 }, '.endpoints'],
  ['a weight of -1', { endpoints: [{ address: '10.1.0.1', port: 1, weight: -1 }] }, '.endpoints[0].weight'],
  ['an endpoint that is null', { endpoints: [null] }, '.endpoints[0]'],
  [
    'too many slots',
    {
      endpoints: [
        { address: '10.1.0.1', port: 1, weight: 65_535 },
        { address: '10.1.0.1', port: 2 }
      ]
    },
    '.endpoints'
  ],
  [
    'too many slots of all frontends',
    {
      frontends: Array.from({ length: 100 }, (_, index) => ({ kind: 'cluster', address: '10.96.0.1', port: index + 1 })),
      endpoints: [
        { address: '10.1.0.1', port: 1, weight: 4000 },
        { address: '10.1.0.1', port: 2 }
      ]
    },
    '.endpoints'
  ],
  ['an unknown scheduler', { scheduler: 'round' }, '.scheduler'],
  ['a scheduler that is null', { scheduler: null }, '.scheduler'],
  ['frontends that are missing', { frontends: undefined }, '.frontends'],
  ['a list of frontends with a hole', { frontends: Array(1) }, '.frontends[0]'],
  ['a frontend twice, spelt otherwise', { frontends: [frontend('fd00::1'), frontend('fd00:0::1')] }, '.frontends[1]'],
  ['an address with a prefix', { frontends: [frontend('10.96.0.1/32')] }, '.frontends[0].address'],
  ['an address with a NUL', { frontends: [frontend('10.96.0.1\u0000')] }, '.frontends[0].address'],
  ['a port that is NaN', { frontends: [frontend('10.96.0.1', Number.NaN)] }, '.frontends[0].port'],
  ['a port that is a bigint', { frontends: [frontend('10.96.0.1', 80n)] }, '.frontends[0].port'],
  ['a port that is a text', { frontends: [frontend('10.96.0.1', '80')] }, '.frontends[0].port'],
  ['port -0', { frontends: [frontend('10.96.0.1', -0)] }, '.frontends[0].port'],
  ['an unknown field of a frontend', { frontends: [{ ...frontend('10.96.0.1'), nodePort: 1 }] }, '.frontends[0].nodePort'],
  ['a weight of 2^53', { endpoints: [{ address: '10.1.0.1', port: 1, weight: 2 ** 53 }] }, '.endpoints[0].weight'],
  ['a weight of 1.5', { endpoints: [{ address: '10.1.0.1', port: 1, weight: 1.5 }] }, '.endpoints[0].weight'],
  ['local that is 1', { endpoints: [{ address: '10.1.0.1', port: 1, local: 1 }] }, '.endpoints[0].local'],
  ['an unknown side', { endpoints: [{ address: '10.1.0.1', port: 1, side: 'both' }] }, '.endpoints[0].side'],
  [
    'an unknown policy',
    { frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80, trafficPolicy: 'node' }] },
    '.frontends[0].trafficPolicy'
  ],
  ['a field of another kind', { frontends: [{ kind: 'node', address: '10.96.0.1', port: 80 }] }, '.frontends[0].address'],
  ['an unknown family', { frontends: [{ kind: 'node', port: 80, family: 'ipv4' }] }, '.frontends[0].family'],
  ['an endpoint that is unspecified', { endpoints: [{ address: '0.0.0.0', port: 1 }] }, '.endpoints[0].address'],
  ['an endpoint that is multicast', { endpoints: [{ address: 'ff02::1', port: 1 }] }, '.endpoints[0].address'],
  ['an endpoint that is loopback', { endpoints: [{ address: '127.0.0.1', port: 1 }] }, '.endpoints[0].address'],
  ['an affinity of 0 seconds', { affinity: { timeoutSeconds: 0 } }, '.affinity.timeoutSeconds'],
  ['an affinity beyond the maximum', { affinity: { timeoutSeconds: 4_294_968 } }, '.affinity.timeoutSeconds'],
  ['an affinity that is a number', { affinity: 10 }, '.affinity'],
  ['a priority that is no integer', { priority: 0.5 }, '.priority'],
  ['ranges that overlap', ranges({ allow: ['10.0.0.0/8', '10.1.0.0/16'] }), '.frontends[0].sourceRanges.allow[1]'],
  ['a range of the other family', ranges({ deny: ['fd00::/8'] }), '.frontends[0].sourceRanges.deny[0]'],
  ['ranges that allow nobody', ranges({ allow: [] }), '.frontends[0].sourceRanges.allow'],
  ['an unknown list of ranges', ranges({ block: [] }), '.frontends[0].sourceRanges.block'],
  ['an unknown state', { endpoints: [{ address: '10.1.0.1', port: 1, state: 'gone' }] }, '.endpoints[0].state'],
  ['an endpoint twice', { endpoints: [1, 1].map((port) => ({ address: '10.1.0.1', port })) }, '.endpoints[1]']
]

/** Services whose fields cannot be read, or that cannot be frozen. */
const unreadable: readonly (readonly [what: string, make: (service: Service) => Service])[] = [
  ['a getter that throws', (service) => Object.defineProperty({ ...service }, 'protocol', { get: fail, enumerable: true })],
  [
    'an endpoint with a getter that throws',
    (service) => ({ ...service, endpoints: [Object.defineProperty({} as Endpoint, 'address', { get: fail, enumerable: true })] })
  ],
  ['a proxy that throws', (service) => new Proxy({ ...service }, { ownKeys: fail })],
  ['a proxy that cannot be frozen', (service) => new Proxy({ ...service }, { preventExtensions: () => false })]
]

function fail(): never {
  throw new Error('not readable')
}

const badCalls: readonly (readonly [what: string, run: (plane: Plane) => Promise<unknown>, path: string])[] = [
  ['services that are no Map', (plane) => plane.sync({} as never), 'services'],
  ['services to plan that are no Map', (plane) => plane.plan([] as never), 'services'],
  ['an update that is null', (plane) => plane.update(null as never), 'update'],
  ['null in an update', (plane) => plane.update({ set: [null as never] }), 'update.set[0]'],
  ['a name that is none', (plane) => plane.update({ delete: [7 as never] }), 'update.delete[0]'],
  ['a set that is not iterable', (plane) => plane.update({ set: 5 as never }), 'update.set'],
  ['a set that is null', (plane) => plane.update({ set: null as never }), 'update.set'],
  ['a key that is no name', (plane) => plane.plan(new Map([[1 as never, web('a', 1)]])), 'services'],
  ['options of a sync that are null', (plane) => plane.sync(new Map(), null as never), 'options'],
  ['options of an update that are a number', (plane) => plane.update({}, 5 as never), 'options'],
  ['a signal that is none', (plane) => plane.sync(new Map(), { signal: {} as never }), 'options.signal'],
  ['a proxy of a Map', (plane) => plane.sync(new Proxy(new Map(), {})), 'services'],
  ['services to sync that are missing', (plane) => plane.sync(undefined as never), 'services'],
  ['a misspelt update', (plane) => plane.update({ remove: ['a'] } as never), 'update.remove'],
  ['a list with a hole in an update', (plane) => plane.update({ set: Array(1) as Service[] }), 'update.set[0]'],
  ['names that are one text', (plane) => plane.update({ delete: 'a' }), 'update.delete'],
  [
    'a service whose name cannot be read',
    (plane) => plane.update({ set: [Object.defineProperty({} as Service, 'name', { get: fail })] }),
    'update.set[0]'
  ],
  ['a service that is set twice', (plane) => plane.update({ set: [web('a', 1), web('a', 2)] }), 'update.set[1].name'],
  ['a service that is set and deleted', (plane) => plane.update({ set: [web('a', 1)], delete: ['a'] }), 'update.delete[0]'],
  ['an unknown onError of a sync', (plane) => plane.sync(new Map(), { onError: 'throw' as never }), 'options.onError'],
  ['an onError of an update that is null', (plane) => plane.update({}, { onError: null as never }), 'options.onError'],
  ['a misspelt option of a sync', (plane) => plane.sync(new Map(), { onerror: 'atomic' } as never), 'options.onerror'],
  ['options of closing that are null', (plane) => plane.close(null as never), 'options'],
  ['a cleanup that is no truth value', (plane) => plane.close({ cleanup: 1 as never }), 'options.cleanup'],
  ['options of events that are null', (plane) => Promise.resolve().then(() => plane.watch(null as never)), 'options']
]

const badOptions: readonly (readonly [what: string, options: Record<string, unknown>, path: string])[] = [
  ['a name with a space', { name: 'a b' }, 'name'],
  ['a negative interval', { auditMs: -1 }, 'auditMs'],
  ['a prefix that is none', { localSources: ['10.0.0.0/33'] }, 'localSources[0]'],
  ['a prefix with bits beyond its length', { localSources: ['10.0.0.0/8', '10.0.0.1/8'] }, 'localSources[1]'],
  ['an unknown policy', { staleFlows: { udp: 'all' } }, 'staleFlows.udp'],
  ['a kernel that is none', { kernel: {} }, 'kernel.'],
  ['a kernel that is null', { kernel: null }, 'kernel'],
  ['an option that there is not', { localSource: ['10.0.0.0/8'] }, 'localSource'],
  ['an interval that is NaN', { auditMs: Number.NaN }, 'auditMs'],
  ['an interval that is a bigint', { auditMs: 100n }, 'auditMs'],
  ['a name that is a number', { name: 7 }, 'name'],
  ['prefixes that are one text', { localSources: '10.0.0.0/8' }, 'localSources'],
  ['a list of prefixes with a hole', { localSources: Array(1) }, 'localSources[0]'],
  ['prefixes that are null', { localSources: null }, 'localSources'],
  ['stale flows that are null', { staleFlows: null }, 'staleFlows'],
  ['stale flows that are true', { staleFlows: true }, 'staleFlows'],
  ['a misspelt policy of stale flows', { staleFlows: { UDP: 'never' } }, 'staleFlows.UDP'],
  ['a deadline of 0', { deadlineMs: 0 }, 'deadlineMs'],
  ['a namespace with a NUL', { netns: 'a\u0000' }, 'netns'],
  ['a signal that is none', { signal: {} }, 'options.signal'],
  ['a mode that there is not', { mode: 'ebtables' }, 'mode']
]

const kinds = isInLab ? rigKinds.filter(({ name }) => name.endsWith('kernel')) : rigKinds

describe.each(kinds)('a plane: $name', (kind) => {
  it('writes nothing when it is opened, planned with, or closed', async () => {
    const rig = await kind.make()
    const before = await dump(rig)
    const plane = await rig.open()
    expect(String(await plane.plan(named(web('a', 1))))).toContain('+ a')
    await plane.close()
    expect(await dump(rig)).toEqual(before)
  })

  it('updates only once it knows the whole', async () => {
    const plane = await (await kind.make()).open()
    await expect(plane.update({ set: [web('a', 1)] })).rejects.toMatchObject({ code: 'ERR_NETPLANE_BUSY' })
  })

  it('does what its plan says, reports it, and then has nothing to do', async () => {
    const plane = await (await kind.make()).open()
    const first = named(web('a', 1), web('b', 2), dual)
    const planned = await plane.plan(first)
    const report = await plane.sync(first)
    expect(report).toMatchObject({ services: { added: 3, changed: 0, removed: 0 }, objects: planned.objects, quarantined: [] })
    expect(report.details.mode).toBe(kind.mode)
    expect(report.requests).toBeGreaterThan(0)
    expect(report.durationMs.total).toBeGreaterThan(report.durationMs.apply)
    expect(plane.status()).toMatchObject({ services: 3, quarantined: [], drifts: 0, details: { mode: kind.mode } })
    expect((await plane.plan(first)).isEmpty).toBe(true)
    const none = { services: { added: 0, changed: 0, removed: 0 }, objects: { written: 0, deleted: 0 }, requests: 0 }
    expect(await plane.sync(first)).toMatchObject(none)
    const next = named(web('a', 1, { endpoints: [{ address: '10.1.0.1', port: 8080 }] }), dual, web('c', 3))
    const change = await plane.plan(next)
    expect(change.entries.map(({ action, service }) => `${action} ${service}`).sort()).toEqual(['add c', 'change a', 'remove b'])
    expect(await plane.sync(next)).toMatchObject({ services: { added: 1, changed: 1, removed: 1 }, objects: change.objects })
  })

  it('reports a change of one endpoint, whatever the kernel subsystem', async () => {
    const plane = await (await kind.make()).open()
    await plane.sync(named(web('a', 1)))
    const endpoints = [...web('a', 1).endpoints, { address: '10.1.2.1', port: 8080 }]
    const report = await plane.update({ set: [web('a', 1, { endpoints })] })
    expect(report.services).toEqual({ added: 0, changed: 1, removed: 0 })
    // Relays know endpoints, and the kernel does not.
    const isKnown = kind.mode !== 'userspace'
    expect([report.requests > 0, report.objects.written > 0]).toEqual([isKnown, isKnown])
  })

  it('adopts what an earlier process left, writing nothing but the ports of its own relays', async () => {
    const rig = await kind.make()
    const services = named(web('a', 1), dual)
    const localSources = ['10.1.0.0/16', 'fd00:1::/64']
    const first = await rig.open({ localSources })
    await first.sync(services)
    await first.close()
    const before = await dump(rig)
    const second = await rig.open({ localSources })
    const hasPorts = kind.mode === 'userspace'
    expect((await second.plan(services)).isEmpty).toBe(!hasPorts)
    const adopted = await second.sync(services)
    expect(adopted.requests > 0).toBe(hasPorts)
    if (!hasPorts) expect(adopted.services).toEqual({ added: 0, changed: 0, removed: 0 })
    expect(await dump(rig)).toEqual(before)
    await second.update({ delete: ['dual'] })
    expect(await dump(rig)).toEqual(await fresh(kind, named(web('a', 1)), localSources))
  })

  it('takes other local sources over at a restart', async () => {
    const rig = await kind.make()
    const services = named(web('a', 1))
    for (const localSources of [['10.1.0.0/16'], ['10.2.0.0/16'], undefined, []]) {
      const plane = await rig.open({ localSources })
      expect((await plane.plan(services)).isEmpty).toBe(false)
      await plane.sync(services)
      expect((await plane.plan(services)).isEmpty).toBe(true)
      await plane.close()
      expect(await dump(rig)).toEqual(await fresh(kind, services, localSources))
    }
  })

  it('takes a frozen service for the same one, and says what differs in a new one', async () => {
    const plane = await (await kind.make()).open()
    const a = web('a', 1)
    await plane.sync(named(a))
    expect(Object.isFrozen(a) && Object.isFrozen(a.endpoints) && Object.isFrozen(a.endpoints[0])).toBe(true)
    expect((await plane.sync(named({ ...a }))).objects).toEqual({ written: 0, deleted: 0 })
  })

  it('makes calls in their order, also where they are not awaited', async () => {
    const rig = await kind.make()
    const plane = await rig.open()
    const calls = [
      plane.sync(named(web('a', 1))),
      plane.update({ set: [web('b', 2)] }),
      plane.update({ delete: ['a'] }),
      plane.update({ set: [web('b', 3)] })
    ]
    await Promise.all(calls)
    expect(await dump(rig)).toEqual(await fresh(kind, named(web('b', 3))))
  })

  it('leaves a frontend to the service that has it, whatever the order', async () => {
    const rig = await kind.make()
    const plane = await rig.open()
    const before = [web('a', 1), web('b', 3), web('c', 2)]
    await plane.sync(named(...before))
    for (const set of [
      [web('b', 1), web('a', 2)],
      [web('a', 2), web('b', 1)]
    ]) {
      const { quarantined } = await plane.update({ set })
      expect(quarantined.map(({ service }) => service).sort()).toEqual(['a', 'b'])
      expect(await dump(rig)).toEqual(await fresh(kind, named(...before)))
    }
    await plane.update({ set: [web('a', 3), web('b', 1)] })
    expect(await dump(rig)).toEqual(await fresh(kind, named(web('a', 3), web('b', 1), web('c', 2))))
    await plane.update({ delete: ['b'] })
    expect(await dump(rig)).toEqual(await fresh(kind, named(web('a', 3), web('c', 2))))
  })

  it('puts what is malformed in quarantine, tells, and releases it', async () => {
    const rig = await kind.make()
    const plane = await rig.open()
    const events = record(plane)
    const bad = { ...web('bad', 9), protocol: 'icmp' } as never
    await plane.sync(named(web('a', 1), bad))
    expect(plane.status().quarantined.map(({ service }) => service)).toEqual(['bad'])
    expect(await dump(rig)).toEqual(await fresh(kind, named(web('a', 1))))
    await plane.update({ set: [web('bad', 9)] })
    expect(plane.status().quarantined).toEqual([])
    await until('both events', () => events.length === 2)
    expect(events.map(({ type }) => type)).toEqual(['quarantined', 'released'])
  })

  it('applies nothing of an atomic call of which a part is malformed', async () => {
    const rig = await kind.make()
    const plane = await rig.open()
    await plane.sync(named(web('a', 1)))
    const before = await dump(rig)
    const update = { set: [web('b', 2), web('c', 1)] }
    await expect(plane.update(update, { onError: 'atomic' })).rejects.toMatchObject({ path: 'services["c"].frontends[0]' })
    expect(await dump(rig)).toEqual(before)
  })

  it.each(badServices)('refuses %s at the same place', async (_, overrides, path) => {
    const plane = await (await kind.make()).open()
    const service = { ...web('a', 1), ...overrides }
    const { quarantined } = await plane.sync(new Map([[service.name, service]]))
    expect(quarantined).toMatchObject([
      { error: { code: 'ERR_NETPLANE_VALIDATION', path: `services[${JSON.stringify(service.name)}]${path}` } }
    ])
  })

  it.each(unreadable)('puts %s in quarantine, and applies the others', async (_, make) => {
    const rig = await kind.make()
    const plane = await rig.open()
    const bad = make(web('bad', 9))
    const { quarantined } = await plane.sync(
      new Map([
        ['a', web('a', 1)],
        ['bad', bad]
      ])
    )
    expect(quarantined).toMatchObject([
      { service: 'bad', error: { code: 'ERR_NETPLANE_VALIDATION', path: expect.stringContaining('services["bad"]') as string } }
    ])
    expect(await dump(rig)).toEqual(await fresh(kind, named(web('a', 1))))
  })

  it('takes frozen and sealed services, and Maps of another realm', async () => {
    const plane = await (await kind.make()).open()
    const services = runInNewContext('new Map()') as Map<string, Service>
    const a = web('a', 1)
    services.set('a', Object.freeze({ ...a, frontends: Object.freeze(a.frontends), endpoints: Object.seal([...a.endpoints]) }))
    services.set('b', Object.seal(web('b', 2, { scheduler: undefined })))
    expect(await plane.sync(services)).toMatchObject({ services: { added: 2 }, quarantined: [] })
  })

  it('takes a call as it was made, though its Map and its lists change before its turn', async () => {
    const rig = await kind.make()
    const plane = await rig.open()
    const services = named(web('a', 1))
    const set = [web('b', 2)]
    const names = ['a']
    const calls = [plane.sync(services), plane.update({ set, delete: names })]
    services.clear()
    set.pop()
    names[0] = 'b'
    await Promise.all(calls)
    expect(await dump(rig)).toEqual(await fresh(kind, named(web('b', 2))))
  })

  it('says of a signal that was aborted before, and of a closed plane, what it says', async () => {
    const rig = await kind.make()
    const plane = await rig.open()
    await plane.sync(named(web('a', 1)))
    await ofEverything.at(-1)![1](rig)
    const before = await dump(rig)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(plane.sync(named(web('a', 1)), { signal })).rejects.toThrow('enough')
    await expect(plane.update({ set: [web('b', 2)] }, { signal })).rejects.toThrow('enough')
    // Nothing was repaired, either.
    expect(await dump(rig)).toEqual(before)
    await expect(plane.watch({ signal }).next()).rejects.toThrow('enough')
    await plane.close()
    await expect(plane.close({ cleanup: true })).rejects.toBeInstanceOf(ClosedError)
    await expect(plane.update({})).rejects.toBeInstanceOf(ClosedError)
    expect(await plane.watch().next()).toMatchObject({ done: true })
    expect(plane.status().services).toBe(1)
  })

  it.each(badCalls)('refuses %s at the same place', async (_, run, path) => {
    const plane = await (await kind.make()).open()
    await plane.sync(new Map())
    await expect(run(plane)).rejects.toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path })
  })

  it.each(badOptions)('refuses the option: %s', async (_, options, path) => {
    const rig = await kind.make()
    const error = (await rejection(rig.open(options as never))) as { readonly code?: string; readonly path?: string }
    expect(error.code).toBe('ERR_NETPLANE_VALIDATION')
    expect(error.path?.startsWith(path)).toBe(true)
  })

  it('is cancelled before anything is sent, or between two steps, and goes on from there', async () => {
    const rig = await kind.make()
    const plane = await rig.open()
    const services = named(...Array.from({ length: 20 }, (_, index) => web(`s${index}`, index + 1)))
    const reason = new Error('enough')
    await expect(plane.sync(services, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await plane.sync(new Map())
    const controller = new AbortController()
    const abort = (): void => controller.abort(reason)
    subscribe('netplane:commit', abort)
    onTestFinished(() => {
      unsubscribe('netplane:commit', abort)
    })
    await plane.sync(services, { signal: controller.signal }).catch(() => undefined)
    // All of the services change in more than one step: what was there goes after what comes.
    unsubscribe('netplane:commit', abort)
    await plane.sync(services)
    const others = named(...Array.from({ length: 20 }, (_, index) => web(`s${index}`, index + 100, { endpoints: [] })))
    const second = new AbortController()
    const abortSecond = (): void => second.abort(reason)
    subscribe('netplane:commit', abortSecond)
    const attempt = plane.sync(others, { signal: second.signal })
    // Rules of iptables change in one transaction: there is no step in between.
    if (kind.mode === 'iptables') await attempt
    else {
      const error: unknown = await rejection(attempt)
      if (!(error instanceof TransactionError)) throw error
      expect(error.applied.length).toBeGreaterThan(0)
      expect(error.cause).toBe(reason)
    }
    unsubscribe('netplane:commit', abortSecond)
    await plane.sync(others)
    expect(await dump(rig)).toEqual(await fresh(kind, others))
  })

  it.each(vandalismOf(kind.mode))('finds and repairs when %s', async (_, vandalise) => {
    const rig = await kind.make()
    const localSources = ['10.1.0.0/16']
    const plane = await rig.open({ auditMs: 100, localSources })
    const services = named(web('a', 1), dual)
    await plane.sync(services)
    const wanted = await dump(rig)
    const events = record(plane)
    await vandalise(rig)
    await until('repaired', () => events.some(({ type }) => type === 'repaired'))
    expect(events.map(({ type }) => type).filter((type) => type !== 'error')).toEqual(['drift', 'repaired'])
    const [drift] = events.filter((event) => event.type === 'drift')
    expect(drift?.objects.length).toBeGreaterThan(0)
    expect(await dump(rig)).toEqual(wanted)
    expect(plane.status().drifts).toBe(1)
  })

  it.each(vandalismOf(kind.mode))('plans and adopts it at a restart when %s', async (what, vandalise) => {
    const rig = await kind.make()
    const localSources = ['10.1.0.0/16']
    const services = named(web('a', 1), dual)
    const first = await rig.open({ localSources })
    await first.sync(services)
    await first.close()
    const wanted = await dump(rig)
    await vandalise(rig)
    const second = await rig.open({ localSources })
    expect((await second.plan(services)).isEmpty).toBe(false)
    await second.sync(services)
    // What settings were before nobody knows any more, and they are as they must be.
    const isLost = (line: string): boolean => what === 'everything is deleted' && line.includes(`${rig.table}-settings`)
    expect(await dump(rig)).toEqual(wanted.filter((line) => !isLost(line)))
  })

  it.each(vandalismOf(kind.mode))(
    'plans and repairs it in a sync of the same plane, which says what it did, when %s',
    async (_, vandalise) => {
      const rig = await kind.make()
      const localSources = ['10.1.0.0/16']
      const plane = await rig.open({ localSources })
      const services = named(web('a', 1), dual)
      await plane.sync(services)
      const wanted = await dump(rig)
      const events = record(plane)
      await vandalise(rig)
      const { drift, objects, isEmpty, entries } = await plane.plan(services)
      expect({ isEmpty, entries }).toEqual({ isEmpty: false, entries: [] })
      expect(drift.length).toBeGreaterThan(0)
      const report = await plane.sync(services)
      expect(report).toMatchObject({ services: { added: 0, changed: 0, removed: 0 }, objects, quarantined: [] })
      expect(report.requests).toBeGreaterThan(0)
      expect(await dump(rig)).toEqual(wanted)
      expect(plane.status().drifts).toBe(1)
      await until('both events', () => events.length === 2)
      expect(events).toMatchObject([
        { type: 'drift', objects: drift },
        { type: 'repaired', objects }
      ])
      expect((await plane.plan(services)).isEmpty).toBe(true)
    }
  )

  it('plans drift also where it never audits by itself', async () => {
    const rig = await kind.make()
    const plane = await rig.open()
    const services = named(web('a', 1))
    await plane.sync(services)
    const wanted = await dump(rig)
    await ofEverything.at(-1)![1](rig)
    const plan = await plane.plan(services)
    expect(plan.isEmpty).toBe(false)
    expect(plan.drift.length).toBeGreaterThan(0)
    await plane.sync(services)
    expect(await dump(rig)).toEqual(wanted)
  })

  it('cleans up what is its own, and nothing else', async () => {
    const rig = await kind.make()
    const nft = await rig.nftables()
    await change(nft, (tx) => {
      tx.add.table({ family: 'inet', name: 'theirs' })
      tx.add.chain({ family: 'inet', table: 'theirs', name: 'c' })
    })
    const before = await dump(rig)
    const plane = await rig.open()
    await plane.sync(named(web('a', 1), dual))
    await plane.close({ cleanup: true })
    await plane.close()
    await expect(plane.sync(new Map())).rejects.toBeInstanceOf(ClosedError)
    await expect(plane.plan(new Map())).rejects.toBeInstanceOf(ClosedError)
    expect(await dump(rig)).toEqual(before)
  })

  it('touches nothing that has its name and is not its own', async () => {
    const foreign: ((rig: Rig) => Promise<void>)[] = [
      (rig) => rig.occupy(),
      async (rig) => {
        await (await rig.route()).addDummy('netplane', { up: true })
      }
    ]
    for (const occupy of kind.mode === 'ipvs' ? foreign : foreign.slice(0, 1)) {
      const rig = await kind.make()
      await occupy(rig)
      const before = await dump(rig)
      const plane = await rig.openLoosely()
      const services = named(web('a', 1))
      for (const call of [() => plane.sync(services), () => plane.plan(services)])
        await expect(call()).rejects.toMatchObject({ code: 'ERR_NETPLANE_FOREIGN' })
      const closing = plane.close({ cleanup: true })
      await expect(closing).rejects.toMatchObject({ code: 'ERR_NETPLANE_FOREIGN' })
      expect(await dump(rig)).toEqual(before)
    }
  })

  it('keeps no process alive', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const rig = await kind.make()
    const before = timers()
    const plane = await rig.open({ auditMs: 100 })
    await plane.sync(named(web('a', 1)))
    await plane.sync(named(web('a', 1, { endpoints: [] })))
    expect(timers()).toBeLessThanOrEqual(before)
  })

  it.each([1, 2])('holds what a fresh plane would write after any walk of changes and restarts (seed %i)', async (seed) => {
    const random = new Random(seed)
    const rig = await kind.make()
    let plane = await rig.open()
    const services = new Map<string, Service>()
    await plane.sync(services)
    for (let step = 0; step < 25; step++) {
      const service = randomService(random, random.below(12))
      // Of services that are refused nothing is written.
      if (kind.mode === 'userspace' && service.protocol === 'sctp') continue
      if (random.chance(30)) services.delete(service.name)
      else services.set(service.name, service)
      if (random.chance(15)) {
        await plane.close()
        plane = await rig.open()
        await plane.sync(services)
      } else if (random.chance(50)) await plane.update(services.has(service.name) ? { set: [service] } : { delete: [service.name] })
      else await plane.sync(services)
      expect(plane.status().services).toBe(services.size)
      expect((await plane.plan(services)).isEmpty).toBe(true)
    }
    expect(await dump(rig)).toEqual(await fresh(kind, services))
  })
})
