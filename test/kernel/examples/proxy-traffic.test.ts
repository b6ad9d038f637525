import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { clusterRange, localSources, moreClients, nodeAddress, openNetwork, type Network } from '../../contract/behaviour/network.js'
import { clusterAddress, externalAddress, kubernetesObjects, NODE, sliceOf } from '../../support/kubernetes-services.js'
import { makeFolder, PROXY } from '../../support/manifests.js'
import { background } from '../../support/background.js'
import { until, type Background } from '../../support/run.js'
import { ALL, answerTo, NODE_PORTS, runChecks, SERVICE_CHECKS, type Check } from '../../support/service-checks.js'

let network: Network
beforeAll(async () => {
  network = await openNetwork()
})
afterAll(() => network.close())

const { primary, other } = nodeAddress
const both = (values: { readonly ip: string; readonly ip6: string }): string => `${values.ip},${values.ip6}`

/** Under another name first, as one should. */
async function write(folder: string, objects: readonly object[]): Promise<void> {
  await writeFile(join(folder, '.all.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  await rename(join(folder, '.all.json'), join(folder, 'all.json'))
}

async function startProxy(folder: string, ...options: string[]): Promise<Background> {
  const words = ['--node-name', NODE.name, '--local-sources', both(localSources), '--cleanup', ...options]
  const proxy = background('ip', ['netns', 'exec', network.node.name, process.execPath, PROXY, '--manifests', folder, ...words])
  await proxy.waitFor('"msg":"synced"')
  return proxy
}

async function getHealth(address: string): Promise<unknown> {
  // Not by fetch, which ends without a word where a connection is reset at once.
  const script = `require('node:http').get('http://${address}:32104/', { agent: false }, async (answer) => {
      const [body] = await answer.toArray()
      console.log(JSON.stringify([answer.statusCode, answer.headers['x-load-balancing-endpoint-weight'], JSON.parse(body)]))
    }).on('error', ({ code }) => console.log(JSON.stringify(code)))`
  return JSON.parse(await network.node.run(process.execPath, ['-e', script])) as unknown
}

const healthOf = (localEndpoints: number, status: number): unknown => [
  status,
  String(localEndpoints),
  { service: { namespace: 'shop', name: 'health' }, localEndpoints, serviceProxyHealthy: true }
]

it('balances, refuses and drops as the manifests say, and answers load balancers that ask for its health', async () => {
  const folder = await makeFolder()
  await write(folder, kubernetesObjects())
  const ranges = [clusterRange.ip, clusterRange.ip6].join()
  const proxy = await startProxy(folder, '--node-port-addresses', NODE_PORTS.join(), '--service-ranges', ranges)
  expect(proxy.output()).toContain('"quarantined":[]')
  await runChecks(network, SERVICE_CHECKS)
  expect(await getHealth(primary.ip)).toEqual(healthOf(2, 200))
  expect(await getHealth(other.ip)).toBe('ECONNRESET')

  // The endpoints of this node go, one while it terminates.
  await write(
    folder,
    [...kubernetesObjects(), sliceOf('health', ['far-c'])].filter((object, index, all) => !isReplaced(object, all.slice(index + 1)))
  )
  await until('no endpoint is here', async () => JSON.stringify(await getHealth(primary.ip)) === JSON.stringify(healthOf(0, 503)))
  await runChecks(network, [
    { from: 'outside', to: [externalAddress(4), 80], gives: 'silence' },
    { from: 'far-d', to: [externalAddress(4), 80], gives: 'far-c: client' }
  ])

  // A new address of the node serves, too.
  await network.node.run('ip', ['address', 'add', '10.250.0.12/24', 'dev', 'eth0'])
  await until('the new address serves', async () => {
    const check: Check = { from: 'outside', to: ['10.250.0.12', 30_080], gives: `${ALL}: node` }
    return (await answerTo(network, check)) === check.gives
  })
  await network.node.run('ip', ['address', 'delete', '10.250.0.12/24', 'dev', 'eth0'])
  await proxy.stop()
  expect(await network.node.run('nft', ['list', 'tables'])).toBe('')
})

/** Whether a later object has the same kind and name. */
function isReplaced(object: object, later: readonly object[]): boolean {
  const identity = ({ kind, metadata }: { kind?: string; metadata?: { name?: string } }): string => `${kind} ${metadata?.name}`
  return later.some((other) => identity(other) === identity(object))
}

it('keeps a client with its endpoint for as long as the service says', async () => {
  const folder = await makeFolder()
  await write(folder, kubernetesObjects())
  const proxy = await startProxy(folder)
  const clients = moreClients.ip
  const twice = {
    host: 'outside',
    protocol: 'tcp',
    port: 80,
    sources: clients,
    least: 2 * clients.length,
    most: 2 * clients.length,
    want: ALL.split(' ')
  } as const
  const answers = await network.ask([
    { ...twice, id: 'long', address: clusterAddress.ip(8), pauseMs: 2200 },
    { ...twice, id: 'short', address: clusterAddress.ip(9), pauseMs: 2200 },
    { ...twice, id: 'node', address: primary.ip, port: 30_108, pauseMs: 0 }
  ])
  const rounds = (id: string): [string[], string[]] => {
    const servers = answers.get(id)!.map(([, text]) => String(text).split(' ')[0]!)
    return [servers.slice(0, clients.length), servers.slice(clients.length)]
  }
  for (const id of ['long', 'node']) {
    const [first, second] = rounds(id)
    expect(second).toEqual(first)
    // 24 clients that all draw the same of three are 1 in 10^10.
    expect(new Set(first).size).toBeGreaterThan(1)
  }
  const [first, second] = rounds('short')
  expect(second).not.toEqual(first)
  await proxy.stop()
})

it('drops what goes to addresses of the ranges of the cluster that no Service has, and follows these', { timeout: 60_000 }, async () => {
  const folder = await makeFolder()
  const cidrs = (...prefixes: string[]): object => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'kubernetes' },
    spec: { cidrs: prefixes }
  })
  const unassigned = [clusterAddress.ip(250), clusterAddress.ip6(250)]
  const meets = async (...gives: readonly string[]): Promise<void> => {
    await until(`unassigned addresses give ${gives.join(', ')}`, async () => {
      const answers = unassigned.map((address) => answerTo(network, { from: 'far-d', to: [address, 80], gives: '' }))
      return (await Promise.all(answers)).join() === gives.join()
    })
  }
  await write(folder, [...kubernetesObjects(), cidrs(clusterRange.ip, clusterRange.ip6)])
  const proxy = await startProxy(folder)
  await meets('silence', 'silence')
  await runChecks(network, [{ from: 'far-d', to: [clusterAddress.ip(1), 80], gives: `${ALL}: client` }])
  await write(folder, [...kubernetesObjects(), cidrs(clusterRange.ip6)])
  await meets('uplink: client', 'silence')
  await write(folder, kubernetesObjects())
  await meets('uplink: client', 'uplink: client')
  await runChecks(network, [{ from: 'far-d', to: [clusterAddress.ip(1), 80], gives: `${ALL}: client` }])
  await proxy.stop()

  // kube-proxy leaves them alone in its other modes.
  await write(folder, [...kubernetesObjects(), cidrs(clusterRange.ip, clusterRange.ip6)])
  const other = await startProxy(folder, '--mode', 'iptables')
  await meets('uplink: client', 'uplink: client')
  await other.stop()
})
