import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  Ipvs,
  Nftables,
  openPlane,
  type IpvsConnection,
  type Endpoint,
  type Explanation,
  type ExplainRequest,
  type Plane,
  type PlaneOptions,
  type Service
} from '../../../../src/index.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../src/testing.js'

const VIP = '10.96.0.10'
const POD = '10.244.0.2'
const FAR = '10.244.1.2'
const OUTSIDE = '198.51.100.7'

const here: Endpoint = { address: POD, port: 8080, local: true, weight: 3 }
const there: Endpoint = { address: FAR, port: 8080 }

function web(overrides: Partial<Service> = {}): Service {
  return { name: 'web', protocol: 'tcp', frontends: [{ kind: 'cluster', address: VIP, port: 80 }], endpoints: [here, there], ...overrides }
}

interface Opened {
  readonly plane: Plane
  readonly kernel: { readonly ipvs: FakeIpvsKernel; readonly nftables: FakeNftablesKernel; readonly route: FakeRouteKernel }
  readonly ask: (request?: Partial<ExplainRequest>) => Promise<Explanation>
}

async function open(services: readonly Service[], options: Partial<Extract<PlaneOptions, { mode: 'ipvs' }>> = {}): Promise<Opened> {
  const kernel = { ipvs: new FakeIpvsKernel(), nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  const plane = await openPlane({ mode: 'ipvs', kernel, auditMs: 0, ...options })
  onTestFinished(() => plane.close())
  if (services.length > 0) await plane.sync(new Map(services.map((service) => [service.name, service])))
  return { plane, kernel, ask: (request = {}) => plane.explain({ protocol: 'tcp', address: VIP, port: 80, ...request }) }
}

const typesOf = ({ steps }: Explanation): string[] => steps.map(({ type }) => type)

function sourcesOf({ outcome }: Explanation): string[] {
  if (outcome.type !== 'served') return [outcome.type]
  return outcome.endpoints.map(({ address, source, reason }) => `${address} ${source} ${reason}`)
}

it('leaves alone what is not ours', async () => {
  expect((await (await open([])).ask()).outcome).toEqual({ type: 'untouched', reason: 'nothing' })
  const { ask } = await open([web()])
  expect(await ask({ address: '10.9.9.9' })).toMatchObject({
    steps: [{ type: 'destination', is: 'neither' }],
    outcome: { type: 'untouched', reason: 'notOurs' }
  })
})

it('refuses ports that a service does not have, and services without endpoints', async () => {
  const { ask } = await open([web()])
  expect((await ask({ port: 81 })).outcome).toEqual({ type: 'refused', service: undefined, reason: 'unservedPort' })
  expect((await ask({ protocol: 'udp', from: OUTSIDE })).outcome).toMatchObject({ reason: 'unservedPort' })
  for (const endpoints of [[], [{ ...there, weight: 0 }]]) {
    const none = await open([web({ endpoints })])
    expect((await none.ask()).outcome).toEqual({ type: 'refused', service: 'web', reason: 'noEndpoint' })
  }
})

describe('the choice', () => {
  it.each([
    ['wrr', 0.75],
    ['rr', 0.5],
    ['wlc', undefined]
  ] as const)('of scheduler %s has its probability', async (scheduler, probability) => {
    const { ask } = await open([web({ scheduler, endpoints: [here, there, { ...there, port: 1, state: 'draining' }] })])
    const explanation = await ask({ from: OUTSIDE })
    expect(explanation.steps).toContainEqual(expect.objectContaining({ type: 'choice', scheduler }))
    expect(explanation.outcome).toMatchObject({ type: 'served', service: 'web' })
    const { endpoints } = explanation.outcome as Extract<Explanation['outcome'], { type: 'served' }>
    expect(endpoints.map(({ address }) => address)).toEqual(expect.arrayContaining([POD, FAR]))
    expect(endpoints).toHaveLength(2)
    expect(endpoints.find(({ address }) => address === POD)!.probability).toBe(probability)
  })

  it('is remembered for a client with a persistence template', async () => {
    const { ask } = await open([web({ affinity: { timeoutSeconds: 90 } })])
    expect((await ask({ from: OUTSIDE })).steps).toContainEqual({ type: 'affinity', timeoutMs: 90_000 })
    const iterate = vi.spyOn(Ipvs.prototype, 'iterateConnections').mockImplementation(async function* () {
      await Promise.resolve()
      yield { realAddress: FAR, realPort: 8080, expiresSeconds: 42 } as IpvsConnection
    })
    onTestFinished(() => iterate.mockRestore())
    const { steps, outcome } = await ask({ from: OUTSIDE })
    expect(steps).toContainEqual({ type: 'affinity', endpoint: { address: FAR, port: 8080 }, leftMs: 42_000, timeoutMs: 90_000 })
    expect(outcome).toMatchObject({ endpoints: [{ address: FAR, probability: 1 }] })
    const filter = { protocol: 'tcp', clientAddress: OUTSIDE, clientPort: 0, virtualAddress: VIP, virtualPort: 80 }
    expect(iterate).toHaveBeenLastCalledWith({ filter })
  })
})

describe('whose address endpoints see', () => {
  it.each<[localSources: string[] | undefined, request: Partial<ExplainRequest>, sources: string[]]>([
    [undefined, { from: OUTSIDE }, [`${POD} client never`, `${FAR} client never`]],
    [undefined, { from: POD }, [`${POD} node hairpin`, `${FAR} client never`]],
    [undefined, {}, [`${POD} node serviceAddress`, `${FAR} node serviceAddress`]],
    [['10.244.0.0/16'], { from: OUTSIDE }, [`${POD} node notLocal`, `${FAR} node notLocal`]],
    [['10.244.0.0/16'], { from: '10.244.0.9' }, [`${POD} client local`, `${FAR} client local`]]
  ])('with localSources %j, asked by %j', async (localSources, request, sources) => {
    const { ask } = await open([web()], { localSources })
    expect(sourcesOf(await ask(request)).sort()).toEqual(sources.sort())
  })
})

it('says what is missing in the kernel', async () => {
  const { ask, kernel } = await open([web()])
  expect(typesOf(await ask())).not.toContain('drift')
  const nft = await Nftables.open({ kernel: kernel.nftables })
  onTestFinished(() => nft.close())
  const tx = nft.transaction()
  tx.delete.table({ family: 'ip', name: 'netplane-ipvs' })
  await tx.commit()
  const explanation = await ask({ from: OUTSIDE })
  expect(explanation.steps[0]).toEqual({ type: 'drift', objects: ['table ip netplane-ipvs is missing'] })
  expect(explanation.outcome).toMatchObject({ type: 'served' })
})

it('knows who a service is that another process wrote', async () => {
  const { kernel } = await open([web()])
  const other = await openPlane({ mode: 'ipvs', kernel, auditMs: 0 })
  onTestFinished(() => other.close())
  const explanation = await other.explain({ protocol: 'tcp', address: VIP, port: 80, from: OUTSIDE })
  expect(explanation.outcome).toMatchObject({ type: 'served', service: 'web' })
})
