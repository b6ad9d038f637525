/** The ranges out of which a cluster gives addresses to Services: what its API says of them, a proxy that is told of none follows. */
import { expect, it } from 'vitest'
import { addressOf } from '../contract/behaviour/network.js'
import { serviceOf, sliceOf } from '../support/kubernetes-services.js'
import type { NewObject } from '../support/kubernetes/client.js'
import { useCluster } from '../support/kubernetes/cluster.js'
import { startNodeProxy, type NodeProxy } from '../support/kubernetes/node-proxy.js'
import { until } from '../support/run.js'
import { runChecks } from '../support/service-checks.js'

const cluster = useCluster()

/** What the API server was started with: it makes the object `kubernetes` of them by itself. */
const FIRST = { ip: '10.96.0.0/16', ip6: 'fd00:10:96::/112' } as const
/** Packets to addresses in it are answered by who is behind the node, as long as it is no range. */
const SECOND = { ip: '198.18.64.0/24', ip6: 'fd00:198:0:64::/112' } as const
const more: NewObject = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'ServiceCIDR',
  metadata: { name: 'more' },
  spec: { cidrs: [SECOND.ip, SECOND.ip6] }
}

/** The ranges that the kernel of the node has, as nft lists them; none where it has no table. */
async function rangesOfKernel(family: 'ip' | 'ip6'): Promise<string[]> {
  const listed = await cluster.network.node.run('sh', ['-c', `nft list set ${family} netplane service-ranges 2>/dev/null || true`])
  const elements = /elements = \{([^}]*)\}/.exec(listed)?.[1] ?? ''
  return elements
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '')
}

async function awaitRanges(proxy: NodeProxy, ...ranges: readonly (typeof FIRST | typeof SECOND)[]): Promise<void> {
  for (const family of ['ip', 'ip6'] as const) {
    const wanted = ranges.map((range) => range[family]).sort()
    const isSo = async (): Promise<boolean> => (await rangesOfKernel(family)).sort().join() === wanted.join()
    await until(`the ranges are ${wanted.join(', ')}`, isSo, 60_000).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${proxy.output().slice(-2000)}`)
    })
  }
}

/** What comes of connections to addresses that no Service has, one in each range. */
async function expectUnserved(first: string, second: string): Promise<void> {
  await runChecks(cluster.network, [
    ...['10.96.200.1', 'fd00:10:96::c801'].map((address) => ({ from: 'outside', to: [address, 80], gives: first }) as const),
    ...['198.18.64.200', 'fd00:198:0:64::c8'].map((address) => ({ from: 'outside', to: [address, 80], gives: second }) as const)
  ])
}

it('are those of the ServiceCIDRs of the API, as they come and go', async () => {
  const { writer } = cluster.plane
  const at = `${addressOf['pod-a'].ip} . 8080`
  const proxy = await startNodeProxy(cluster.network, cluster.plane, { followsRanges: true })
  await awaitRanges(proxy, FIRST)
  await proxy.waitFor('"msg":"synced"', 60_000)
  await expectUnserved('silence', 'uplink: client')

  await writer.create(more)
  await awaitRanges(proxy, FIRST, SECOND)
  await expectUnserved('silence', 'silence')

  // A Service with an address of the new range is served, and refuses at its other ports.
  const web = serviceOf('web', 1, {
    spec: { clusterIP: '198.18.64.7', clusterIPs: ['198.18.64.7'], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' }
  })
  const objects = [web, sliceOf('web', ['pod-a'])] as NewObject[]
  await writer.createAll(objects)
  await proxy.serves('198.18.64.7', [at])
  await runChecks(cluster.network, [
    { from: 'far-d', to: ['198.18.64.7', 80], gives: 'pod-a: client' },
    { from: 'far-d', to: ['198.18.64.7', 81], gives: 'refused' }
  ])
  for (const object of objects) await writer.delete(object)
  await proxy.serves('198.18.64.7', [])

  await writer.delete(more)
  await awaitRanges(proxy, FIRST)
  await expectUnserved('silence', 'uplink: client')
  expect(await proxy.health()).toMatchObject({ status: 200, healthy: true })
  expect((await proxy.health()).api).toBeUndefined()
})

it('are missed where the proxy may not read them: it serves, and leaves such packets alone', async () => {
  const { writer } = cluster.plane
  const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'netplane-proxy' } }
  const { rules } = (await writer.get('/apis/rbac.authorization.k8s.io/v1/clusterroles/netplane-proxy')) as unknown as {
    readonly rules: readonly { readonly resources: readonly string[] }[]
  }
  await writer.patch(role, { rules: rules.filter(({ resources }) => !resources.includes('servicecidrs')) })
  try {
    const proxy = await startNodeProxy(cluster.network, cluster.plane, { followsRanges: true })
    await proxy.waitFor('"msg":"synced"', 60_000)
    expect(await rangesOfKernel('ip')).toEqual([])
    await runChecks(cluster.network, [{ from: 'outside', to: ['10.96.200.1', 80], gives: 'uplink: client' }])
    expect(await proxy.health()).toMatchObject({ status: 200, healthy: true })
  } finally {
    await writer.patch(role, { rules })
  }
})
