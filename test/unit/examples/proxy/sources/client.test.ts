import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { ApiClient } from '../../../../../examples/proxy/sources/api/client.js'
import { CLIENT_DEFAULTS, type ApiClientOptions } from '../../../../../examples/proxy/sources/api/rate.js'
import { findAccess } from '../../../../../examples/proxy/sources/access/find.js'
import type { Identity } from '../../../../../examples/proxy/sources/access/types.js'
import type { ProgramCertificate, RequestMeasure } from '../../../../../examples/proxy/sources/types.js'
import { answer, refusal, ScriptedApi } from '../../../../support/api-server.js'
import { makeSelfSigned } from '../../../../support/certificates.js'
import { makeFolder } from '../../../../support/manifests.js'

const { signal } = new AbortController()
const ignore = (): void => undefined
const SERVICES = { path: '/api/v1/services', kind: 'Service' } as const
const EVENTS = '/apis/events.k8s.io/v1/namespaces/shop/events'

async function clientOf(api: ScriptedApi, options: Partial<ApiClientOptions> = {}): Promise<ApiClient> {
  const access = await findAccess({ kubeconfig: undefined, master: api.url }, {})
  const client = new ApiClient(access, { ...CLIENT_DEFAULTS, ...options })
  onTestFinished(() => client.close())
  return client
}

it('says in each request who asks: the version of the package and the platform, or what it is told to say', async () => {
  const api = await ScriptedApi.start()
  const { version } = JSON.parse(readFileSync(new URL('../../../../../package.json', import.meta.url), 'utf8')) as { version: string }
  for (const client of [await clientOf(api), await clientOf(api, { userAgent: 'other/2' })]) {
    await client.list(SERVICES, {}, signal, ignore)
    await client.create(EVENTS, {}, signal)
  }
  const own = `netplane-proxy/${version} (${process.platform}/${process.arch})`
  expect(api.requests.map(({ headers }) => headers['user-agent'])).toEqual([own, own, 'other/2', 'other/2'])
})

it('makes and changes objects, and counts how it was answered', async () => {
  const api = await ScriptedApi.start()
  const client = await clientOf(api)
  await client.create(EVENTS, { kind: 'Event' }, signal)
  await client.patch(`${EVENTS}/a`, { series: { count: 2 } }, signal)
  expect(api.requests.map(({ method, path, headers, body }) => [method, path, headers['content-type'], body])).toEqual([
    ['POST', EVENTS, 'application/json', { kind: 'Event' }],
    ['PATCH', `${EVENTS}/a`, 'application/merge-patch+json', { series: { count: 2 } }]
  ])
  expect(client.requests.map(({ method, code, count }) => [method, code, count])).toEqual([
    ['POST', '201', 1],
    ['PATCH', '200', 1]
  ])
})

it('tells what requests take, but of watches only how long they wait for their turn', async () => {
  const api = await ScriptedApi.start()
  const told: RequestMeasure[] = []
  const access = await findAccess({ kubeconfig: undefined, master: api.url }, {})
  const client = new ApiClient(access, { ...CLIENT_DEFAULTS, qps: 20, burst: 1 }, { measured: (measure) => told.push(measure) })
  onTestFinished(() => client.close())
  const take = (): [string, number][] => {
    const all = told.splice(0)
    for (const { host } of all) expect(host).toBe(new URL(api.url).host)
    return all.map(({ what, verb, value }) => [`${verb} ${what}`, value])
  }
  const list = await client.list(SERVICES, {}, signal, ignore)
  const seconds = expect.toSatisfy((value: number) => value > 0 && value < 10) as number
  expect(take()).toEqual([
    ['GET waitSeconds', 0],
    ['GET sentBytes', 0],
    ['GET receivedBytes', JSON.stringify(list).length],
    ['GET durationSeconds', seconds]
  ])
  await client.create(EVENTS, { kind: 'Event' }, signal)
  expect(take().slice(0, 1)).toEqual([['POST sentBytes', '{"kind":"Event"}'.length]])
  api.script('watch Service', refusal(410, 'Expired', 'too old'))
  await expect(client.watch(SERVICES, { watch: 'true' }, 1000, signal)).rejects.toThrow('410')
  expect(take()).toEqual([['GET waitSeconds', seconds]])
  api.script('create Event', refusal(403, 'Forbidden', 'forbidden'))
  await expect(client.create(EVENTS, {}, signal)).rejects.toThrow('403')
  expect(take().map(([what]) => what)).toEqual(['POST sentBytes', 'POST receivedBytes', 'POST durationSeconds'])
  const given = AbortSignal.abort()
  await expect(client.create(EVENTS, {}, given)).rejects.toThrow()
  expect(take()).toEqual([])
})

it('names in an error what was asked, and tells a namespace that is going from a right that is missing', async () => {
  const api = await ScriptedApi.start()
  const client = await clientOf(api)
  const causes = [{ reason: 'NamespaceTerminating', message: 'namespace shop is being terminated', field: 'metadata.namespace' }]
  const terminating = { kind: 'Status', message: 'forbidden: it is being terminated', reason: 'Forbidden', details: { causes } }
  api.script(
    'create Event',
    refusal(403, 'Forbidden', 'events.events.k8s.io is forbidden'),
    answer(403, terminating),
    answer(201, 'no JSON', { 'content-type': 'text/html' })
  )
  api.script('patch Event', refusal(404, 'NotFound', 'events "a" not found'))
  const right = {
    message: `POST ${EVENTS}: 403: events.events.k8s.io is forbidden`,
    status: 403,
    reason: 'Forbidden',
    isTerminating: false
  }
  await expect(client.create(EVENTS, {}, signal)).rejects.toMatchObject(right)
  await expect(client.create(EVENTS, {}, signal)).rejects.toMatchObject({ status: 403, isTerminating: true })
  await expect(client.create(EVENTS, {}, signal)).rejects.toThrow(`POST ${EVENTS}: the answer is text/html, and neither JSON nor protobuf`)
  await expect(client.patch(`${EVENTS}/a`, {}, signal)).rejects.toMatchObject({
    message: `PATCH ${EVENTS}/a: 404: events "a" not found`,
    status: 404
  })
})

it('never lets lists wait for what is written', async () => {
  const api = await ScriptedApi.start()
  const client = await clientOf(api, { qps: 0.01, burst: 1 })
  for (let index = 0; index < 5; index++) await client.create(EVENTS, {}, signal)
  const began = performance.now()
  await client.list(SERVICES, {}, signal, ignore)
  expect(performance.now() - began).toBeLessThan(5000)
  expect(api.requests).toHaveLength(6)
})

it('tells of certificates that a program gives, once each, and how old the ones were that they replace', async () => {
  const api = await ScriptedApi.start()
  const folder = await makeFolder()
  const certificate = (name: string, days: number): { cert: string; key: string } => {
    makeSelfSigned(folder, name, days)
    const read = (ending: string): string => readFileSync(join(folder, `${name}.${ending}`), 'utf8')
    return { cert: read('crt'), key: read('key') }
  }
  const [first, second] = [certificate('first', 1), certificate('second', 2)]
  let shown: Identity = { ...first, isFromProgram: true }
  const access = { ...(await findAccess({ kubeconfig: undefined, master: api.url }, {})), identify: () => Promise.resolve(shown) }
  const told: ProgramCertificate[] = []
  const client = new ApiClient(access, CLIENT_DEFAULTS, { certified: (one) => told.push(one) })
  onTestFinished(() => client.close())
  const ask = (): Promise<unknown> => client.list(SERVICES, {}, signal, ignore)
  await ask()
  await ask()
  const inDays = (days: number): number => expect.closeTo(Date.now() + days * 86_400_000, -5) as number
  expect(told).toEqual([{ endsAtMs: inDays(1), replacedAfterSeconds: undefined }])
  shown = { ...second, isFromProgram: true }
  await ask()
  expect(told.slice(1)).toEqual([{ endsAtMs: inDays(2), replacedAfterSeconds: expect.closeTo(0, -2) as number }])
  // What a file has is nobody's but the file's, and what is no certificate is for TLS to refuse.
  shown = first
  await ask()
  expect(told).toHaveLength(2)
})
