import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { addressOf, openNetwork, type Network } from '../contract/behaviour/network.js'
import { clusterAddress, serviceOf, sliceOf } from '../support/kubernetes-services.js'
import type { NewObject } from '../support/kubernetes/client.js'
import { ControlPlane } from '../support/kubernetes/control-plane.js'
import { awaitEndpoints, connectToApi, endpointsOf, setApiLink, startNodeProxy, type NodeProxy } from '../support/kubernetes/node-proxy.js'
import { makeFolder } from '../support/manifests.js'
import { until } from '../support/run.js'
import { runChecks } from '../support/service-checks.js'

let network: Network
let plane: ControlPlane
beforeAll(async () => {
  plane = await ControlPlane.start()
  network = await openNetwork()
  await connectToApi(network)
  await plane.writer.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } })
})
afterAll(async () => {
  await network.close()
  await plane.stop()
})

const web = serviceOf('web', 1) as NewObject
const slice = sliceOf('web', ['pod-a']) as NewObject
const WEB = clusterAddress.ip(1)
const late = serviceOf('late', 2) as NewObject
const lateSlice = sliceOf('late', ['far-c']) as NewObject
const LATE = clusterAddress.ip(2)
const at = (host: 'pod-a' | 'pod-b' | 'far-c'): string => `${addressOf[host].ip} . 8080`
const endpoints = (...hosts: ('pod-a' | 'pod-b' | 'far-c')[]): object => ({
  endpoints: (sliceOf('web', hosts) as { readonly endpoints: unknown }).endpoints
})

beforeEach(async () => {
  await plane.writer.createAll([web, slice])
})
afterEach(async () => {
  for (const object of [web, slice, late, lateSlice]) await plane.writer.delete(object).catch(() => undefined)
})

async function startSynced(words: readonly string[] = []): Promise<NodeProxy> {
  const proxy = await startNodeProxy(network, plane, { words })
  await awaitEndpoints(network.node, WEB, [at('pod-a')])
  return proxy
}

/** Waits until the proxy says that it cannot read the API server, and why. */
async function awaitAway(proxy: NodeProxy, why: RegExp): Promise<void> {
  await until(`the proxy says ${why}`, async () => why.test((await proxy.health()).api ?? ''), 60_000)
}

const awaitBack = (proxy: NodeProxy): Promise<boolean> =>
  until('the proxy reads the API server', async () => (await proxy.health()).api === undefined, 90_000)

it('keeps what it has while the API server restarts, and takes what changed meanwhile', async () => {
  const proxy = await startSynced()
  await plane.stopApi('SIGKILL')
  await awaitAway(proxy, /ECONNREFUSED/)
  expect(await endpointsOf(network.node, WEB)).toEqual([at('pod-a')])
  await runChecks(network, [{ from: 'far-d', to: [WEB, 80], gives: 'pod-a: client' }])
  // An API server that is away is no reason for load balancers to leave this node.
  expect(await proxy.health()).toMatchObject({ status: 200, healthy: true })

  // The node is cut off, so that the proxy is the last to see the API server again, and misses all of this.
  await setApiLink(network.node, 'down')
  await plane.startApi()
  await plane.writer.patch(slice, endpoints('pod-b'))
  await plane.writer.createAll([late, lateSlice])
  expect(await endpointsOf(network.node, WEB)).toEqual([at('pod-a')])
  await setApiLink(network.node, 'up')
  await awaitEndpoints(network.node, WEB, [at('pod-b')], 90_000)
  await awaitEndpoints(network.node, LATE, [at('far-c')])
  await awaitBack(proxy)

  // Watches work again: the next change comes at once, and a Service that goes leaves.
  await plane.writer.delete(late)
  await awaitEndpoints(network.node, LATE, [])
  expect(proxy.output()).not.toContain('"msg":"sync failed"')
})

it('lists anew when what it saw last has been compacted away', async () => {
  await startSynced()
  const before = plane.audit().length
  await setApiLink(network.node, 'down')
  // While the node is cut off, its Services change, one of them goes, and the API server and etcd forget how.
  await plane.writer.patch(slice, endpoints('pod-b', 'far-c'))
  await plane.writer.createAll([late, lateSlice])
  await plane.writer.delete(late)
  await plane.stopApi('SIGTERM')
  await plane.compact()
  await plane.startApi()
  await plane.compact()
  await setApiLink(network.node, 'up')
  await awaitEndpoints(network.node, WEB, [at('pod-b'), at('far-c')], 180_000)
  expect(await endpointsOf(network.node, LATE)).toEqual([])
  const asked = plane.audit().slice(before)
  const slices = asked.filter(({ requestURI }) => requestURI.includes('/endpointslices?'))
  // The watch is refused, or ended at once by an event, and a list without a version follows.
  expect(slices.some(({ verb, requestURI }) => verb === 'list' && !requestURI.includes('resourceVersion=0'))).toBe(true)
})

it('shows the token that its file has now', async () => {
  const proxy = await startSynced()
  await plane.stopApi()
  // The API server takes the old token no more.
  await plane.startApi(['admin', 'renewed'])
  await awaitAway(proxy, /401/)
  await plane.writer.patch(slice, endpoints('far-c'))
  expect(await endpointsOf(network.node, WEB)).toEqual([at('pod-a')])
  await proxy.showToken('renewed')
  await awaitEndpoints(network.node, WEB, [at('far-c')], 90_000)
  await awaitBack(proxy)
  expect(plane.audit().some(({ user }) => user.username === 'renewed')).toBe(true)
})

it('begins with what an earlier process kept when the API server is away at its start', async () => {
  const words = ['--state', `${await makeFolder()}/state`]
  const first = await startSynced(words)
  await first.stop()
  await plane.stopApi()
  // The node boots: nothing is in its kernel.
  await network.node.run('nft', ['flush', 'ruleset'])
  const second = await startNodeProxy(network, plane, { words })
  await awaitEndpoints(network.node, WEB, [at('pod-a')])
  await awaitAway(second, /ECONNREFUSED/)
  await plane.startApi()
  await plane.writer.patch(slice, endpoints('pod-b'))
  await awaitEndpoints(network.node, WEB, [at('pod-b')], 90_000)
})
