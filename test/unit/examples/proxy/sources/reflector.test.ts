import { gzipSync } from 'node:zlib'
import { expect, it, onTestFinished, vi } from 'vitest'
import { ApiClient } from '../../../../../examples/proxy/sources/api/client.js'
import { CLIENT_DEFAULTS } from '../../../../../examples/proxy/sources/api/rate.js'
import { Reflector, REFLECTOR_DEFAULTS, type ReflectorOptions } from '../../../../../examples/proxy/sources/api/reflector.js'
import { resourcesOf } from '../../../../../examples/proxy/sources/api/resources.js'
import { findAccess } from '../../../../../examples/proxy/sources/access/find.js'
import type { ObjectChange } from '../../../../../examples/proxy/sources/types.js'
import { answer, apiService, bookmark, event, events, list, refusal, ScriptedApi, type ApiAnswer } from '../../../../support/api-server.js'

const RESOURCES = resourcesOf('here')
const SERVICES = RESOURCES[0]!
/** What the proxy can do without. */
const RANGES = RESOURCES.find(({ isOptional }) => isOptional)!

interface Seen {
  readonly reflector: Reflector
  /** Batches of changes, each as `name=version` or `-name`. */
  readonly told: string[][]
  readonly errors: string[]
  /** The problems at each time that something was told. */
  readonly news: string[][]
  /** What the proxy holds now, by name. */
  readonly now: Map<string, string>
}

function describe({ key, object }: ObjectChange): string {
  const name = key.split('/')[1]!
  return object === undefined ? `-${name}` : `${name}=${(object.metadata as unknown as { resourceVersion: string }).resourceVersion}`
}

/** Reads the Services of a server, or other objects, with pauses that fit a test. */
async function reflect(api: ScriptedApi, options: Partial<ReflectorOptions> = {}, resource = SERVICES): Promise<Seen> {
  const access = await findAccess({ kubeconfig: undefined, master: api.url }, {})
  const client = new ApiClient(access, { ...CLIENT_DEFAULTS, qps: 1000, burst: 1000, answerMs: 900 })
  const backoff = { firstMs: 10, maxMs: 40, resetMs: 1000 }
  const reflector = new Reflector(client, resource, { ...REFLECTOR_DEFAULTS, backoff, ...options })
  const seen: Seen = { reflector, told: [], errors: [], news: [], now: new Map() }
  reflector.start({
    told: (changes) => {
      seen.news.push(reflector.problems.map(({ reason }) => reason))
      if (changes.length > 0) seen.told.push(changes.map(describe))
      for (const change of changes) {
        const name = change.key.split('/')[1]!
        if (change.object === undefined) seen.now.delete(name)
        else seen.now.set(name, describe(change).split('=')[1]!)
      }
    },
    failed: (error) => seen.errors.push(error.message)
  })
  onTestFinished(async () => {
    await reflector.close()
    await client.close()
  })
  return seen
}

async function until(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 5000, interval: 5 })
}

it('lists what kube-proxy selects, from the memory of the server, and watches from there with bookmarks', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  const { now } = await reflect(api)
  await until(() => expect(api.asked('watch Service')).toHaveLength(1))
  expect([...now]).toEqual([['a', '3']])
  const selectors = { labelSelector: '!service.kubernetes.io/service-proxy-name', fieldSelector: 'spec.clusterIP!=None' }
  expect(api.requests[0]!.query).toEqual({ limit: '500', resourceVersion: '0', ...selectors })
  expect(api.requests[0]!.headers).toMatchObject({ accept: 'application/vnd.kubernetes.protobuf,application/json' })
  const { timeoutSeconds, ...query } = api.asked('watch Service')[0]!.query
  expect(query).toEqual({ watch: '1', allowWatchBookmarks: 'true', resourceVersion: '10', ...selectors })
  expect(Number(timeoutSeconds)).toBeGreaterThanOrEqual(300)
  expect(Number(timeoutSeconds)).toBeLessThan(600)
})

it('reads a list page by page, and tells all of it at once', async () => {
  const api = await ScriptedApi.start()
  api.script(
    'list Service',
    list('Service', '10', [apiService('a', 1), apiService('b', 2)], 'token-1'),
    list('Service', '10', [apiService('c', 3)], 'token-2'),
    list('Service', '10', [apiService('d', 4)])
  )
  const { told } = await reflect(api, { pageSize: 2 })
  await until(() => expect(told).toEqual([['a=1', 'b=2', 'c=3', 'd=4']]))
  const pages = api.asked('list Service').map(({ query }) => [query['limit'], query['continue'], query['resourceVersion']])
  expect(pages).toEqual([
    ['2', undefined, '0'],
    ['2', 'token-1', undefined],
    ['2', 'token-2', undefined]
  ])
})

it('reads the list in one piece where a page has expired', async () => {
  const api = await ScriptedApi.start()
  const expired = refusal(410, 'Expired', 'The provided continue parameter is too old')
  api.script('list Service', list('Service', '10', [apiService('a', 1)], 'token-1'), expired, list('Service', '12', [apiService('b', 11)]))
  const { told, errors } = await reflect(api)
  await until(() => expect(told).toEqual([['b=11']]))
  expect(api.asked('list Service').map(({ query }) => [query['limit'], query['continue']])[2]).toEqual([undefined, undefined])
  expect(errors).toEqual([])
})

it('follows events, and goes on from the last version after the server has ended a watch', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3), apiService('b', 4)]))
  api.script(
    'watch Service',
    events([event('ADDED', apiService('c', 11)), event('MODIFIED', apiService('a', 12)), event('DELETED', apiService('b', 13))], 'end'),
    events([event('MODIFIED', apiService('c', 20))])
  )
  const { now, errors } = await reflect(api)
  await until(() => expect(Object.fromEntries(now)).toEqual({ a: '12', c: '20' }))
  expect(api.asked('watch Service').map(({ query }) => query['resourceVersion'])).toEqual(['10', '13'])
  expect(api.asked('list Service')).toHaveLength(1)
  expect(errors).toEqual([])
})

it('goes on from a bookmark', async () => {
  const api = await ScriptedApi.start()
  api.script('watch Service', events([bookmark('Service', '500')], 'end'))
  await reflect(api)
  await until(() => expect(api.asked('watch Service').map(({ query }) => query['resourceVersion'])).toEqual(['1', '500']))
})

it('lists anew, and the newest, where a version is too old: as an answer and as an event', async () => {
  for (const [name, gone] of [
    ['answer', refusal(410, 'Expired', 'too old resource version: 10 (900)')],
    ['event', events([event('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' })], 'end')]
  ] as readonly [string, ApiAnswer][]) {
    const api = await ScriptedApi.start()
    api.script(
      'list Service',
      list('Service', '10', [apiService('a', 3), apiService('b', 4)]),
      list('Service', '900', [apiService('b', 4), apiService('c', 800)])
    )
    api.script('watch Service', gone)
    const { told, errors } = await reflect(api)
    await until(() => expect(api.asked('watch Service'), name).toHaveLength(2))
    // What did not change is not told again.
    expect(told, name).toEqual([
      ['a=3', 'b=4'],
      ['-a', 'c=800']
    ])
    expect(api.asked('list Service').map(({ query }) => query['resourceVersion'])).toEqual(['0', undefined])
    expect(api.asked('watch Service')[1]!.query['resourceVersion']).toBe('900')
    expect(errors).toEqual([])
  }
})

it('goes on from the last version after a connection was cut, within a line, too', async () => {
  const api = await ScriptedApi.start()
  const half = JSON.stringify(event('ADDED', apiService('b', 12))).slice(0, 60)
  api.script('watch Service', (response, request) => {
    events([event('ADDED', apiService('a', 11))])(response, request)
    response.write(half, () => setTimeout(() => response.socket?.destroy(), 30))
  })
  api.script('watch Service', events([event('ADDED', apiService('b', 12))]))
  const { now, errors } = await reflect(api)
  await until(() => expect(Object.fromEntries(now)).toEqual({ a: '11', b: '12' }))
  expect(api.asked('watch Service').map(({ query }) => query['resourceVersion'])).toEqual(['1', '11'])
  expect(errors).toEqual([])
})

it('takes a silent watch for dead, and goes on from the last version', async () => {
  const api = await ScriptedApi.start()
  api.script('watch Service', events([event('ADDED', apiService('a', 11))]), events([event('ADDED', apiService('b', 12))]))
  const { now } = await reflect(api, { silenceMs: 300 })
  await until(() => expect(Object.fromEntries(now)).toEqual({ a: '11', b: '12' }))
  expect(api.asked('list Service')).toHaveLength(1)
  expect(api.asked('watch Service')[1]!.query['resourceVersion']).toBe('11')
})

it('asks again where nothing answers, and says so', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', () => undefined, list('Service', '10', [apiService('a', 3)]))
  const { now, errors, reflector } = await reflect(api)
  await until(() => expect(now.size).toBe(1))
  expect(errors).toEqual(['Headers Timeout Error'])
  await until(() => expect(reflector.error).toBeUndefined())
})

it('keeps what it knows while the server is away, and goes on when it is back', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  api.script(
    'watch Service',
    refusal(500, 'InternalError', 'etcd is away'),
    answer(503, 'no leader'),
    events([event('ADDED', apiService('b', 11))])
  )
  const { now, errors, reflector } = await reflect(api)
  await until(() => expect(Object.fromEntries(now)).toEqual({ a: '3', b: '11' }))
  expect(errors).toEqual(['GET /api/v1/services: 500: etcd is away', 'GET /api/v1/services: 503: "no leader"'])
  expect(reflector.error).toBeUndefined()
  expect(api.asked('list Service')).toHaveLength(1)
  await api.stop()
  await until(() => expect(reflector.error?.message).toContain('ECONNREFUSED'))
  expect(Object.fromEntries(now)).toEqual({ a: '3', b: '11' })
})

it('waits as long as Retry-After asks', async () => {
  const api = await ScriptedApi.start()
  api.script(
    'list Service',
    refusal(429, 'TooManyRequests', 'too many requests', { 'retry-after': '1' }),
    list('Service', '10', [apiService('a', 3)])
  )
  const began = performance.now()
  const { now } = await reflect(api, { random: () => 0 })
  await until(() => expect(now.size).toBe(1))
  const passedMs = performance.now() - began
  // The pause without the header is 10 ms.
  expect(passedMs).toBeGreaterThan(990)
  expect(passedMs).toBeLessThan(2500)
})

it('does not take HTML for an answer', async () => {
  const api = await ScriptedApi.start()
  const page = answer(200, '<html>sign in</html>', { 'content-type': 'text/html; charset=utf-8' })
  api.script('list Service', page, list('Service', '10', [apiService('a', 3)]))
  api.script('watch Service', page, events([event('ADDED', apiService('b', 11))]))
  const { now, errors } = await reflect(api)
  await until(() => expect(Object.fromEntries(now)).toEqual({ a: '3', b: '11' }))
  const message = 'GET /api/v1/services: the answer is text/html; charset=utf-8, and neither JSON nor protobuf: "<html>sign in</html>"'
  expect(errors).toEqual([message, message])
})

it('passes over what comes twice or late', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  const disorder = [
    event('ADDED', apiService('a', 3)),
    event('MODIFIED', apiService('a', 12)),
    event('MODIFIED', apiService('a', 11)),
    event('MODIFIED', apiService('a', 12)),
    // Of another object, an earlier version is news.
    event('ADDED', apiService('b', 9)),
    event('DELETED', apiService('b', 14)),
    event('MODIFIED', apiService('b', 13)),
    // It was deleted before it was made again.
    event('ADDED', apiService('c', 16)),
    event('DELETED', apiService('c', 15)),
    event('DELETED', apiService('nobody', 17)),
    // As numbers, not as texts.
    event('MODIFIED', apiService('a', 100))
  ]
  api.script('watch Service', events(disorder, 'end'))
  const { told } = await reflect(api)
  await until(() => expect(api.asked('watch Service')).toHaveLength(2))
  expect(told).toEqual([['a=3'], ['a=12', 'b=9', '-b', 'c=16', 'a=100']])
  expect(api.asked('watch Service')[1]!.query['resourceVersion']).toBe('100')
})

it('lists anew where an event cannot be understood, after those before it', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', []), list('Service', '20', [apiService('a', 11), apiService('b', 12)]))
  api.script('watch Service', events([event('ADDED', apiService('a', 11)), '{"type":"ADDED","object":{'], 'end'))
  const { told, errors } = await reflect(api)
  await until(() => expect(told).toEqual([['a=11'], ['b=12']]))
  expect(errors).toHaveLength(1)
  expect(errors[0]).toContain('an event is no JSON')
})

it.each([
  ['at once', events([], 'end')],
  ['within its first event', answer(200, '{"type":"ADDED","object":{')]
])('pauses where the server ends each watch %s', async (_, ends) => {
  const api = await ScriptedApi.start()
  api.script('watch Service', ...Array.from({ length: 1000 }, () => ends))
  const { errors } = await reflect(api, { backoff: { firstMs: 50, maxMs: 400, resetMs: 1000 } })
  await new Promise((resolve) => setTimeout(resolve, 500))
  // Without pauses there are hundreds; with them 50, 100 and 200 ms pass, or up to twice of that.
  expect(api.asked('watch Service').length).toBeLessThanOrEqual(4)
  expect(errors[0]).toBe('GET /api/v1/services: the watch ended at once')
})

it('keeps an object of a wrong shape as it was, and names it', async () => {
  const api = await ScriptedApi.start()
  let write: ((event: unknown) => void) | undefined
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  api.script('watch Service', (response, request) => {
    events([])(response, request)
    write = (line) => void response.write(`${JSON.stringify(line)}\n`)
  })
  const { told, news, reflector } = await reflect(api)
  await until(() => expect(write).toBeDefined())
  write!(event('MODIFIED', { ...apiService('a', 12), spec: { ports: 'none' } }))
  await until(() => expect(news.at(-1)).toEqual(['Service shop/a: spec.ports is no list']))
  expect(told).toEqual([['a=3']])
  write!(event('MODIFIED', apiService('a', 13)))
  await until(() => expect(told).toEqual([['a=3'], ['a=13']]))
  expect(reflector.problems).toEqual([])
})

it('keeps of an object only what a proxy reads', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  const objects: unknown[] = []
  const client = new ApiClient(await findAccess({ kubeconfig: undefined, master: api.url }, {}))
  const reflector = new Reflector(client, SERVICES)
  reflector.start({ told: (changes) => objects.push(...changes.map(({ object }) => object)), failed: () => undefined })
  await until(() => expect(objects).toHaveLength(1))
  await reflector.close()
  await client.close()
  expect(objects).toEqual([
    {
      kind: 'Service',
      metadata: { name: 'a', namespace: 'shop', uid: 'uid-a', resourceVersion: '3', labels: {}, annotations: {} },
      spec: { type: 'ClusterIP', clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [{ protocol: 'TCP', port: 80 }] },
      status: { loadBalancer: {} }
    }
  ])
})

it('ends at once, also with a watch open and while it waits', async () => {
  const api = await ScriptedApi.start()
  const { reflector } = await reflect(api)
  await until(() => expect(api.asked('watch Service')).toHaveLength(1))
  const began = performance.now()
  await reflector.close()
  expect(performance.now() - began).toBeLessThan(500)
  const away = await ScriptedApi.start()
  await away.stop()
  const waiting = await reflect(away, { backoff: { firstMs: 60_000, maxMs: 60_000, resetMs: 1000 } })
  await until(() => expect(waiting.errors).toHaveLength(1))
  await waiting.reflector.close()
})

it('lists anew where a server cannot read the version that another one gave', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', 'abc', [apiService('a', 3)]), list('Service', '10', [apiService('a', 3)]))
  api.script('watch Service', refusal(400, 'BadRequest', 'Invalid value: "abc": strconv.ParseUint'))
  await reflect(api)
  await until(() => expect(api.asked('watch Service').map(({ query }) => query['resourceVersion'])).toEqual(['abc', '10']))
})

const PACKED = { 'content-type': 'application/json', 'content-encoding': 'gzip' }

/** An answer that is packed, and then changed. */
function packed(body: unknown, change: (bytes: Buffer) => Buffer = (bytes) => bytes): ApiAnswer {
  return (response) => void response.writeHead(200, PACKED).end(change(gzipSync(JSON.stringify(body))))
}

const manyServices = (count: number): unknown[] => Array.from({ length: count }, (_, index) => apiService(`s${index}`, index + 1))
const serviceList = (items: unknown[]): object => ({ kind: 'ServiceList', apiVersion: 'v1', metadata: { resourceVersion: '10' }, items })

it('takes lists packed, and asks for events as they are', async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', packed(serviceList(manyServices(20_000))))
  api.script('watch Service', events([event('ADDED', apiService('b', 11))]))
  const { now, errors } = await reflect(api)
  await until(() => expect(now.get('b')).toBe('11'))
  expect(now.size).toBe(20_001)
  expect(errors).toEqual([])
  expect(api.asked('list Service')[0]!.headers['accept-encoding']).toBe('gzip')
  expect(api.asked('watch Service')[0]!.headers['accept-encoding']).toBe('identity')
})

it('reads a refusal that is packed', async () => {
  const api = await ScriptedApi.start()
  const status = { kind: 'Status', message: 'not today', reason: 'Forbidden', code: 403 }
  api.script('list Service', (response) => void response.writeHead(403, PACKED).end(gzipSync(JSON.stringify(status))))
  const { now, errors } = await reflect(api)
  await until(() => expect(now.size + errors.length).toBeGreaterThan(0))
  expect(errors).toEqual(['GET /api/v1/services: 403: not today'])
})

const BROKEN: readonly (readonly [what: string, change: (bytes: Buffer) => Buffer, says: RegExp])[] = [
  ['ends too early', (bytes) => bytes.subarray(0, -100), /unexpected end of file/],
  ['is not packed at all', () => Buffer.from('{"kind":"ServiceList"}'), /incorrect header check/],
  ['is empty', () => Buffer.alloc(0), /unexpected end of file|Unexpected end of JSON input/]
]

it.each(BROKEN)('asks again where a packed list %s', async (_, change, says) => {
  const api = await ScriptedApi.start()
  const items = manyServices(1000)
  api.script('list Service', packed(serviceList(items), change), packed(serviceList(items)))
  const { now, errors, reflector } = await reflect(api)
  await until(() => expect(now.size).toBe(1000))
  expect(errors).toEqual([expect.stringMatching(says)])
  expect(reflector.error).toBeUndefined()
})

it('ends a packed list that stops in the middle', async () => {
  const api = await ScriptedApi.start()
  const bytes = gzipSync(JSON.stringify(serviceList(manyServices(1000))))
  api.script('list Service', (response) => void response.writeHead(200, PACKED).write(bytes.subarray(0, 1000)), packed(serviceList([])))
  const { errors, reflector } = await reflect(api)
  await until(() => expect(reflector.hasSynced).toBe(true))
  expect(errors).toEqual(['Body Timeout Error'])
})

const range = { metadata: { name: 'first', resourceVersion: '3' }, spec: { cidrs: ['10.96.0.0/16'] } }
/** What a server answers to a right that it does not know. */
const forbidden = refusal(403, 'Forbidden', 'servicecidrs is forbidden')

it('keeps what it can do without where a server refuses it for a moment, as one does that has just started', async () => {
  const api = await ScriptedApi.start()
  api.script('list ServiceCIDR', list('ServiceCIDR', '10', [range]))
  api.script('watch ServiceCIDR', forbidden, answer(404, '404 page not found'), events([]))
  const { now, told, errors, reflector } = await reflect(api, {}, RANGES)
  await until(() => expect(api.asked('watch ServiceCIDR').length).toBeGreaterThan(2))
  await until(() => expect(reflector.error).toBeUndefined())
  expect([...now]).toEqual([['first', '3']])
  expect(told).toEqual([['first=3']])
  expect(errors).toEqual([expect.stringContaining('403'), expect.stringContaining('404')])
  expect(api.asked('list ServiceCIDR')).toHaveLength(1)
})

it('does without what a server refuses for long, and asks again later each time', async () => {
  const api = await ScriptedApi.start()
  api.script('list ServiceCIDR', list('ServiceCIDR', '10', [range]), forbidden, forbidden, list('ServiceCIDR', '11', [range]))
  api.script('watch ServiceCIDR', ...Array.from({ length: 100 }, () => forbidden))
  const absent = { firstMs: 50, maxMs: 1000, resetMs: 10_000 }
  const { told } = await reflect(api, { startingMs: 100, absent, random: () => 0 }, RANGES)
  await until(() => expect(told[1]).toEqual(['-first']))
  const gone = performance.now()
  await until(() => expect(told[2]).toEqual(['first=3']))
  // 50 ms, 100 ms and 200 ms.
  expect(performance.now() - gone).toBeGreaterThan(300)
})
