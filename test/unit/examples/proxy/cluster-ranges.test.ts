import { expect, it, onTestFinished, vi } from 'vitest'
import { pino } from 'pino'
import { ClusterRanges, followsClusterRanges, withRangesOf } from '../../../../examples/proxy/cluster-ranges.js'
import { Daemon, type DaemonHooks } from '../../../../examples/proxy/daemon.js'
import { Catalog } from '../../../../examples/proxy/kubernetes/catalog.js'
import { shapeProblem } from '../../../../examples/proxy/kubernetes/shape.js'
import type { KubernetesObject } from '../../../../examples/proxy/kubernetes/types.js'
import { parseOptions, type ProxyOptions } from '../../../../examples/proxy/options.js'
import { findAccess } from '../../../../examples/proxy/sources/access/find.js'
import { ApiSource } from '../../../../examples/proxy/sources/api/source.js'
import { openPlane } from '../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../src/testing.js'
import { answer, apiService, event, events, list, refusal, ScriptedApi } from '../../../support/api-server.js'
import { parseManifests } from '../../../support/manifests.js'

const never = new AbortController().signal
const range = (name: string, version: number, ...cidrs: unknown[]): unknown => ({
  metadata: { name, resourceVersion: String(version) },
  spec: { cidrs }
})
const object = (name: string, ...cidrs: string[]): KubernetesObject => ({ kind: 'ServiceCIDR', metadata: { name }, spec: { cidrs } })

function optionsFor(api: ScriptedApi, ...words: string[]): ProxyOptions {
  return parseOptions(['--master', api.url, '--node-name', 'here', '--listen', 'off', ...words])
}

/** A proxy that reads ServiceCIDRs, too. */
async function run(api: ScriptedApi, hooks: DaemonHooks): Promise<{ readonly daemon: Daemon; readonly source: ApiSource }> {
  const options = optionsFor(api)
  const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  const source = new ApiSource(await findAccess(options.api!, {}), 'here', {
    client: { qps: 1000, burst: 1000 },
    reflector: { backoff: { firstMs: 20, maxMs: 40, resetMs: 1000 } },
    kinds: ['Service', 'EndpointSlice', 'Node', 'ServiceCIDR']
  })
  const daemon = new Daemon(plane, source, options, pino({ level: 'silent' }), hooks)
  await daemon.start()
  onTestFinished(() => daemon.stop())
  return { daemon, source }
}

it('count in mode nftables where the options name none', async () => {
  const api = await ScriptedApi.start()
  const follows = (...words: string[]): boolean => followsClusterRanges(optionsFor(api, ...words))
  expect([follows(), follows('--mode', 'nftables')]).toEqual([true, true])
  expect([follows('--mode', 'iptables'), follows('--mode', 'ipvs'), follows('--service-ranges', '10.96.0.0/12')]).toEqual([
    false,
    false,
    false
  ])
  const objects = [object('kubernetes', '10.96.0.0/12', 'fd00:10:96::/112'), object('more', '10.80.0.0/16', '10.96.0.0/12')]
  const rangesFor = (...words: string[]): unknown => withRangesOf(objects, optionsFor(api, ...words)).traffic.serviceRanges
  expect(rangesFor()).toEqual(['10.80.0.0/16', '10.96.0.0/12', 'fd00:10:96::/112'])
  // A plane refuses bits beyond the length, and could not be opened again.
  const inexact = withRangesOf([object('kubernetes', '10.96.0.1/12'), object('same', '10.96.0.0/12')], optionsFor(api))
  expect(inexact.traffic.serviceRanges).toEqual(['10.96.0.0/12'])
  expect(rangesFor('--mode', 'ipvs')).toBeUndefined()
  expect(rangesFor('--service-ranges', '10.1.0.0/16')).toEqual(['10.1.0.0/16'])
})

it('are asked for once before a plane is opened, and only where they count', async () => {
  const api = await ScriptedApi.start()
  api.script('list ServiceCIDR', list('ServiceCIDR', '10', [range('kubernetes', 3, '10.96.0.0/12')]))
  const ranges = new ClusterRanges()
  const other = optionsFor(api, '--mode', 'iptables')
  expect(await ranges.complete(other, never)).toBe(other)
  expect(api.requests).toEqual([])
  for (let times = 0; times < 2; times++)
    expect((await ranges.complete(optionsFor(api), never)).traffic.serviceRanges).toEqual(['10.96.0.0/12'])
  expect(api.asked('list ServiceCIDR')).toHaveLength(1)
  expect(ranges.learn(['10.96.0.0/12'])).toBe(false)
  expect(ranges.learn(['10.80.0.0/16'])).toBe(true)
  expect((await ranges.complete(optionsFor(api), never)).traffic.serviceRanges).toEqual(['10.80.0.0/16'])
})

it.each([
  ['lacks them', answer(404, '404 page not found')],
  ['refuses them', refusal(403, 'Forbidden', 'servicecidrs is forbidden')],
  ['fails', answer(500, 'no')],
  ['is silent', () => undefined]
] as const)('are done without where a server %s', async (_, reply) => {
  const api = await ScriptedApi.start()
  api.script('list ServiceCIDR', reply)
  const options = optionsFor(api)
  expect(await new ClusterRanges(500).complete(options, never)).toBe(options)
})

it('are not waited for by who is to stop', async () => {
  const api = await ScriptedApi.start()
  const stop = new AbortController()
  api.script('list ServiceCIDR', () => stop.abort())
  await expect(new ClusterRanges().complete(optionsFor(api), stop.signal)).rejects.toMatchObject({ name: 'AbortError' })
})

it('are told by the daemon as they are and as they change', async () => {
  const api = await ScriptedApi.start()
  api.script('list ServiceCIDR', list('ServiceCIDR', '10', [range('kubernetes', 3, '10.96.0.0/12')]))
  api.script('watch ServiceCIDR', events([event('ADDED', range('bad', 11, 'x')), event('ADDED', range('more', 12, '10.80.0.0/16'))]))
  const [outdated, told] = [vi.fn(), [] as string[]]
  const learnRanges = (ranges: readonly string[]): boolean => {
    told.push(ranges.join())
    return ranges.length > 1
  }
  const { source } = await run(api, { outdated, learnRanges })
  await vi.waitFor(() => expect(outdated).toHaveBeenCalledOnce(), 5000)
  expect([...new Set(told)]).toEqual(['10.96.0.0/12', '10.80.0.0/16,10.96.0.0/12'])
  expect(source.status.problems.map(({ reason }) => reason)).toEqual([
    'ServiceCIDR default/bad: spec.cidrs[0] is no prefix such as 10.96.0.0/12'
  ])
})

it('keep nobody from being served where the server has none, and are not told then where it fails', async () => {
  for (const [reply, knows] of [
    [answer(404, 'page not found'), true],
    [refusal(403, 'Forbidden', 'no'), true],
    [answer(500, 'no'), false]
  ] as const) {
    const api = await ScriptedApi.start()
    api.script('list Service', list('Service', '10', [apiService('a', 3)]))
    api.script('list ServiceCIDR', ...Array.from({ length: 1000 }, () => reply))
    const learnRanges = vi.fn(() => false)
    const { daemon, source } = await run(api, { learnRanges })
    await daemon.synced
    expect(source.status).toMatchObject({ hasSynced: true, knowsRanges: knows, error: knows ? undefined : (expect.any(Error) as Error) })
    expect(learnRanges.mock.calls.map((words: unknown[]) => words[0])).toEqual(learnRanges.mock.calls.map(() => []))
    expect(learnRanges.mock.calls.length > 0).toBe(knows)
    // A server that has none is not asked again and again.
    if (knows) expect(api.asked('list ServiceCIDR')).toHaveLength(1)
  }
})

it('are read from manifests, where only those of Kubernetes count', () => {
  const manifests = parseManifests(
    'a.yaml',
    [
      'apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: { name: kubernetes }\nspec: { cidrs: [10.96.0.0/12] }',
      'apiVersion: example.org/v1\nkind: ServiceCIDR\nmetadata: { name: other }\nspec: { cidrs: [10.1.0.0/16] }'
    ].join('\n---\n')
  )
  const catalog = new Catalog({})
  catalog.apply(manifests.objects.map((one, index) => ({ key: String(index), object: one })))
  expect(catalog.clusterRanges).toEqual(['10.96.0.0/12'])
  catalog.apply([{ key: '0', object: undefined }])
  expect(catalog.clusterRanges).toEqual([])
  expect(shapeProblem({ ...object('a'), spec: { cidrs: '10.0.0.0/8' } })).toBe('spec.cidrs is no list')
})
