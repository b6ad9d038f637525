import { expect, it } from 'vitest'
import { addressOf } from '../contract/behaviour/network.js'
import { clusterAddress, kubernetesObjects, NODE, NODE_OBJECT, serviceOf, sliceOf } from '../support/kubernetes-services.js'
import type { NewObject } from '../support/kubernetes/client.js'
import { useCluster } from '../support/kubernetes/cluster.js'
import { endpointsOf, startNodeProxy } from '../support/kubernetes/node-proxy.js'
import { ALL, runChecks, SERVICE_CHECKS } from '../support/service-checks.js'

const cluster = useCluster(kubernetesObjects() as NewObject[])

const at = (host: 'pod-a' | 'pod-b' | 'far-c', port = 8080): string => `${addressOf[host].ip} . ${port}`
const ZONE_LABEL = 'topology.kubernetes.io/zone'
const PROXY_LABEL = 'service.kubernetes.io/service-proxy-name'

it('serves packets as the Services and EndpointSlices of the API say', async () => {
  const proxy = await startNodeProxy(cluster.network, cluster.plane)
  await proxy.waitFor('"msg":"synced"', 60_000)
  await runChecks(cluster.network, SERVICE_CHECKS)
  expect(await endpointsOf(cluster.network.node, clusterAddress.ip(21))).toEqual([at('pod-a'), at('pod-b', 8081)])
  expect(await proxy.health()).toMatchObject({ status: 200, healthy: true, quarantined: [] })
  expect((await proxy.health()).api).toBeUndefined()
  // Nothing is written for what other proxies serve, and for names; the API's own Service is there, without endpoints.
  const ruleset = await cluster.network.node.run('nft', ['list', 'ruleset'])
  for (const name of ['other', 'headless', 'elsewhere']) expect(ruleset).not.toContain(`shop/${name}:`)
  for (const number of [17, 18, 19]) expect(ruleset).not.toContain(`198.18.0.${number} `)
  expect(ruleset).toContain('default/kubernetes:https')
})

it('brings changes of slices, Services and labels to the kernel', async () => {
  const proxy = await startNodeProxy(cluster.network, cluster.plane)
  await proxy.waitFor('"msg":"synced"', 60_000)
  const { writer } = cluster.plane
  const web = serviceOf('web', 30) as NewObject
  const slice = sliceOf('web', ['pod-a']) as NewObject
  const address = clusterAddress.ip(30)
  await writer.createAll([web, slice])
  await proxy.serves(address, [at('pod-a')])

  // Its endpoints change.
  const { endpoints } = sliceOf('web', ['pod-b', 'far-c']) as { readonly endpoints: unknown }
  await writer.patch(slice, { endpoints })
  await proxy.serves(address, [at('pod-b'), at('far-c')])
  await runChecks(cluster.network, [{ from: 'far-d', to: [address, 80], gives: 'far-c pod-b: client' }])

  // Another slice beside it.
  const more = { ...slice, metadata: { ...slice.metadata, name: 'web-more' } }
  await writer.create(more)
  await proxy.serves(address, [at('pod-a'), at('pod-b'), at('far-c')])
  await writer.delete(more)
  await proxy.serves(address, [at('pod-b'), at('far-c')])

  // Another proxy is told to serve it, and not any more.
  await writer.patch(web, { metadata: { labels: { [PROXY_LABEL]: 'other' } } })
  await proxy.serves(address, [])
  await runChecks(cluster.network, [{ from: 'far-d', to: [address, 80], gives: 'silence' }])
  await writer.patch(web, { metadata: { labels: { [PROXY_LABEL]: null } } })
  await proxy.serves(address, [at('pod-b'), at('far-c')])

  // The Service goes, and its slice stays.
  await writer.delete(web)
  await proxy.serves(address, [])
  await runChecks(cluster.network, [{ from: 'far-d', to: [address, 80], gives: 'silence' }])
  await writer.delete(slice)

  // The node moves to another zone: hints choose other endpoints.
  expect(await endpointsOf(cluster.network.node, clusterAddress.ip(13))).toEqual([at('pod-a')])
  await writer.patch(NODE_OBJECT, { metadata: { labels: { [ZONE_LABEL]: 'zone-b' } } })
  await proxy.serves(clusterAddress.ip(13), [at('pod-b'), at('far-c')])
  await writer.patch(NODE_OBJECT, { metadata: { labels: { [ZONE_LABEL]: NODE.zone } } })
  await proxy.serves(clusterAddress.ip(13), [at('pod-a')])
  await runChecks(cluster.network, [{ from: 'far-d', to: [clusterAddress.ip(1), 80], gives: `${ALL}: client` }])
})
