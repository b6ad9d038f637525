import { describe, expect, it, onTestFinished } from 'vitest'
import {
  Nftables,
  openPlane,
  Route,
  type Endpoint,
  type Explanation,
  type ExplainRequest,
  type Frontend,
  type Plane,
  type Service
} from '../../../../../src/index.js'
import type { AddressFamily } from '../../../../../src/core/address.js'
import type { NftablesPlaneOptions } from '../../../../../src/plane/nftables/options.js'
import { FakeNftablesKernel, FakeRouteKernel } from '../../../../../src/testing.js'

const NODE = '192.0.2.1'
const POD = '10.244.0.2'
const FAR = '10.244.1.2'
const OUTSIDE = '198.51.100.7'
const LOCAL = ['10.244.0.0/16']

const here: Endpoint = { address: POD, port: 8080, local: true }
const there: Endpoint = { address: FAR, port: 8080 }
const cluster: Frontend = { kind: 'cluster', address: '10.96.0.1', port: 80 }

function web(frontend: Frontend, endpoints: readonly Endpoint[], more: Partial<Service> = {}): Service {
  return { name: 'shop/web:http', protocol: 'tcp', frontends: [frontend], endpoints, ...more }
}

interface Opened {
  readonly plane: Plane
  readonly nft: Nftables
  readonly kernel: FakeNftablesKernel
  readonly ask: (request?: Partial<ExplainRequest>) => Promise<Explanation>
}

async function closing<T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> {
  const opened = await opening
  onTestFinished(() => opened.close())
  return opened
}

/** A plane on a node with one address. */
async function open(services: readonly Service[], options: Partial<NftablesPlaneOptions> = {}): Promise<Opened> {
  const kernel = new FakeNftablesKernel()
  const route = new FakeRouteKernel()
  const links = await closing(Route.open({ kernel: route }))
  await links.addDummy('eth0', { up: true })
  await links.addAddresses('eth0', [NODE])
  const plane = await closing(openPlane({ mode: 'nftables', auditMs: 0, kernel: { nftables: kernel, route }, ...options }))
  if (services.length > 0) await plane.sync(new Map(services.map((service) => [service.name, service])))
  return {
    plane,
    kernel,
    nft: await closing(Nftables.open({ kernel })),
    ask: (request = {}) => plane.explain({ protocol: 'tcp', address: '10.96.0.1', port: 80, ...request })
  }
}

type Step<Type extends Explanation['steps'][number]['type']> = Extract<Explanation['steps'][number], { type: Type }>

function stepOf<Type extends Explanation['steps'][number]['type']>({ steps }: Explanation, type: Type): Step<Type> | undefined {
  return steps.find((step): step is Step<Type> => step.type === type)
}

/** Whose address each endpoint sees, and why. */
function sourcesOf({ outcome }: Explanation): string[] {
  if (outcome.type !== 'served') return [outcome.type]
  return outcome.endpoints.map(({ address, source, reason }) => `${address} ${source} ${reason}`)
}

describe('what is not ours', () => {
  it('is left alone where the kernel holds nothing', async () => {
    const { ask } = await open([])
    expect(await ask()).toMatchObject({ steps: [], outcome: { type: 'untouched', reason: 'nothing' }, dependsOn: [] })
  })

  it('is left alone at another address, and at another port of an external one', async () => {
    const { ask } = await open([web({ kind: 'external', address: '203.0.113.1', port: 80 }, [here])])
    expect((await ask({ address: '10.9.9.9' })).outcome).toEqual({ type: 'untouched', reason: 'notOurs' })
    const other = await ask({ address: '203.0.113.1', port: 81 })
    expect(other.outcome).toEqual({ type: 'untouched', reason: 'notOurs' })
    expect(other.steps).toEqual([{ type: 'destination', is: 'service' }])
  })
})

describe('what is refused or dropped', () => {
  it('is a frontend without endpoints, of the service that has it', async () => {
    const { ask } = await open([web(cluster, [])])
    const explanation = await ask({ from: OUTSIDE })
    expect(explanation.outcome).toEqual({ type: 'refused', service: 'shop/web:http', reason: 'noEndpoint' })
    expect(stepOf(explanation, 'frontend')).toMatchObject({ service: 'shop/web:http', clients: 'all', object: 'set refused' })
  })

  it('is another port or protocol of a cluster address, and the rest of a service range', async () => {
    const { ask } = await open([web(cluster, [here])], { serviceRanges: ['10.96.0.0/16'] })
    const unserved = { type: 'refused', service: undefined, reason: 'unservedPort' }
    expect((await ask({ port: 81, from: OUTSIDE })).outcome).toEqual(unserved)
    expect((await ask({ protocol: 'sctp' })).outcome).toEqual(unserved)
    expect((await ask({ address: '10.96.7.7' })).outcome).toEqual({ type: 'dropped', service: undefined, reason: 'unservedAddress' })
  })

  it('depends on the client where the policy is local, and no endpoint is here', async () => {
    const { ask } = await open([web({ kind: 'external', address: '10.96.0.1', port: 80, trafficPolicy: 'local' }, [there])], {
      localSources: LOCAL
    })
    expect((await ask({ from: OUTSIDE })).outcome).toMatchObject({ type: 'dropped', reason: 'noLocalEndpoint' })
    expect(sourcesOf(await ask({ from: '10.244.0.9' }))).toEqual([`${FAR} client policyLocal`])
    expect(sourcesOf(await ask({ from: NODE }))).toEqual([`${FAR} node node`])
    const all = await open([web({ ...cluster, trafficPolicy: 'local' }, [there])])
    expect((await all.ask({ from: OUTSIDE })).outcome).toMatchObject({ type: 'dropped', reason: 'noLocalEndpoint' })
  })

  it('is for local clients and this node where only an endpoint of this node is chosen', async () => {
    const onlyHere: Endpoint = { ...here, side: 'local' }
    const { ask } = await open([web({ kind: 'external', address: '10.96.0.1', port: 80, trafficPolicy: 'local' }, [onlyHere])])
    expect((await ask()).outcome).toMatchObject({ type: 'refused', reason: 'noEndpoint' })
    expect(sourcesOf(await ask({ from: OUTSIDE }))).toEqual([`${POD} client policyLocal`])
  })

  it('is an endpoint whose own address is in a service range', async () => {
    const { ask } = await open([web(cluster, [here, there])], { serviceRanges: ['10.244.1.0/24'] })
    expect((await ask({ from: OUTSIDE })).outcome).toMatchObject({
      type: 'served',
      endpoints: [{ address: POD }, { address: FAR, refusal: { type: 'dropped', reason: 'unservedAddress' } }]
    })
  })
})

describe('source ranges', () => {
  const frontend: Frontend = {
    ...{ kind: 'loadBalancer', address: '10.96.0.1', port: 80 },
    sourceRanges: { allow: ['198.51.100.0/24'], deny: ['198.51.100.128/25'] }
  }

  it.each([
    [OUTSIDE, 'allow', '198.51.100.0/24', 'served'],
    ['198.51.100.200', 'deny', '198.51.100.128/25', 'dropped'],
    ['203.0.113.9', 'allow', undefined, 'dropped']
  ] as const)('say of client %s by list %s that it is %s', async (from, list, range, type) => {
    const { ask } = await open([web(frontend, [here])])
    const explanation = await ask({ from })
    expect(explanation.outcome).toMatchObject({ type, service: 'shop/web:http' })
    expect(stepOf(explanation, 'sourceRanges')).toEqual({ type: 'sourceRanges', list, range, isServed: type === 'served' })
  })

  it('serve who is not denied, and depend on which address of this node asks', async () => {
    const { ask } = await open([web({ ...frontend, sourceRanges: { deny: ['203.0.113.0/24'] } }, [here])])
    expect(await ask()).toMatchObject({ outcome: { type: 'served' }, dependsOn: ['from'] })
    expect(await ask({ from: NODE })).toMatchObject({ outcome: { type: 'served' }, dependsOn: [] })
    expect(await ask({ from: '203.0.113.1' })).toMatchObject({ outcome: { type: 'dropped', service: 'shop/web:http' } })
  })
})

describe.each<[AddressFamily, string, string]>([
  ['ip', '10.96.0.1', '0.0.0.0/0'],
  ['ip6', 'fd00:96::1', '::/0']
])('a source range of everybody, over %s', (family, address, everybody) => {
  it.each([
    ['allow', 'served'],
    ['deny', 'dropped']
  ] as const)('has this node, whatever its address: %s, %s', async (list, type) => {
    const frontend: Frontend = { kind: 'loadBalancer', address, port: 80, sourceRanges: { [list]: [everybody] } }
    const endpoint = { address: family === 'ip' ? here.address : 'fd00:1::1', port: 8080, local: true }
    const { ask } = await open([web(frontend, [endpoint])])
    expect((await ask({ address })).outcome).toMatchObject({ type })
  })
})

describe('the choice', () => {
  it('has probabilities by weight', async () => {
    const { ask } = await open([
      web(cluster, [
        { ...here, weight: 3 },
        { ...there, weight: 1 }
      ])
    ])
    const explanation = await ask({ from: OUTSIDE })
    expect(stepOf(explanation, 'choice')).toMatchObject({
      scheduler: 'random',
      endpoints: [
        { address: POD, port: 8080, probability: 0.75 },
        { address: FAR, port: 8080, probability: 0.25 }
      ]
    })
    expect(explanation.outcome).toMatchObject({ endpoints: [{ probability: 0.75 }, { probability: 0.25 }] })
  })

  it('is known where a client has its hash, and else is not', async () => {
    const { ask } = await open([web(cluster, [here, there], { scheduler: 'hash' })])
    const explanation = await ask({ from: OUTSIDE })
    const { chosen, endpoints } = stepOf(explanation, 'choice')!
    expect(endpoints.map(({ probability }) => probability)).toEqual([0.5, 0.5])
    expect([POD, FAR]).toContain(chosen!.address)
    expect(explanation.outcome).toMatchObject({ endpoints: [{ ...chosen, probability: 1 }] })
    expect(await ask()).toMatchObject({ outcome: { endpoints: [{ probability: 0.5 }, { probability: 0.5 }] }, dependsOn: ['from'] })
  })

  it('is not made for a client that is remembered', async () => {
    const { ask, nft } = await open([web(cluster, [here, there], { affinity: { timeoutSeconds: 600 } })])
    expect(stepOf(await ask({ from: OUTSIDE }), 'affinity')).toEqual({ type: 'affinity', timeoutMs: 600_000 })
    const { sets } = await nft.list({ family: 'ip', table: 'netplane' })
    const tx = nft.transaction()
    tx.add.elements(
      sets.find(({ name }) => name === 'affinity')!,
      [{ key: [OUTSIDE, '10.96.0.1', 'tcp', 80], data: [FAR, 8080], timeoutMs: 600_000, expirationMs: 500_000 }]
    )
    await tx.commit()
    const explanation = await ask({ from: OUTSIDE })
    const { leftMs, ...rest } = stepOf(explanation, 'affinity')!
    expect(rest).toEqual({ type: 'affinity', endpoint: { address: FAR, port: 8080 }, timeoutMs: 600_000 })
    expect(leftMs).toBeGreaterThan(490_000)
    expect(leftMs).toBeLessThanOrEqual(500_000)
    expect(explanation.outcome).toMatchObject({ endpoints: [{ address: FAR, probability: 1 }] })
    expect(stepOf(explanation, 'choice')).toBeUndefined()
    expect((await ask({ from: '198.51.100.8' })).outcome).toMatchObject({ endpoints: [{ address: POD }, { address: FAR }] })
  })
})

describe('whose address endpoints see', () => {
  it.each<[options: Partial<NftablesPlaneOptions>, from: string, sources: string[]]>([
    [{}, OUTSIDE, [`${POD} client never`, `${FAR} client never`]],
    [{ masquerade: 'all' }, '10.244.0.9', [`${POD} node all`, `${FAR} node all`]],
    [{ localSources: LOCAL }, OUTSIDE, [`${POD} node notLocal`, `${FAR} node notLocal`]],
    [{ localSources: LOCAL }, '10.244.0.9', [`${POD} client local`, `${FAR} client local`]],
    [{ localSources: LOCAL }, POD, [`${POD} node hairpin`, `${FAR} client local`]],
    [{ localSources: LOCAL, masquerade: 'never' }, OUTSIDE, [`${POD} client never`, `${FAR} client never`]]
  ])('at a cluster address with %j, asked by %s', async (options, from, sources) => {
    const { ask } = await open([web(cluster, [here, there])], options)
    expect(sourcesOf(await ask({ from }))).toEqual(sources)
  })

  it('at frontends that are asked from outside', async () => {
    const external = await open([web({ kind: 'external', address: '10.96.0.1', port: 80 }, [here])])
    expect(sourcesOf(await external.ask({ from: OUTSIDE }))).toEqual([`${POD} node external`])
    const local = await open([web({ ...cluster, trafficPolicy: 'local' }, [here])], { localSources: LOCAL })
    expect(sourcesOf(await local.ask({ from: OUTSIDE }))).toEqual([`${POD} client policyLocal`])
  })

  it('at an endpoint with an address of this node, which a packet does not leave', async () => {
    const { ask } = await open([web({ kind: 'external', address: '10.96.0.1', port: 80 }, [{ ...here, address: NODE }])])
    expect(sourcesOf(await ask({ from: OUTSIDE }))).toEqual([`${NODE} client delivered`])
    expect(await ask({ from: NODE })).toMatchObject({ outcome: { endpoints: [{ reason: 'hairpin' }] }, dependsOn: [] })
    expect(await ask()).toMatchObject({ outcome: { endpoints: [{ reason: 'external' }] }, dependsOn: ['from'] })
  })
})

describe('the traffic policy', () => {
  it.each([
    ['cluster', 'cluster'],
    ['cluster', 'local'],
    ['external', 'cluster'],
    ['external', 'local']
  ] as const)('of a frontend of kind %s is found to be %s', async (kind, trafficPolicy) => {
    const { ask } = await open([web({ kind, address: '10.96.0.1', port: 80, trafficPolicy }, [here, there])])
    for (const from of [OUTSIDE, NODE]) expect(stepOf(await ask({ from }), 'frontend')).toMatchObject({ trafficPolicy })
  })

  it('is not known of a frontend without any endpoint', async () => {
    const { ask } = await open([web({ ...cluster, trafficPolicy: 'local' }, [])])
    expect(stepOf(await ask(), 'frontend')).toMatchObject({ object: 'set refused', trafficPolicy: undefined })
    const elsewhere = await open([web({ ...cluster, trafficPolicy: 'local' }, [there])])
    expect(stepOf(await elsewhere.ask(), 'frontend')).toMatchObject({ object: 'set dropped', trafficPolicy: 'local' })
  })
})

describe('who the client is', () => {
  const external: Frontend = { kind: 'external', address: '10.96.0.1', port: 80, trafficPolicy: 'local' }

  it('is found out by the link, where that is said', async () => {
    const { ask } = await open([web(external, [here, there])], { localSources: { interfacePrefix: 'veth' } })
    const client = async (request: Partial<ExplainRequest>) => stepOf(await ask({ from: OUTSIDE, ...request }), 'client')
    expect(await client({ interface: 'veth12' })).toEqual({ type: 'client', is: 'local', by: 'interface' })
    expect(await client({ interface: 'eth0' })).toEqual({ type: 'client', is: 'outside', by: 'interface' })
    expect(await ask({ from: OUTSIDE })).toMatchObject({ outcome: { endpoints: [{ address: POD }] }, dependsOn: ['interface'] })
    expect(await client({ from: NODE })).toEqual({ type: 'client', is: 'node', by: 'direction' })
  })

  it('is not asked where nothing depends on it', async () => {
    const { ask } = await open([web({ ...external, trafficPolicy: 'cluster' }, [here])], { localSources: { bridge: 'cni0' } })
    const explanation = await ask({ from: OUTSIDE })
    expect(stepOf(explanation, 'client')).toBeUndefined()
    expect(explanation.dependsOn).toEqual([])
  })
})

describe('a port of this node', () => {
  it('is served at its addresses alone', async () => {
    const { ask } = await open([web({ kind: 'node', port: 30_080, trafficPolicy: 'local' }, [here, there])], { localSources: LOCAL })
    const port = { address: NODE, port: 30_080 }
    const explanation = await ask({ ...port, from: OUTSIDE })
    expect(explanation.steps.slice(0, 3)).toEqual([
      { type: 'destination', is: 'node' },
      { type: 'client', is: 'outside', by: 'prefixes' },
      {
        type: 'frontend',
        service: 'shop/web:http',
        scope: 'node',
        clients: 'outside',
        trafficPolicy: 'local',
        object: 'set node-outside-random-1'
      }
    ])
    expect(sourcesOf(explanation)).toEqual([`${POD} client policyLocal`])
    expect(sourcesOf(await ask(port))).toEqual([`${POD} node node`, `${FAR} node node`])
    expect((await ask({ ...port, address: '127.0.0.1' })).outcome).toEqual({ type: 'untouched', reason: 'notOurs' })
  })

  it('is refused without endpoints', async () => {
    const { ask } = await open([web({ kind: 'node', port: 30_080 }, [])])
    expect((await ask({ address: NODE, port: 30_080, from: OUTSIDE })).outcome).toMatchObject({ type: 'refused', reason: 'noEndpoint' })
  })
})

describe('names', () => {
  const long = { name: `shop/${'a'.repeat(200)}:http` }

  it('are whole where the plane knows the service, and else as the element has them', async () => {
    const { ask, kernel } = await open([web(cluster, [here], long)])
    expect((await ask()).outcome).toMatchObject({ service: long.name })
    const other = await closing(openPlane({ mode: 'nftables', auditMs: 0, kernel: { nftables: kernel } }))
    const { outcome } = await other.explain({ protocol: 'tcp', address: '10.96.0.1', port: 80 })
    const shortened: unknown = expect.stringMatching(/^shop\/a+~[0-9a-f]{12}$/)
    expect(outcome).toMatchObject({ type: 'served', service: shortened })
  })
})

describe('drift', () => {
  it('is followed as it is, and said', async () => {
    const { ask, nft } = await open([web(cluster, [here])])
    expect(stepOf(await ask(), 'drift')).toBeUndefined()
    const tx = nft.transaction()
    tx.flush.set({ family: 'ip', table: 'netplane', name: 'cluster-ips' })
    tx.add.chain({ family: 'ip', table: 'netplane', name: 'stranger' })
    await tx.commit()
    const explanation = await ask()
    expect(stepOf(explanation, 'drift')!.objects.join()).toContain('stranger')
    expect(stepOf(explanation, 'missing')).toEqual({
      type: 'missing',
      objects: ['an element of set ip netplane cluster-ips or external-ips']
    })
    expect(explanation.outcome).toEqual({ type: 'untouched', reason: 'incomplete' })
  })

  it('is seen where a map that has grown is in use by its other name', async () => {
    const many = Array.from({ length: 1500 }, (_, index) =>
      web({ ...cluster, address: `10.97.${index >> 8}.${index & 255}` }, [here], { name: `service-${index}` })
    )
    const { ask, plane, nft } = await open(many)
    await plane.update({
      set: Array.from({ length: 4000 }, (_, index) =>
        web({ ...cluster, address: `10.98.${index >> 8}.${index & 255}` }, [there], { name: `more-${index}` })
      )
    })
    const { sets } = await nft.list({ family: 'ip', table: 'netplane' })
    expect(sets.map(({ name }) => name)).toContain('endpoints-random-1-b')
    expect((await ask({ address: '10.98.0.7' })).outcome).toMatchObject({
      service: 'more-7',
      endpoints: [{ address: FAR, probability: 1 }]
    })
  })
})

describe('what another process has done to chains', () => {
  const external: Frontend = { kind: 'external', address: '203.0.113.1', port: 80 }
  const asked = { address: '203.0.113.1', from: OUTSIDE } as const

  it.each([
    ['nat-postrouting', 'a rule of chain ip netplane nat-postrouting that leads to translated'],
    ['translated', 'a rule of chain ip netplane translated that leads to translated-external'],
    ['translated-external', 'a rule of chain ip netplane translated-external that leads to masquerading'],
    ['masquerading', 'a rule of chain ip netplane masquerading']
  ])('endpoints see the client where rules of %s are gone', async (chain, lacking) => {
    const { ask, nft } = await open([web(external, [there])])
    expect(sourcesOf(await ask(asked))).toEqual([`${FAR} node external`])
    const tx = nft.transaction()
    for (const rule of (await nft.listRules({ family: 'ip', table: 'netplane' })).filter((one) => one.chain === chain)) tx.delete.rule(rule)
    await tx.commit()
    const explanation = await ask(asked)
    expect(sourcesOf(explanation)).toEqual([`${FAR} client unmasked`])
    expect(stepOf(explanation, 'missing')?.objects).toContain(lacking)
    expect(String(explanation)).toContain("sees the client's address, because part of what gives it one of this node is missing")
  })

  it('the outcome says that a rule of another process may decide otherwise', async () => {
    const { ask, nft } = await open([web(external, [there])])
    const tx = nft.transaction()
    tx.add.rule({
      family: 'ip',
      table: 'netplane',
      chain: 'dispatch',
      expressions: [{ type: 'immediate', destinationRegister: 0, data: { verdict: 'drop' } }]
    })
    await tx.commit()
    expect(String(await ask(asked))).toMatch(
      /\nOutcome: served by .*, unless rules that differ decide otherwise \(foreign rules in chain ip netplane dispatch\)\.$/
    )
  })
})
