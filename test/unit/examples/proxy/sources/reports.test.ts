import { createServer, type AddressInfo } from 'node:net'
import { pino } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { Daemon } from '../../../../../examples/proxy/daemon.js'
import { parseOptions } from '../../../../../examples/proxy/options.js'
import { Reporter } from '../../../../../examples/proxy/reporter.js'
import { findAccess } from '../../../../../examples/proxy/sources/access/find.js'
import { ApiSource } from '../../../../../examples/proxy/sources/api/source.js'
import { readOnce } from '../../../../../examples/proxy/sources/once.js'
import type { ObjectNotice, ObjectSource } from '../../../../../examples/proxy/sources/types.js'
import { openPlane, type Plane, type PlaneEvent } from '../../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../../src/testing.js'
import { apiService, apiSlice, event, events, list, refusal, ScriptedApi, type ApiRequest } from '../../../../support/api-server.js'

const FAST = {
  client: { qps: 1000, burst: 1000 },
  reflector: { backoff: { firstMs: 20, maxMs: 40, resetMs: 1000 } },
  recorder: { qps: -1, firstPauseMs: 1, maxPauseMs: 1 }
}

/** A proxy that reads a scripted server, and what it logs. */
async function run(api: ScriptedApi, ...words: string[]): Promise<{ readonly plane: Plane; readonly logged: () => string[] }> {
  const lines: string[] = []
  const options = parseOptions(['--master', api.url, '--listen', 'off', '--node-name', 'here', ...words])
  const plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  const source = new ApiSource(await findAccess(options.api!, {}), 'here', FAST)
  const daemon = new Daemon(plane, source, options, pino({ level: 'warn' }, { write: (line: string) => lines.push(line) }))
  await daemon.start()
  onTestFinished(() => daemon.stop())
  const logged = (): string[] => lines.map((line) => (JSON.parse(line) as { msg: string }).msg)
  return { plane, logged }
}

async function until(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 8000, interval: 10 })
}

interface Told {
  readonly type: string
  readonly reason: string
  readonly note: string
  readonly regarding: { readonly kind: string; readonly name: string; readonly uid?: string }
}

/** The Events that were made, of all reasons or of one. */
function toldTo(api: ScriptedApi, reason?: string): Told[] {
  const all = api.asked('create Event').map(({ body }) => body as Told)
  return reason === undefined ? all : all.filter((told) => told.reason === reason)
}

function labelled(name: string, version: number, scheduler: string, address = '10.96.0.1'): object {
  const service = apiService(name, version, address)
  const metadata = { ...(service['metadata'] as object), labels: { 'netplane/scheduler': scheduler } }
  return { ...service, metadata }
}

it('tells the Node that it has started', async () => {
  const api = await ScriptedApi.start()
  await run(api)
  await until(() => expect(toldTo(api)).toHaveLength(1))
  expect(toldTo(api)[0]).toMatchObject({ type: 'Normal', reason: 'Starting', regarding: { kind: 'Node', name: 'here', uid: 'here' } })
})

it('tells a Service that cannot be served, once, and again as a series of that Event while others change', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [labelled('web', 3, 'nonsense'), apiService('b', 4, '10.96.0.2')]))
  let write: ((text: string) => void) | undefined
  api.script('watch Service', (response, request) => {
    events([])(response, request)
    write = (text) => void response.write(`${text}\n`)
  })
  const { plane } = await run(api)
  const told = (): Told[] => toldTo(api, 'FailedToProgramService')
  await until(() => expect([told().length, write === undefined]).toEqual([1, false]))
  const note = expect.stringMatching(/^Port 80 is not served: .*nonsense.*\.$/) as string
  expect(told()[0]).toMatchObject({ type: 'Warning', note, regarding: { kind: 'Service', name: 'web', uid: 'uid-web' } })
  for (const version of [11, 12]) {
    write!(JSON.stringify(event('MODIFIED', apiService('b', version, `10.96.0.${version}`))))
    const seen = version - 9
    await until(() => expect(api.asked('patch Event').at(-1)?.body).toMatchObject({ series: { count: seen } }))
  }
  expect([told().length, plane.status().services]).toEqual([1, 1])
})

it('serves external addresses out of the allowed ranges alone, and tells the Services that have others', async () => {
  const api = await ScriptedApi.start()
  const service = apiService('web', 3)
  const spec = { ...(service['spec'] as object), externalIPs: ['203.0.113.7', '198.51.100.1', '198.51.100.2'] }
  api.script('list Service', list('Service', '10', [{ ...service, spec }, apiService('b', 4, '10.96.0.2')]))
  const { plane, logged } = await run(api, '--external-ip-ranges', '203.0.113.0/24')
  await until(() => expect(toldTo(api, 'ExternalAddressRefused')).toHaveLength(1))
  expect(toldTo(api, 'ExternalAddressRefused')[0]).toMatchObject({
    type: 'Warning',
    note: 'Not served, as the ranges for external addresses do not have them: 198.51.100.1, 198.51.100.2.',
    regarding: { kind: 'Service', name: 'web' }
  })
  expect(logged()).toEqual(['external addresses are not allowed'])
  await until(() => expect(plane.status()).toMatchObject({ services: 2, quarantined: [] }))
})

it('tells a Service whose health check port is taken, and an object that cannot be read', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, resolve))
  onTestFinished(() => void other.close())
  const { port } = other.address() as AddressInfo
  const api = await ScriptedApi.start()
  const service = apiService('lb', 3)
  const spec = { ...(service['spec'] as object), type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: port }
  api.script('list Service', list('Service', '10', [{ ...service, spec }]))
  api.script('list EndpointSlice', list('EndpointSlice', '10', [{ ...apiSlice('lb', 5), endpoints: 7 }]))
  await run(api)
  await until(() => expect(toldTo(api)).toHaveLength(3))
  expect(toldTo(api, 'FailedToStartServiceHealthcheck')).toMatchObject([
    {
      type: 'Warning',
      regarding: { kind: 'Service', name: 'lb' },
      note: expect.stringContaining(`port ${port}, and may leave this node: listen EADDRINUSE`) as string
    }
  ])
  expect(toldTo(api, 'InvalidObject')).toMatchObject([
    {
      type: 'Warning',
      regarding: { kind: 'EndpointSlice', name: 'lb-abcde' },
      note: expect.stringContaining('endpoints is no list.') as string
    }
  ])
})

it('serves on where Events are not taken, and says so once', async () => {
  const api = await ScriptedApi.start()
  const forbidden = refusal(403, 'Forbidden', 'events.events.k8s.io is forbidden')
  api.script('create Event', forbidden, forbidden, forbidden)
  api.script('list Service', list('Service', '10', [labelled('web', 3, 'nonsense'), apiService('b', 4, '10.96.0.2')]))
  const { plane, logged } = await run(api)
  await until(() => expect([plane.status().services, logged().includes('Events are not sent')]).toEqual([1, true]))
  await until(() => expect(api.asked('create Event').length).toBeGreaterThan(1))
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(logged().filter((line) => line === 'Events are not sent')).toHaveLength(1)
  // One for each namespace: that of the Service, and `default` for the Node.
  expect(new Set(api.asked('create Event').map(({ path }) => path)).size).toBe(2)
  expect(api.asked('create Event')).toHaveLength(2)
})

it('tells nobody anything where one thing alone is wanted', async () => {
  const api = await ScriptedApi.start()
  api.script('list EndpointSlice', list('EndpointSlice', '10', [{ ...apiSlice('lb', 5), endpoints: 7 }]))
  const source = new ApiSource(await findAccess({ kubeconfig: undefined, master: api.url }, {}), 'here', FAST)
  expect((await readOnce(source)).problems).toHaveLength(1)
  expect(api.requests.every(({ method }: ApiRequest) => method === 'GET')).toBe(true)
})

/** A reporter for the Service `shop/web`, and what it reports. */
function reporter(): { readonly reporter: Reporter; readonly notices: ObjectNotice[] } {
  const notices: ObjectNotice[] = []
  const service = { kind: 'Service', metadata: { name: 'web', namespace: 'shop' } } as const
  const source = { report: (notice) => void notices.push(notice) } as Partial<ObjectSource> as ObjectSource
  return { reporter: new Reporter(source, (name) => (name.startsWith('shop/web') ? service : undefined), 'here'), notices }
}

it('reports all ports of a Service together, in one order, and none of a Service that is gone', () => {
  const { reporter: one, notices } = reporter()
  const quarantined = ['shop/web:http', 'shop/gone:http', 'shop/web:dns'].map((service) => ({ service, error: new Error('no memory') }))
  one.quarantined(quarantined)
  one.quarantined(quarantined.toReversed())
  const note = 'Port dns is not served: no memory. Port http is not served: no memory.'
  expect(notices.map((notice) => [notice.reason, notice.note])).toEqual([
    ['FailedToProgramService', note],
    ['FailedToProgramService', note]
  ])
})

it('reports thousands of ports of one Service in no time', () => {
  const { reporter: one, notices } = reporter()
  const error = new Error('no memory')
  const began = performance.now()
  one.quarantined(Array.from({ length: 30_000 }, (_, index) => ({ service: `shop/web:${index}`, error })))
  expect(performance.now() - began).toBeLessThan(1000)
  expect(notices).toHaveLength(1)
})

it('reports a local process that waits at a node port, and no other event of a plane', () => {
  const { reporter: one, notices } = reporter()
  const taken: PlaneEvent = { type: 'portTaken', protocol: 'tcp', port: 30_080, address: '0.0.0.0', service: 'shop/web:http' }
  for (const each of [taken, { ...taken, service: 'shop/gone:http' }, { type: 'drift', objects: [] } as const]) one.event(each)
  one.takenPorts([taken])
  const note = 'A local process waits at TCP port 30080 of 0.0.0.0, and is not reached: the node port leads to this Service.'
  const told = { type: 'Warning', reason: 'NodePortTaken', object: { metadata: { name: 'web' } }, note }
  expect(notices).toMatchObject([told, told])
})

it('reports nothing to a source that has nobody to tell', () => {
  const one = new Reporter({} as ObjectSource, () => expect.fail('nobody asks'), 'here')
  one.started()
  one.quarantined([{ service: 'shop/web:http', error: new Error('no memory') }])
})
