import { openAgent, type Agent, type Event, type Question } from './agent.js'
import { attempt, run, type RunOptions } from '../../support/run.js'

/** By family. */
export interface Both<T> {
  readonly ip: T
  readonly ip6: T
}

export type Family = keyof Both<unknown>

/**
 * The hosts around the node under test. Each is a network namespace on a veth pair of its own, so that what a host sends always passes the node, and an
 * answer finds its way whatever address the server saw.
 *
 * - `pod-a`, `pod-b`: pods of this node. Both are servers and clients.
 * - `far-c`: a pod of another node, a server.
 * - `far-d`: a pod of another node, a client.
 * - `outside`: a client whose addresses are in no local range.
 * - `uplink`: where the node sends what it has no route for. It has all service addresses and answers on them: a packet that no rule took is not silent.
 */
export const hosts = ['pod-a', 'pod-b', 'far-c', 'far-d', 'outside', 'uplink'] as const
export type Host = (typeof hosts)[number]

/** Each host's first address. */
export const addressOf: Readonly<Record<Host, Both<string>>> = {
  'pod-a': { ip: '10.244.0.11', ip6: 'fd00:10:244::11' },
  'pod-b': { ip: '10.244.0.12', ip6: 'fd00:10:244::12' },
  'far-c': { ip: '10.244.1.13', ip6: 'fd00:10:244:1::13' },
  'far-d': { ip: '10.244.1.14', ip6: 'fd00:10:244:1::14' },
  outside: { ip: '192.168.77.7', ip6: 'fd00:77::7' },
  uplink: { ip: '10.250.0.1', ip6: 'fd00:250::1' }
}

/** The node's addresses. */
export const nodeAddress = {
  /** Of the link with the default route. */
  primary: { ip: '10.250.0.11', ip6: 'fd00:250::11' },
  /** Of a second link. The node asks from this one: who is masqueraded has another. */
  other: { ip: '10.251.0.11', ip6: 'fd00:251::11' },
  /** The gateway of the pods. */
  gateway: { ip: '10.244.0.1', ip6: 'fd00:10:244::1' },
  loopback: { ip: '127.0.0.1', ip6: '::1' }
} as const satisfies Record<string, Both<string>>

/** Addresses of all pods, on all nodes. */
export const localSources: Both<string> = { ip: '10.244.0.0/16', ip6: 'fd00:10:244::/56' }

/** Where cluster addresses come from. */
export const clusterRange: Both<string> = { ip: '10.96.0.0/16', ip6: 'fd00:10:96::/64' }

/** Where service addresses come from. */
export const serviceRanges: Both<readonly string[]> = { ip: [clusterRange.ip, '198.18.0.0/15'], ip6: [clusterRange.ip6, 'fd00:198::/32'] }

/** Addresses of the client outside: the first one, and {@link MORE_CLIENTS} others from .100 (::100) on. */
const MORE_CLIENTS = 24
export const moreClients: Both<readonly string[]> = {
  ip: Array.from({ length: MORE_CLIENTS }, (_, index) => `192.168.77.${100 + index}`),
  ip6: Array.from({ length: MORE_CLIENTS }, (_, index) => `fd00:77::${100 + index}`)
}

/** Where servers of the endpoints listen. */
export const SERVER_PORT = 8080
/** Ports of service addresses on which the host `uplink` answers. */
export const LEAK_PORTS = [80, 81] as const

/** A namespace of the network. */
export interface Place {
  readonly name: string
  /** `/run/netns/<name>`: what the clients' option `netns` takes. */
  readonly path: string
  run(command: string, args: readonly string[], options?: RunOptions): Promise<string>
}

/** A question, with who asks it. */
export type Asked = Omit<Question, 'netns'> & { readonly host: Host | 'node' }

/** The network, with its servers. */
export interface Network {
  /** Whose rules are tried. */
  readonly node: Place
  /** What came of each question, by its id. */
  ask(questions: readonly Asked[]): Promise<ReadonlyMap<string, readonly Event[]>>
  /** Makes the node forget connections, whose ports others use again. */
  forget(): Promise<void>
  /** Removes it, and ends its process. */
  close(): Promise<void>
}

/** What networks may differ in. */
export interface NetworkOptions {
  /** Whether the node is the namespace of this process. Default: a new one. */
  readonly isOwn?: boolean
  /** Where servers of the endpoints listen, beside {@link SERVER_PORT}. */
  readonly serverPorts?: readonly number[]
  /** Where the host `uplink` answers, beside {@link LEAK_PORTS}. */
  readonly leakPorts?: readonly number[]
  /** Prefixes whose addresses it has, beside {@link serviceRanges}. */
  readonly leakPrefixes?: readonly string[]
}

/** No duplicate address detection, which makes addresses wait; no limit to refusals by ICMP, of which many come at once; no redirects. */
const SETTINGS = `
for file in ipv6/conf/all/accept_dad ipv6/conf/default/accept_dad ipv4/icmp_ratelimit ipv4/icmp_ratemask ipv6/icmp/ratelimit \\
  ipv4/conf/all/send_redirects ipv4/conf/default/send_redirects; do echo 0 >/proc/sys/net/$file; done
for file in all default; do echo 2 >/proc/sys/net/ipv4/conf/$file/rp_filter; done
! [ -e /proc/sys/net/ipv6/icmp/ratemask ] || echo 255 >/proc/sys/net/ipv6/icmp/ratemask`
const FORWARDING = '\necho 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'

let made = 0

function placeOf(prefix: string, name: string): Place {
  const full = `${prefix}-${name}`
  return {
    name: full,
    path: `/run/netns/${full}`,
    run: (command, args, options) => run('ip', ['netns', 'exec', full, command, ...args], options)
  }
}

/** Commands of `ip`, one program for all of them, as programs take long to start in the lab. */
async function ipBatch(commands: readonly string[], ...where: string[]): Promise<void> {
  await run('ip', [...where, '-batch', '-'], { input: commands.join('\n') })
}

const withLength = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`
const bothOf = ({ ip, ip6 }: Both<string>): string[] => [ip, ip6]
const addAddress = (address: string, device: string): string =>
  `address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`

/** The node's address on the link to a host, which is the host's gateway. */
const gatewayOf = (host: Host): Both<string> => (host.startsWith('pod') ? nodeAddress.gateway : nodeAddress.primary)

/** What a host has on its link; `uplink` has two. */
function hostCommands(host: Host, more: readonly string[]): string[] {
  if (host === 'uplink') {
    const second = [addAddress('10.251.0.1/24', 'eth1'), addAddress('fd00:251::1/64', 'eth1')]
    const first = [addAddress(`${addressOf.uplink.ip}/24`, 'eth0'), addAddress(`${addressOf.uplink.ip6}/64`, 'eth0')]
    const taken = [...serviceRanges.ip, ...serviceRanges.ip6, ...more].map((range) => `route add local ${range} dev lo`)
    return [
      'link set lo up',
      ...first,
      ...second,
      'link set eth0 up',
      'link set eth1 up',
      ...taken,
      ...defaultRoutes(nodeAddress.primary, false)
    ]
  }
  const others = host === 'outside' ? [...moreClients.ip, ...moreClients.ip6] : []
  const addresses = [...bothOf(addressOf[host]), ...others].map((address) => addAddress(withLength(address), 'eth0'))
  return ['link set lo up', ...addresses, 'link set eth0 up', ...defaultRoutes(gatewayOf(host), true)]
}

/** @param isOffLink Whether the gateway must be said to be on the link. */
const defaultRoutes = (gateway: Both<string>, isOffLink: boolean): string[] =>
  bothOf(gateway).flatMap((address) => [
    ...(isOffLink ? [`route add ${withLength(address)} dev eth0`] : []),
    `route add default via ${address} dev eth0`
  ])

function nodeCommands(prefix: string): string[] {
  const veth = (device: string, host: Host, peer: string): string =>
    `link add ${device} type veth peer name ${peer} netns ${prefix}-${host}`
  const near = hosts.filter((host) => host !== 'uplink')
  // As on any node the uplink is there before the pods are.
  const links = [veth('eth0', 'uplink', 'eth0'), veth('eth1', 'uplink', 'eth1'), ...near.map((host) => veth(host, host, 'eth0'))]
  const own = [
    ...[`${nodeAddress.primary.ip}/24`, `${nodeAddress.primary.ip6}/64`].map((address) => addAddress(address, 'eth0')),
    ...[`${nodeAddress.other.ip}/24`, `${nodeAddress.other.ip6}/64`].map((address) => addAddress(address, 'eth1')),
    ...near.flatMap((host) => bothOf(gatewayOf(host)).map((address) => addAddress(withLength(address), host)))
  ]
  const up = ['lo', 'eth0', 'eth1', ...near].map((device) => `link set ${device} up`)
  const routes = near.flatMap((host) =>
    host === 'outside'
      ? ['route add 192.168.77.0/24 dev outside', 'route add fd00:77::/64 dev outside']
      : bothOf(addressOf[host]).map((address) => `route add ${withLength(address)} dev ${host}`)
  )
  return [...links, ...own, ...up, ...routes, ...bothOf(addressOf.uplink).map((address) => `route add default via ${address}`)]
}

function serversOf(
  at: (host: Host | 'node') => string,
  { serverPorts = [], leakPorts = [] }: NetworkOptions
): Parameters<Agent['serve']>[0] {
  const endpoints = (['pod-a', 'pod-b', 'far-c'] as const).map((host) => ({
    netns: at(host),
    name: host,
    ports: [SERVER_PORT, ...serverPorts]
  }))
  return [...endpoints, { netns: at('uplink'), name: 'uplink', ports: [...LEAK_PORTS, ...leakPorts] }]
}

/** Every way that rows use, without any rules: a link that has just come up lets IPv6 through only some time later, and neighbours must be found. */
function ways(at: (host: Host | 'node') => string): Question[] {
  const servers = [
    ...(['pod-a', 'pod-b', 'far-c'] as const).map((host) => [host, SERVER_PORT] as const),
    ['uplink', LEAK_PORTS[0]] as const
  ]
  const clients = ['node', ...hosts.filter((host) => host !== 'uplink')] as const
  return clients.flatMap((client) =>
    servers.flatMap(([server, port]) =>
      (['ip', 'ip6'] as const).map((family): Question => {
        const source = client === 'node' ? nodeAddress.other[family] : addressOf[client][family]
        const sources = client === 'outside' ? [source, ...moreClients[family]] : [source]
        const times = { least: sources.length, most: sources.length, want: [server], pauseMs: 0 }
        const address = addressOf[server][family]
        return { id: `${client} ${server} ${family}`, netns: at(client), protocol: 'tcp', address, port, sources, ...times }
      })
    )
  )
}

const questionOf = ({ id, protocol, address, port, sources, least, most, want, pauseMs }: Asked, netns: string): Question => ({
  ...{ id, netns, protocol, address, port, sources, least, most, want, pauseMs }
})

async function awaitWays(agent: Agent, questions: readonly Question[]): Promise<void> {
  const end = performance.now() + 30_000
  for (let open = questions; open.length > 0;) {
    const events = await agent.ask(open, 50)
    const failed = open.filter(({ id }) => events.get(id)?.some(([kind]) => kind !== 'answer'))
    if (performance.now() > end) throw new Error(`after 30 s still no way: ${failed.map(({ id }) => id).join(', ')}`)
    open = failed
  }
}

/** Builds the network and starts its servers. It lives until it is closed: many rows share it. */
export async function openNetwork(options: NetworkOptions = {}): Promise<Network> {
  const { isOwn = false, leakPrefixes = [] } = options
  made += 1
  const prefix = `np-${process.pid}-b${made}`
  const names = ['node', ...hosts] as const
  const remove = (): Promise<unknown> => Promise.all(names.map((name) => attempt('ip', ['netns', 'delete', `${prefix}-${name}`])))
  await ipBatch(
    names.map((name) => (name === 'node' && isOwn ? `netns attach ${prefix}-node ${process.pid}` : `netns add ${prefix}-${name}`))
  )
  try {
    const place = (name: Host | 'node'): Place => placeOf(prefix, name)
    const forwards = (name: string): string => (name === 'node' ? FORWARDING : '')
    await Promise.all(names.map((name) => place(name).run('sh', ['-ec', SETTINGS + forwards(name)])))
    await ipBatch(nodeCommands(prefix), '-n', `${prefix}-node`)
    await Promise.all(hosts.map((host) => ipBatch(hostCommands(host, leakPrefixes), '-n', `${prefix}-${host}`)))
    const agent = openAgent()
    const at = (name: Host | 'node'): string => place(name).path
    await agent.serve(serversOf(at, options))
    await awaitWays(agent, ways(at))
    return {
      node: place('node'),
      ask: (questions) => agent.ask(questions.map((question) => questionOf(question, at(question.host)))),
      forget: async () => {
        await place('node').run('conntrack', ['-F'])
      },
      close: async () => {
        await agent.close()
        await remove()
      }
    }
  } catch (error) {
    await remove()
    throw error
  }
}
