import { dottedQuad } from '../subjects/expressions.js'
import { inFreshNamespace } from './namespaces.js'
import { output } from './process.js'
import type { Programs } from './programs.js'
import type { Place } from './row.js'
import { quantile } from './statistics.js'

/** Where a load goes: connection n to one of `addresses` addresses from `first` on. */
export interface Target {
  readonly protocol: 'tcp' | 'udp'
  readonly first: string
  readonly addresses: number
  readonly port: number
}

/** A load of short connections, as `ab -n COUNT -c CONCURRENT` makes it. */
export interface RequestLoad {
  /** In all, 1 to {@link mostRequests}. */
  readonly count: number
  /** At a time. */
  readonly concurrent: number
}

/** What became of such a load, in milliseconds. */
export interface RequestTimes {
  /** From the first connection to the end of the last one. */
  readonly all: number
  /** From connect to its end, half of the connections took no longer. */
  readonly half: number
  /** 99 of 100 took no longer. */
  readonly most: number
  readonly longest: number
}

/** A node between a client and a server, each a network namespace of its own, on veth links. */
export interface TrafficNetwork {
  /** Whose rules are in the way. */
  readonly node: Place
  /** Opens `count` connections (a multiple of 500), one after the other, and returns the microseconds of one.
   * Batches of 500 are timed; what disturbs one makes it slower, never quicker, so the lower quartile of them counts. */
  connect(target: Target, count: number): Promise<number>
  /** Opens TCP connections at a time, each with one request and one answer, from a source address that no earlier call had. */
  request(target: Omit<Target, 'protocol'>, load: RequestLoad): Promise<RequestTimes>
  close(): Promise<void>
}

/** The server has all addresses of this prefix, and listens on this port of them. */
export const serverPrefix = '10.128.0.0/9'
export const serverPort = 8080
/** The node's own address, on the client's side. */
export const nodeAddress = '10.1.0.1'
/** Where client and server stand: local sources, as a node's pods are. */
export const localPrefix = '10.1.0.0/16'
/** The client has all addresses of this prefix, so that each load has a source address of its own. */
const sourcePrefix = '10.1.128.0/17'
const firstSource = 0x0a01_8000
const sources = 2 ** 15
/** As many ports as a load takes of one source address (bench/traffic/requests.c). */
export const mostRequests = 50_000

/** One program for many commands, as programs take long to start in the lab. */
const ipBatch = (place: Place, commands: readonly string[]): Promise<string> =>
  output('ip', ['-n', place.name, '-batch', '-'], { input: commands.map((command) => `${command}\n`).join('') })

/** A device with an address, in use. */
const deviceUp = (device: string, address: string): string[] => [`address add ${address}/24 dev ${device}`, `link set ${device} up`]

const addLink = (number: number, host: Place): string[] => [
  `link add host${number} type veth peer name eth0 netns ${host.name}`,
  ...deviceUp(`host${number}`, `10.1.${number}.1`)
]

const asHost = (number: number): string[] => [...deviceUp('eth0', `10.1.${number}.2`), `route add default via 10.1.${number}.1`]

/** What a run leaves must not fill the table of the next one; a kernel without connection tracking has no such settings. */
const nodeSettings = { 'ipv4/ip_forward': 1, 'netfilter/nf_conntrack_tcp_timeout_close': 1, 'netfilter/nf_conntrack_udp_timeout': 1 }

async function writeSettings(place: Place, settings: Readonly<Record<string, number>>): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `! [ -e /proc/sys/net/${name} ] || echo ${value} >/proc/sys/net/${name}`)
  await output('nsenter', [`--net=${place.path}`, 'sh', '-ec', lines.join('\n')])
}

/** A namespace that lives until `close`. */
async function openNamespace(): Promise<{ readonly place: Place; readonly close: () => Promise<void> }> {
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  let removed: Promise<void> = Promise.resolve()
  const place = await new Promise<Place>((resolve, reject) => {
    removed = inFreshNamespace(async (made) => {
      resolve(made)
      await held
    })
    removed.catch(reject)
  })
  return {
    place,
    close: async () => {
      release()
      await removed
    }
  }
}

/** Builds the network. */
export async function openTrafficNetwork(programs: Pick<Programs, 'connections' | 'requests'>): Promise<TrafficNetwork> {
  const opened = [await openNamespace(), await openNamespace(), await openNamespace()] as const
  const [node, client, server] = [opened[0].place, opened[1].place, opened[2].place]
  const routes = ['default via 10.1.1.2', `${sourcePrefix} via 10.1.0.2`].map((route) => `route add ${route}`)
  await ipBatch(node, [...addLink(0, client), ...addLink(1, server), ...routes])
  await ipBatch(client, [...asHost(0), `route add local ${sourcePrefix} dev lo`])
  await ipBatch(server, [...asHost(1), `route add local ${serverPrefix} dev lo`])
  await writeSettings(node, nodeSettings)
  let loads = 0
  return {
    node,
    connect: async ({ protocol, first, addresses, port }, count) => {
      const to = [protocol, first, String(addresses), String(port), String(serverPort), String(count)]
      const printed = await output(programs.connections, [client.path, server.path, ...to])
      return quantile(printed.trim().split('\n').map(Number), 0.25) / 1000
    },
    request: async ({ first, addresses, port }, { count, concurrent }) => {
      const source = dottedQuad(firstSource + (loads++ % sources))
      const to = [source, first, ...[addresses, port, serverPort, count, concurrent].map(String)]
      const printed = await output(programs.requests, [client.path, server.path, ...to])
      const [all = 0, half = 0, most = 0, longest = 0] = printed
        .trim()
        .split(' ')
        .map((nanoseconds) => Number(nanoseconds) / 1e6)
      return { all, half, most, longest }
    },
    close: async () => {
      for (const { close } of opened) await close()
    }
  }
}
