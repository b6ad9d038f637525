import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  addressOf,
  clusterRange,
  localSources,
  moreClients,
  nodeAddress,
  openNetwork,
  type Asked,
  type Network
} from '../../contract/behaviour/network.js'
import type { Event } from '../../contract/behaviour/agent.js'
import { clusterAddress, externalAddress, kubernetesObjects, NODE, sliceOf } from '../../support/kubernetes-services.js'
import { makeFolder, PROXY } from '../../support/manifests.js'
import { background, until, type Background } from '../../support/run.js'

let network: Network
beforeAll(async () => {
  network = await openNetwork()
})
afterAll(() => network.close())

const NODE_PORTS = [`${nodeAddress.primary.ip.replace(/\d+$/, '0')}/24`, 'fd00:250::/64']
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

type From = 'outside' | 'far-d' | 'node' | 'pod-a'
interface Check {
  readonly from: From
  readonly to: readonly [address: string, port: number, protocol?: 'udp']
  /** The servers that answer, and whose address they see; or why nobody does. */
  readonly gives: string
  /** The client's address, where it is not its first one. */
  readonly source?: string
}

const sourceOf = ({ from, to, source }: Check): string => {
  const family = to[0].includes(':') ? 'ip6' : 'ip'
  return source ?? (from === 'node' ? nodeAddress.other[family] : addressOf[from][family])
}

/** As many connections as it takes to hear every server, at most 60: then one of three is not heard in 1 of 10^10 runs. */
function asked(check: Check, index: number): Asked {
  const { from: host, to, gives } = check
  const [address, port, protocol = 'tcp'] = to
  const want = gives.includes(':') ? gives.split(':')[0]!.split(' ') : []
  const least = want.length === 0 ? 1 : 12
  return {
    id: String(index),
    host,
    protocol,
    address,
    port,
    sources: [sourceOf(check)],
    least,
    most: want.length === 0 ? 1 : 60,
    want,
    pauseMs: 0
  }
}

/** In the words of {@link Check.gives}. */
function summarize(events: readonly Event[]): string {
  const servers = new Set<string>()
  const seen = new Set<string>()
  const failures = new Set<string>()
  for (const event of events) {
    if (event[0] !== 'answer') {
      failures.add(event[0] === 'icmp' || event[0] === 'reset' ? 'refused' : event[0])
      continue
    }
    const [server, address] = event[1].split(' ') as [string, string]
    servers.add(server)
    seen.add(address === event[2] ? 'client' : 'node')
  }
  const answers = servers.size === 0 ? [] : [`${[...servers].sort().join(' ')}: ${[...seen].sort().join(' ')}`]
  return [...answers, ...failures].join(', ')
}

async function run(checks: readonly Check[]): Promise<void> {
  const answers = await network.ask(checks.map(asked))
  const words = ({ from, source, to }: Check): string => `${from}${source === undefined ? '' : ` (${source})`} -> ${to.join(' ')}`
  const came = checks.map((check, index) => `${words(check)}: ${summarize(answers.get(String(index)) ?? [])}`)
  expect(came).toEqual(checks.map((check) => `${words(check)}: ${check.gives}`))
}

const ALL = 'far-c pod-a pod-b'
const HERE = 'pod-a pod-b'
const SERVERS = ALL.split(' ')
const SECOND_CLIENT = moreClients.ip[0]!
const { primary, other } = nodeAddress

const checks: readonly Check[] = [
  // Cluster addresses: masqueraded for clients from outside, and for a pod that meets itself.
  { from: 'outside', to: [clusterAddress.ip(1), 80], gives: `${ALL}: node` },
  { from: 'far-d', to: [clusterAddress.ip(1), 80], gives: `${ALL}: client` },
  { from: 'pod-a', to: [clusterAddress.ip(1), 80], gives: `${ALL}: client node` },
  { from: 'node', to: [clusterAddress.ip(1), 80], gives: `${ALL}: node` },
  { from: 'far-d', to: [clusterAddress.ip6(1), 80], gives: `${ALL}: client` },
  { from: 'far-d', to: [clusterAddress.ip(1), 53, 'udp'], gives: `${ALL}: client` },
  { from: 'outside', to: [clusterAddress.ip6(1), 53, 'udp'], gives: `${ALL}: node` },
  // Ports that they do not have, and addresses that no service has.
  { from: 'outside', to: [clusterAddress.ip(1), 81], gives: 'refused' },
  { from: 'far-d', to: [clusterAddress.ip6(1), 81], gives: 'refused' },
  { from: 'node', to: [clusterAddress.ip(1), 81], gives: 'refused' },
  { from: 'far-d', to: [clusterAddress.ip(99), 80], gives: 'silence' },
  // Node ports, at the addresses that the option names.
  { from: 'outside', to: [primary.ip, 30_080], gives: `${ALL}: node` },
  { from: 'outside', to: [primary.ip6, 30_080], gives: `${ALL}: node` },
  { from: 'outside', to: [primary.ip, 30_053, 'udp'], gives: `${ALL}: node` },
  { from: 'node', to: [primary.ip, 30_080], gives: `${ALL}: node` },
  { from: 'far-d', to: [primary.ip6, 30_080], gives: `${ALL}: node` },
  { from: 'outside', to: [other.ip, 30_080], gives: 'refused' },
  { from: 'outside', to: [primary.ip6, 30_103], gives: 'refused' },
  // A load balancer with source ranges: they do not hold for its node port and its cluster address.
  { from: 'outside', to: [externalAddress(3), 80], gives: `${ALL}: node` },
  { from: 'outside', to: [externalAddress(3), 80], source: SECOND_CLIENT, gives: 'silence' },
  { from: 'far-d', to: [externalAddress(3), 80], gives: 'silence' },
  { from: 'node', to: [externalAddress(3), 80], gives: 'silence' },
  { from: 'outside', to: [primary.ip, 30_103], source: SECOND_CLIENT, gives: `${ALL}: node` },
  { from: 'far-d', to: [clusterAddress.ip(3), 80], gives: `${ALL}: client` },
  // External policy Local: the endpoints here for clients from outside, whose addresses these see.
  { from: 'outside', to: [externalAddress(4), 80], gives: `${HERE}: client` },
  { from: 'outside', to: [primary.ip, 30_104], gives: `${HERE}: client` },
  { from: 'far-d', to: [externalAddress(4), 80], gives: `${ALL}: client` },
  { from: 'node', to: [externalAddress(4), 80], gives: `${ALL}: node` },
  { from: 'outside', to: [clusterAddress.ip(4), 80], gives: `${ALL}: node` },
  { from: 'outside', to: [primary.ip, 30_105], gives: 'silence' },
  { from: 'far-d', to: [primary.ip, 30_105], gives: 'far-c: client' },
  // Internal policy Local.
  { from: 'far-d', to: [clusterAddress.ip(6), 80], gives: `${HERE}: client` },
  { from: 'far-d', to: [clusterAddress.ip(7), 80], gives: 'silence' },
  // External addresses, and nobody behind.
  { from: 'outside', to: [externalAddress(10), 80], gives: `${ALL}: node` },
  { from: 'far-d', to: [clusterAddress.ip(11), 80], gives: 'refused' },
  { from: 'outside', to: [externalAddress(11), 80], gives: 'refused' },
  { from: 'outside', to: [primary.ip, 30_111], gives: 'refused' },
  // Hints.
  { from: 'far-d', to: [clusterAddress.ip(13), 80], gives: 'pod-a: client' },
  { from: 'outside', to: [externalAddress(13), 80], gives: `${HERE}: client` },
  { from: 'far-d', to: [clusterAddress.ip(14), 80], gives: `${ALL}: client` },
  // Endpoints that terminate serve where nobody else does.
  { from: 'far-d', to: [clusterAddress.ip(15), 80], gives: 'pod-a: client' },
  { from: 'far-d', to: [clusterAddress.ip(16), 80], gives: 'far-c: client' },
  // What is none of ours: who answers is behind the node.
  { from: 'outside', to: [externalAddress(12), 80], gives: 'uplink: client' },
  { from: 'outside', to: [externalAddress(17), 80], gives: 'uplink: client' }
]

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
  await run(checks)
  expect(await getHealth(primary.ip)).toEqual(healthOf(2, 200))
  expect(await getHealth(other.ip)).toBe('ECONNRESET')

  // The endpoints of this node go, one while it terminates.
  await write(
    folder,
    [...kubernetesObjects(), sliceOf('health', ['far-c'])].filter((object, index, all) => !isReplaced(object, all.slice(index + 1)))
  )
  await until('no endpoint is here', async () => JSON.stringify(await getHealth(primary.ip)) === JSON.stringify(healthOf(0, 503)))
  await run([
    { from: 'outside', to: [externalAddress(4), 80], gives: 'silence' },
    { from: 'far-d', to: [externalAddress(4), 80], gives: 'far-c: client' }
  ])

  // A new address of the node serves, too.
  await network.node.run('ip', ['address', 'add', '10.250.0.12/24', 'dev', 'eth0'])
  await until('the new address serves', async () => {
    const check: Check = { from: 'outside', to: ['10.250.0.12', 30_080], gives: `${ALL}: node` }
    return summarize([...(await network.ask([asked(check, 0)])).values()].flat()) === check.gives
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
    want: SERVERS
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
