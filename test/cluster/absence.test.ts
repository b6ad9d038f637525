import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { addressOf } from '../contract/behaviour/network.js'
import { clusterAddress, serviceOf, sliceOf } from '../support/kubernetes-services.js'
import type { NewObject } from '../support/kubernetes/client.js'
import { useCluster } from '../support/kubernetes/cluster.js'
import type { ApiSettings, AuditedRequest } from '../support/kubernetes/control-plane.js'
import { setApiLink } from '../support/kubernetes/node-link.js'
import { endpointsOf, startNodeProxy, type NodeProxy } from '../support/kubernetes/node-proxy.js'
import { makeFolder } from '../support/manifests.js'
import { until } from '../support/run.js'
import { runChecks } from '../support/service-checks.js'

const cluster = useCluster()

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
  await cluster.plane.writer.createAll([web, slice])
})
afterEach(async () => {
  // 404: the test has made or left no such object.
  for (const object of [web, slice, late, lateSlice]) await cluster.plane.writer.delete(object).catch(() => undefined)
})

async function startSynced(words: readonly string[] = []): Promise<NodeProxy> {
  const proxy = await startNodeProxy(cluster.network, cluster.plane, { words })
  await proxy.serves(WEB, [at('pod-a')])
  return proxy
}

/** The API server takes all tokens again, and has its memory. */
async function restoreApi(): Promise<void> {
  await cluster.plane.stopApi()
  await cluster.plane.startApi()
}

/** Waits until the proxy says that it cannot read the API server, and why. */
async function awaitAway(proxy: NodeProxy, why: RegExp): Promise<void> {
  await until(`the proxy says ${why}`, async () => why.test((await proxy.health()).api ?? ''), 60_000)
}

const awaitBack = (proxy: NodeProxy): Promise<boolean> =>
  until('the proxy reads the API server', async () => (await proxy.health()).api === undefined, 90_000)

/** Restarts the API server while the node is cut off, so that its proxy is the last to see it again, and misses all that `change` does. */
async function restartUnseen(proxy: NodeProxy, settings: ApiSettings, change: () => Promise<void>): Promise<void> {
  await cluster.plane.stopApi('SIGKILL')
  await awaitAway(proxy, /ECONNREFUSED/)
  await setApiLink(cluster.network.node, 'down')
  await cluster.plane.startApi(settings)
  await change()
  expect(await endpointsOf(cluster.network.node, WEB)).toEqual([at('pod-a')])
  await setApiLink(cluster.network.node, 'up')
}

it('keeps what it has while the API server restarts, and takes what changed meanwhile', async () => {
  const proxy = await startSynced()
  await restartUnseen(proxy, {}, async () => {
    await runChecks(cluster.network, [{ from: 'far-d', to: [WEB, 80], gives: 'pod-a: client' }])
    // An API server that is away is no reason for load balancers to leave this node.
    expect(await proxy.health()).toMatchObject({ status: 200, healthy: true })
    await cluster.plane.writer.patch(slice, endpoints('pod-b'))
    await cluster.plane.writer.createAll([late, lateSlice])
  })
  await proxy.serves(WEB, [at('pod-b')], 90_000)
  await proxy.serves(LATE, [at('far-c')])
  await awaitBack(proxy)

  // Watches work again: the next change comes, and a Service that goes leaves.
  await cluster.plane.writer.delete(late)
  await proxy.serves(LATE, [])
  expect(proxy.output()).not.toContain('"msg":"sync failed"')
})

const relists = (requests: readonly AuditedRequest[]): AuditedRequest[] =>
  requests.filter(({ verb, requestURI }) => verb === 'list' && requestURI.includes('/endpointslices?'))

// From memory an API server knows nothing that was before its start; from etcd it goes on where a proxy was, unless etcd has forgotten that.
it.each([
  { memory: 'with', hasWatchCache: true, isCompacted: false, lists: 1 },
  { memory: 'without', hasWatchCache: false, isCompacted: true, lists: 1 },
  { memory: 'without', hasWatchCache: false, isCompacted: false, lists: 0 }
])(
  'lists anew where its place in the history is gone: an API server $memory a watch cache, etcd compacted: $isCompacted',
  async ({ hasWatchCache, isCompacted, lists }) => {
    onTestFinished(restoreApi)
    const proxy = await startSynced()
    const before = cluster.plane.audit().length
    await restartUnseen(proxy, { hasWatchCache }, async () => {
      await cluster.plane.writer.patch(slice, endpoints('pod-b', 'far-c'))
      await cluster.plane.writer.createAll([late, lateSlice])
      // It comes and goes unseen.
      await cluster.plane.writer.delete(late)
      if (isCompacted) await cluster.plane.compact()
      // Its memory begins after all this.
      if (hasWatchCache) {
        await cluster.plane.stopApi()
        await cluster.plane.startApi({ hasWatchCache })
      }
    })
    await proxy.serves(WEB, [at('pod-b'), at('far-c')], 90_000)
    await awaitBack(proxy)
    expect(await endpointsOf(cluster.network.node, LATE)).toEqual([])
    const asked = relists(cluster.plane.audit().slice(before))
    expect(asked.length).toBe(lists)
    // What the server remembers may be as old as what it has refused.
    for (const { requestURI } of asked) expect(requestURI).not.toContain('resourceVersion=0')
  }
)

it('shows the token that its file has now', async () => {
  onTestFinished(restoreApi)
  const proxy = await startSynced()
  await cluster.plane.stopApi()
  // The API server takes the old token no more.
  await cluster.plane.startApi({ tokens: ['admin', 'renewed'] })
  await awaitAway(proxy, /401/)
  await cluster.plane.writer.patch(slice, endpoints('far-c'))
  expect(await endpointsOf(cluster.network.node, WEB)).toEqual([at('pod-a')])
  await proxy.showToken('renewed')
  await proxy.serves(WEB, [at('far-c')], 90_000)
  await awaitBack(proxy)
  expect(cluster.plane.audit().some(({ user }) => user.uid === 'renewed')).toBe(true)
})

it('begins with what an earlier process kept when the API server is away at its start', async () => {
  const words = ['--state', `${await makeFolder()}/state`]
  const first = await startSynced(words)
  await first.stop()
  await cluster.plane.stopApi()
  // The node boots: nothing is in its kernel.
  await cluster.network.node.run('nft', ['flush', 'ruleset'])
  const second = await startNodeProxy(cluster.network, cluster.plane, { words })
  await second.serves(WEB, [at('pod-a')])
  await awaitAway(second, /ECONNREFUSED/)
  await cluster.plane.startApi()
  await cluster.plane.writer.patch(slice, endpoints('pod-b'))
  await second.serves(WEB, [at('pod-b')], 90_000)
})
