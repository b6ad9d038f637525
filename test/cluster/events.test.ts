import { expect, it, onTestFinished } from 'vitest'
import { addressOf } from '../contract/behaviour/network.js'
import { clusterAddress, NODE, NODE_OBJECT, serviceOf, sliceOf } from '../support/kubernetes-services.js'
import { ApiWriter, type ApiObject, type NewObject } from '../support/kubernetes/client.js'
import { useCluster } from '../support/kubernetes/cluster.js'
import { TOKENS } from '../support/kubernetes/control-plane.js'
import { proxyRights } from '../support/kubernetes/rights.js'
import { startNodeProxy } from '../support/kubernetes/node-proxy.js'
import { startProgram, until } from '../support/run.js'

const cluster = useCluster([NODE_OBJECT])

/** An Event, as the API has it. */
interface Told extends ApiObject {
  readonly reason: string
  readonly note: string
  readonly reportingController: string
  readonly regarding: { readonly kind: string; readonly name: string }
  readonly series?: { readonly count: number }
}

/** The Events of one object that the proxy wrote. The API server writes some, too, such as when it first sees an address that is taken. */
async function eventsOf(kind: string, name: string, namespace = 'shop'): Promise<Told[]> {
  const { items } = await cluster.plane.writer.get(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`)
  return (items as Told[]).filter(
    ({ reportingController, regarding }) => reportingController === 'netplane-proxy' && regarding.kind === kind && regarding.name === name
  )
}

/** Makes objects that go with the test. */
async function make(...objects: readonly object[]): Promise<ApiObject[]> {
  const made: ApiObject[] = []
  for (const object of objects as NewObject[]) {
    made.push(await cluster.plane.writer.create(object))
    onTestFinished(() => cluster.plane.writer.delete(object))
  }
  return made
}

/** A Service that the API takes and no plane does. */
const refused = (name: string, number: number): object => serviceOf(name, number, { labels: { 'netplane/scheduler': 'nonsense' } })
const at = (host: 'pod-a'): string => `${addressOf[host].ip} . 8080`

it('tells a Service that cannot be programmed, in one Event whose series grows, and serves all others', async () => {
  const [broken] = await make(refused('broken', 31), serviceOf('web', 32), sliceOf('web', ['pod-a']))
  const proxy = await startNodeProxy(cluster.network, cluster.plane)
  await proxy.serves(clusterAddress.ip(32), [at('pod-a')])
  const seen: number[] = []
  await until(
    'the series grows twice',
    async () => {
      const { series } = (await eventsOf('Service', 'broken'))[0] ?? {}
      if (series !== undefined && series.count !== seen.at(-1)) seen.push(series.count)
      return seen.length === 2
    },
    90_000
  )
  expect(seen[1]).toBeGreaterThan(seen[0]!)
  const all = await eventsOf('Service', 'broken')
  const { uid, resourceVersion } = broken!.metadata
  expect(all).toMatchObject([
    {
      type: 'Warning',
      reason: 'FailedToProgramService',
      reportingController: 'netplane-proxy',
      reportingInstance: NODE.name,
      note: expect.stringMatching(/^Port http is not served: .*nonsense/) as string,
      regarding: { apiVersion: 'v1', kind: 'Service', namespace: 'shop', name: 'broken', uid, resourceVersion }
    }
  ])
  // What `kubectl describe service` looks for.
  const fields = `involvedObject.kind=Service,involvedObject.name=broken,involvedObject.namespace=shop,involvedObject.uid=${uid}`
  const listed = await cluster.plane.writer.get(`/api/v1/namespaces/shop/events?fieldSelector=${encodeURIComponent(fields)}`)
  expect(listed['items']).toHaveLength(1)
  expect(await eventsOf('Service', 'web')).toEqual([])
  expect(await eventsOf('Node', NODE.name, 'default')).toMatchObject([{ type: 'Normal', reason: 'Starting' }])
  expect(proxy.output()).not.toContain('Events are not sent')
})

it('tells Services whose ports other processes have', async () => {
  const listen = `for (const port of [32_133, 30_134]) require('node:net').createServer().listen(port, () => console.log('listening', port))`
  const other = startProgram('ip', ['netns', 'exec', cluster.network.node.name, process.execPath, '-e', listen])
  onTestFinished(() => other.stop('SIGKILL'))
  for (const port of [32_133, 30_134]) await other.waitFor(`listening ${port}`)
  const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32_133, allocateLoadBalancerNodePorts: false }
  await make(serviceOf('asked', 33, { spec }), sliceOf('asked', ['pod-a']), serviceOf('taken', 34, { nodePort: 30_134 }))
  await startNodeProxy(cluster.network, cluster.plane)
  /** Of what was told again, as it lasts. */
  const noteOf = async (name: string, reason: string): Promise<string> =>
    (await eventsOf('Service', name)).find((told) => told.reason === reason && told.series !== undefined)?.note ?? ''
  await until(
    'both are told',
    async () => {
      const [asked, taken] = [await noteOf('asked', 'FailedToStartServiceHealthcheck'), await noteOf('taken', 'NodePortTaken')]
      return asked.includes('EADDRINUSE') && taken.includes('TCP port 30134')
    },
    60_000
  )
})

it('serves where the right to write Events is missing, and says so once', async () => {
  const [, role, binding] = proxyRights(process.cwd())
  const rules = (role!['rules'] as { readonly apiGroups: readonly string[] }[]).filter(
    ({ apiGroups }) => !apiGroups.includes('events.k8s.io')
  )
  const metadata = { name: 'reader' }
  const roleRef = { ...(binding!['roleRef'] as object), name: 'reader' }
  const subjects = [{ kind: 'User', name: 'reader', apiGroup: 'rbac.authorization.k8s.io' }]
  await make({ ...role!, metadata, rules }, { ...binding!, metadata, roleRef, subjects })
  await make(refused('unheard', 35), serviceOf('web', 36), sliceOf('web', ['pod-a']))
  const proxy = await startNodeProxy(cluster.network, cluster.plane, { token: 'reader' })
  await proxy.serves(clusterAddress.ip(36), [at('pod-a')])
  await proxy.waitFor('Events are not sent', 30_000)
  expect(await proxy.health()).toMatchObject({ status: 200, healthy: true, quarantined: ['shop/unheard:http'] })
  expect(await eventsOf('Service', 'unheard')).toEqual([])
  expect(proxy.output().split('Events are not sent')).toHaveLength(2)
})

it('may read what it serves and write Events, and nothing else', async () => {
  const writer = new ApiWriter(cluster.plane.url, TOKENS.proxy, cluster.plane.authority)
  onTestFinished(() => writer.close())
  const [service] = await make(serviceOf('kept', 37))
  const path = '/api/v1/namespaces/shop/services/kept'
  const asked = {
    services: await writer.ask('GET', '/api/v1/services'),
    slices: await writer.ask('GET', '/apis/discovery.k8s.io/v1/endpointslices'),
    node: await writer.ask('GET', `/api/v1/nodes?fieldSelector=metadata.name%3D${NODE.name}`),
    change: await writer.ask('PATCH', path, { metadata: { labels: { a: 'b' } } }, 'application/merge-patch+json'),
    creation: await writer.ask('POST', '/api/v1/namespaces/shop/services', serviceOf('more', 38)),
    deletion: await writer.ask('DELETE', path),
    secrets: await writer.ask('GET', '/api/v1/secrets'),
    events: await writer.ask('GET', '/apis/events.k8s.io/v1/events')
  }
  expect(Object.fromEntries(Object.entries(asked).map(([name, { status }]) => [name, status]))).toEqual({
    ...{ services: 200, slices: 200, node: 200 },
    ...{ change: 403, creation: 403, deletion: 403, secrets: 403, events: 403 }
  })
  expect((await cluster.plane.writer.get(path)).metadata.resourceVersion).toBe(service!.metadata.resourceVersion)
})

it('says who it is in what the API server writes down', async () => {
  await startNodeProxy(cluster.network, cluster.plane)
  // Requests of the tests do not say who asks.
  const agents = (): string[] => cluster.plane.audit().flatMap(({ userAgent }) => userAgent ?? [])
  await until('the proxy is in the audit log', () => Promise.resolve(agents().length > 0), 30_000)
  for (const agent of agents()) expect(agent).toMatch(/^netplane-proxy\/\d+\.\d+\.\d+ \(linux\/\w+\)$/)
})
