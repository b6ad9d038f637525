import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { ValidationError, type PlaneCounters, type PlaneStatus, type Service, type SyncReport } from '../../../../src/index.js'
import { answerFrom } from '../../../../examples/proxy/pages.js'
import { SyncHistory } from '../../../../examples/proxy/ui/history.js'
import { CONTENT_SECURITY_POLICY, PAGE } from '../../../../examples/proxy/ui/page.js'
import { uiPages } from '../../../../examples/proxy/ui/pages.js'
import type { UiSources } from '../../../../examples/proxy/ui/state.js'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

const service = (number: number): Service => ({
  name: `shop/s${String(number).padStart(5, '0')}:http`,
  protocol: 'tcp',
  frontends: [
    { kind: 'cluster', address: `10.96.${number >> 8}.${number & 255}`, port: 80 },
    { kind: 'node', port: 30_080, trafficPolicy: 'local' }
  ],
  endpoints: [
    { address: '10.244.0.1', port: 8080, local: true },
    { address: '10.244.0.2', port: 8080, weight: 3, state: 'draining' }
  ]
})
const catalog = (count: number): Map<string, Service> =>
  new Map(Array.from({ length: count }, (_, index) => [service(index).name, service(index)]))

const REFUSED = { service: 'shop/bad:http', error: new ValidationError('protocol', 'ICMP', 'tcp, udp or sctp') }
const STATUS: PlaneStatus = { services: 2, quarantined: [REFUSED], drifts: 4, details: { mode: 'nftables', generation: 7 } }

/** Of the first endpoint five connections, of the second two; the kernel lists them in another order. */
function counted({ name, endpoints: [first, second] }: Service): ReturnType<PlaneCounters['get']> {
  return {
    service: name,
    connections: 7n,
    endpoints: [
      { endpoint: second!, connections: 2n },
      { endpoint: first!, connections: 5n }
    ]
  }
}

/** The pages of some sources, on a server. */
async function serve(given: Partial<UiSources> = {}): Promise<string> {
  const services = catalog(3)
  const sources: UiSources = {
    nodeName: 'node-a',
    services: () => services,
    status: () => STATUS,
    counters: () => Promise.reject(new Error('not counted')),
    health: () => ({ isHealthy: true, body: { lagMs: 0 } }),
    syncs: () => [],
    ...given
  }
  const pages = uiPages(sources)
  const server = createServer((request, response) => void answerFrom(pages, request, response))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const rowsAt = async (url: string, query = ''): Promise<{ total: number; isCounted: boolean; rows: Record<string, unknown>[] }> =>
  (await (await fetch(`${url}/ui/services${query}`)).json()) as never

/** The states that a browser is told, until the reader is cancelled. */
async function watch(url: string): Promise<{ readonly next: () => Promise<Record<string, unknown>>; readonly stop: () => Promise<void> }> {
  const answer = await fetch(`${url}/ui/events`)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
  const next = async (): Promise<Record<string, unknown>> => {
    const { value } = await reader.read()
    const text = Buffer.from(value!).toString()
    expect(text).toMatch(/^data: .*\n\n$/)
    return JSON.parse(text.slice(6)) as Record<string, unknown>
  }
  return { next, stop: () => reader.cancel() }
}

it('is one page, whose own script and style alone may run', async () => {
  const answer = await fetch(`${await serve()}/ui`)
  expect(await answer.text()).toBe(PAGE)
  expect(answer.headers.get('content-security-policy')).toBe(CONTENT_SECURITY_POLICY)
  for (const [tag, directive] of [
    ['script', 'script-src'],
    ['style', 'style-src']
  ] as const) {
    const text = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(PAGE)![1]!
    expect(CONTENT_SECURITY_POLICY).toContain(`${directive} 'sha256-${createHash('sha256').update(text).digest('base64')}'`)
  }
  // Names come from elsewhere, and no element has a place of its own in the page for a script.
  expect(PAGE).not.toMatch(/innerHTML|outerHTML|insertAdjacent|document\.write|style="|\son\w+=/)
  for (const [, id] of PAGE.matchAll(/(?:byId|show)\('([a-z-]+)'/g)) expect(PAGE).toContain(`id="${id}"`)
})

it('tells the state of the whole at once, and again when it is another one', async () => {
  let drifts = 4
  const { next, stop } = await watch(await serve({ status: () => ({ ...STATUS, drifts }) }))
  expect(await next()).toEqual({
    node: 'node-a',
    mode: 'nftables',
    healthy: true,
    lagMs: 0,
    services: 3,
    drifts: 4,
    quarantined: { count: 1, first: [{ service: 'shop/bad:http', reason: REFUSED.error.message }] },
    draining: { count: 0, first: [] },
    leaving: [],
    takenPorts: 0,
    syncs: []
  })
  drifts = 5
  expect(await next()).toMatchObject({ drifts: 5 })
  await stop()
})

it('reads nothing while nobody watches, and lets 16 watch at a time', async () => {
  const status = vi.fn(() => STATUS)
  const url = await serve({ status })
  const watchers = await Promise.all(Array.from({ length: 16 }, () => watch(url)))
  await Promise.all(watchers.map(({ next }) => next()))
  expect((await fetch(`${url}/ui/events`)).status).toBe(503)
  await Promise.all(watchers.map(({ stop }) => stop()))
  await vi.waitFor(async () => {
    const answer = await fetch(`${url}/ui/events`)
    await answer.body?.cancel()
    expect(answer.status).toBe(200)
  })
  await vi.waitFor(
    async () => {
      const before = status.mock.calls.length
      await new Promise((resolve) => setTimeout(resolve, 1200))
      expect(status.mock.calls.length).toBe(before)
    },
    { timeout: 5000 }
  )
})

it('gives services in the order of their names, with what was counted of each endpoint', async () => {
  const services = catalog(3)
  const counters = (): Promise<PlaneCounters> =>
    Promise.resolve({ get: (name: string) => counted(services.get(name)!) } as unknown as PlaneCounters)
  const { rows, ...head } = await rowsAt(await serve({ services: () => services, counters }), '?from=1&count=1')
  expect(head).toEqual({ total: 3, from: 1, isCounted: true })
  expect(rows).toEqual([
    {
      name: 'shop/s00001:http',
      protocol: 'tcp',
      scheduler: 'random',
      connections: 7,
      frontends: ['cluster 10.96.0.1:80', 'node port 30080 of this node, local'],
      more: 0,
      endpoints: [
        { address: '10.244.0.1:8080', weight: 1, state: 'ready', local: true, connections: 5 },
        { address: '10.244.0.2:8080', weight: 3, state: 'draining', local: false, connections: 2 }
      ]
    }
  ])
})

it('says which services are not served, and where nothing is counted', async () => {
  const bad = { ...service(1), name: 'shop/bad:http' }
  const { isCounted, rows } = await rowsAt(await serve({ services: () => new Map([[bad.name, bad]]) }))
  expect(isCounted).toBe(false)
  expect(rows).toEqual([expect.objectContaining({ name: 'shop/bad:http', reason: REFUSED.error.message })])
  expect(rows[0]).not.toHaveProperty('connections')
})

it('finds services by names and addresses among 10,000', async () => {
  const services = catalog(10_000)
  const url = await serve({ services: () => services })
  expect(await rowsAt(url)).toMatchObject({ total: 10_000, rows: { length: 50 } })
  expect((await rowsAt(url, '?find=s00042')).rows.map(({ name }) => name)).toEqual(['shop/s00042:http'])
  expect((await rowsAt(url, '?find=10.96.39.15:80')).rows.map(({ name }) => name)).toEqual(['shop/s09999:http'])
  expect(await rowsAt(url, '?find=10.244.0.2&count=200')).toMatchObject({ total: 10_000, rows: { length: 200 } })
  expect(await rowsAt(url, '?from=20000')).toMatchObject({ total: 10_000, rows: [] })
})

it.each(['?count=0', '?count=201', '?from=-1', '?from=x', `?find=${'x'.repeat(254)}`])('refuses %j by name', async (query) => {
  const answer = await fetch(`${await serve()}/ui/services${query}`)
  expect([answer.status, ((await answer.json()) as { path: string }).path]).toEqual([400, /\?(\w+)/.exec(query)![1]])
})

it('asks the kernel once for all who ask within a second', async () => {
  const counters = vi.fn(() => Promise.resolve({ get: () => undefined } as unknown as PlaneCounters))
  const url = await serve({ counters })
  await Promise.all(Array.from({ length: 10 }, () => rowsAt(url)))
  expect(counters).toHaveBeenCalledTimes(1)
})

it('only reads', async () => {
  const url = await serve()
  for (const path of ['/ui', '/ui/events', '/ui/services'])
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
      expect((await fetch(url + path, { method })).status, `${method} ${path}`).toBe(405)
})

it('remembers the last 60 syncs that did something', () => {
  const history = new SyncHistory()
  const report = (requests: number): SyncReport =>
    ({ requests, objects: { written: requests, deleted: 0 }, quarantined: [], durationMs: { total: 1.5 } }) as unknown as SyncReport
  for (let requests = 0; requests <= 70; requests++) history.add(report(requests))
  expect(history.notes).toHaveLength(60)
  expect(history.notes.at(-1)).toMatchObject({ milliseconds: 1.5, written: 70, deleted: 0, quarantined: 0 })
})
