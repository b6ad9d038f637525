import { pino } from 'pino'
import { expect, it, onTestFinished, vi, type Mock } from 'vitest'
import { readCommand } from '../../../../../examples/proxy/configuration/command.js'
import { Daemon } from '../../../../../examples/proxy/daemon.js'
import { TRIGGER_TIME } from '../../../../../examples/proxy/kubernetes/shape.js'
import { parseOptions } from '../../../../../examples/proxy/options.js'
import { findAccess } from '../../../../../examples/proxy/sources/access/find.js'
import { ApiSource } from '../../../../../examples/proxy/sources/api/source.js'
import { readOnce } from '../../../../../examples/proxy/sources/once.js'
import { openPlane, type Plane } from '../../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../../src/testing.js'
import { answer, apiService, apiSlice, event, events, list, refusal, ScriptedApi, type ApiAnswer } from '../../../../support/api-server.js'
import { freePort } from '../../../../support/free-port.js'

const FAST = { client: { qps: 1000, burst: 1000 }, reflector: { backoff: { firstMs: 20, maxMs: 40, resetMs: 1000 } } }

/** A proxy that reads a scripted server. */
async function run(api: ScriptedApi): Promise<{
  readonly sync: Mock<Plane['sync']>
  readonly update: Mock<Plane['update']>
  readonly health: () => Promise<Record<string, unknown>>
  /** A value of `/metrics`, by its name and labels. */
  readonly metric: (name: string) => Promise<number>
}> {
  const port = await freePort()
  const options = parseOptions(['--master', api.url, '--listen', `127.0.0.1:${port}`, '--node-name', 'here'])
  const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  const source = new ApiSource(await findAccess(options.api!, {}), 'here', FAST)
  const daemon = new Daemon(plane, source, options, pino({ level: 'silent' }))
  const [sync, update] = [vi.spyOn(plane, 'sync'), vi.spyOn(plane, 'update')]
  await daemon.start()
  onTestFinished(() => daemon.stop())
  const get = async (path: string): Promise<Response> => await fetch(`http://127.0.0.1:${port}${path}`)
  return {
    sync,
    update,
    health: async () => (await (await get('/healthz')).json()) as Record<string, unknown>,
    metric: async (name) => {
      const lines = (await (await get('/metrics')).text()).split('\n')
      return Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1))
    }
  }
}

async function until(check: () => void | Promise<void>): Promise<void> {
  await vi.waitFor(check, { timeout: 8000, interval: 10 })
}

/** Event of a watch when the test says so. */
function onCue(): { readonly answer: ApiAnswer; readonly cue: (...lines: readonly unknown[]) => void } {
  let write: ((text: string) => void) | undefined
  return {
    answer: (response, request) => {
      events([])(response, request)
      write = (text) => void response.write(text)
    },
    cue: (...lines) => write!(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }
}

it('writes nothing before all kinds were listed', async () => {
  const api = await ScriptedApi.start()
  let finish: (() => void) | undefined
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  api.script('list EndpointSlice', (response, request) => {
    finish = () => list('EndpointSlice', '10', [apiSlice('a', 4, '10.1.0.1')])(response, request)
  })
  const { sync, health } = await run(api)
  await until(() => expect([api.asked('watch Service').length, api.asked('watch Node').length, finish !== undefined]).toEqual([1, 1, true]))
  expect(sync).not.toHaveBeenCalled()
  expect(await health()).toMatchObject({ healthy: false, synced: false })
  finish!()
  await until(async () => expect(await health()).toMatchObject({ healthy: true, synced: true, services: 1 }))
  // With its endpoint: a service without one would have been refused to clients meanwhile.
  expect(sync).toHaveBeenCalledOnce()
  expect([...sync.mock.calls[0]![0].values()][0]!.endpoints).toHaveLength(1)
})

it('takes one changed slice of 5,000 services to the plane as one changed service', { timeout: 30_000 }, async () => {
  const api = await ScriptedApi.start()
  const names = Array.from({ length: 5000 }, (_, index) => `s${index}`)
  const addressOf = (index: number): string => `10.96.${index >> 8}.${index & 255}`
  api.script(
    'list Service',
    list(
      'Service',
      '10',
      names.map((name, index) => apiService(name, 3, addressOf(index)))
    )
  )
  api.script(
    'list EndpointSlice',
    list(
      'EndpointSlice',
      '10',
      names.map((name) => apiSlice(name, 4, '10.1.0.1'))
    )
  )
  const { answer: watch, cue } = onCue()
  api.script('watch EndpointSlice', watch)
  const { sync, update, health } = await run(api)
  await vi.waitFor(async () => expect(await health()).toMatchObject({ synced: true, services: 5000 }), { timeout: 20_000, interval: 50 })
  cue(event('MODIFIED', apiSlice('s77', 11, '10.1.0.2')))
  await until(() => expect(update).toHaveBeenCalledOnce())
  const [{ set, delete: gone }] = update.mock.calls[0]!
  expect([[...set!].map(({ name }) => name), [...gone!]]).toEqual([['shop/s77:80'], []])
  cue(event('DELETED', apiSlice('s77', 12)), event('MODIFIED', apiSlice('s78', 13, '10.1.0.3')))
  await until(() => expect(update).toHaveBeenCalledTimes(2))
  expect([...update.mock.calls[1]![0].set!].map(({ name }) => name)).toEqual(['shop/s77:80', 'shop/s78:80'])
  expect(sync).toHaveBeenCalledOnce()
})

it('serves on while the API server is away, and says so without being unhealthy', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  const { sync, health } = await run(api)
  await until(async () => expect(await health()).toMatchObject({ healthy: true, services: 1 }))
  await api.stop()
  await until(async () =>
    expect(await health()).toMatchObject({ healthy: true, services: 1, api: expect.stringContaining('ECONNREFUSED') as string })
  )
  expect(sync).toHaveBeenCalledOnce()
})

it('tries the whole again where an update fails', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  const { answer: watch, cue } = onCue()
  api.script('watch Service', watch)
  const { sync, update, health } = await run(api)
  await until(async () => expect(await health()).toMatchObject({ healthy: true, services: 1 }))
  update.mockRejectedValueOnce(new Error('no memory'))
  await until(() => expect(api.asked('watch Service')).toHaveLength(1))
  cue(event('ADDED', apiService('b', 11, '10.96.0.2')))
  await until(async () => expect(await health()).toMatchObject({ healthy: true, services: 2 }))
  expect(sync).toHaveBeenCalledTimes(2)
})

it('counts a change that needs no sync as one that the kernel has', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  const { answer: watch, cue } = onCue()
  api.script('watch EndpointSlice', watch)
  const { sync, update, health, metric } = await run(api)
  await until(async () => expect(await health()).toMatchObject({ synced: true }))
  await until(() => expect(api.asked('watch EndpointSlice')).toHaveLength(1))
  const queued = 'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"}'
  const queuedAt = await metric(queued)
  const slice = apiSlice('unused', 11, '10.1.0.1') as { metadata: object }
  const time = new Date(Date.now() + 1000).toISOString()
  cue(event('ADDED', { ...slice, metadata: { ...slice.metadata, annotations: { [TRIGGER_TIME]: time } } }))
  await until(async () => expect(await metric('kubeproxy_sync_proxy_rules_endpoint_changes_total')).toBe(1))
  expect(await metric('kubeproxy_sync_proxy_rules_endpoint_changes_pending')).toBe(0)
  expect(await metric('kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"}')).toBe(1)
  expect([await metric(queued), sync.mock.calls.length, update.mock.calls.length]).toEqual([queuedAt, 1, 0])
})

it('gives to one that waits in quarantine what another one has given up', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3), apiService('b', 4)]))
  const { answer: watch, cue } = onCue()
  api.script('watch Service', watch)
  const { health } = await run(api)
  await until(async () => expect(await health()).toMatchObject({ services: 1, quarantined: ['shop/b:80'] }))
  await until(() => expect(api.asked('watch Service')).toHaveLength(1))
  cue(event('DELETED', apiService('a', 11)))
  await until(async () => expect(await health()).toMatchObject({ services: 1, quarantined: [] }))
})

it('says that its node has other prefixes of pods than those by which clients are local, once', async () => {
  const nodeOf = (version: number, ...podCIDRs: string[]): unknown => ({
    metadata: { name: 'here', resourceVersion: `${version}` },
    spec: { podCIDRs }
  })
  const api = await ScriptedApi.start()
  api.script('list Node', list('Node', '10', [nodeOf(3, '10.244.1.0/24')]))
  const { answer: watch, cue } = onCue()
  api.script('watch Node', watch)
  const ports = [`--healthz-bind-address=127.0.0.1:${await freePort()}`, `--metrics-bind-address=127.0.0.1:${await freePort()}`]
  const { options } = readCommand(['--master', api.url, '--node-name=here', '--detect-local-mode=NodeCIDR', ...ports])
  const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  const outdated = vi.fn()
  const source = new ApiSource(await findAccess(options.api!, {}), 'here', FAST)
  const traffic = { ...options.traffic, localSources: ['10.244.1.0/24'] }
  const daemon = new Daemon(plane, source, { ...options, traffic }, pino({ level: 'silent' }), { outdated })
  await daemon.start()
  onTestFinished(() => daemon.stop())
  await daemon.synced
  await until(() => expect(api.asked('watch Node')).toHaveLength(1))
  cue(event('MODIFIED', nodeOf(11)), event('MODIFIED', nodeOf(12, '10.244.1.0/24')))
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(outdated).not.toHaveBeenCalled()
  cue(event('MODIFIED', nodeOf(13, '10.244.2.0/24')), event('MODIFIED', nodeOf(14, '10.244.3.0/24')))
  await until(() => expect(outdated).toHaveBeenCalledOnce())
})

it('reads a server once for one command, and does not wait for one that refuses', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  const source = async (): Promise<ApiSource> =>
    new ApiSource(await findAccess({ kubeconfig: undefined, master: api.url }, {}), 'here', FAST)
  const one = await source()
  expect((await readOnce(one)).objects).toMatchObject([{ kind: 'Service', metadata: { name: 'a' } }])
  expect(one.status.requests).toEqual([{ code: '200', host: new URL(api.url).host, method: 'GET', count: expect.any(Number) as number }])
  api.script('list Node', refusal(403, 'Forbidden', 'nodes is forbidden'))
  await expect(readOnce(await source())).rejects.toThrow('GET /api/v1/nodes: 403: nodes is forbidden')
  api.script('list Service', answer(404, 'page not found'))
  await expect(readOnce(await source())).rejects.toThrow('404: "page not found"')
})
