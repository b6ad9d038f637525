import { inFreshNamespace } from './namespaces.js'
import { output } from './process.js'
import type { Place } from './row.js'
import { lowerQuartile } from './statistics.js'

/** Where a load goes: connection n to one of `addresses` addresses from `first` on. */
export interface Target {
  readonly protocol: 'tcp' | 'udp'
  readonly first: string
  readonly addresses: number
  readonly port: number
}

/** A node between a client and a server, each a network namespace of its own, on veth links. */
export interface TrafficNetwork {
  /** Whose rules are in the way. */
  readonly node: Place
  /** Opens `count` connections (a multiple of 500), one after the other, and returns the microseconds of one.
   * Batches of 500 are timed; what disturbs one makes it slower, never quicker, so the lower quartile of them counts. */
  connect(target: Target, count: number): Promise<number>
  close(): Promise<void>
}

/** The server has all addresses of this prefix, and listens on this port of them. */
export const serverPrefix = '10.128.0.0/9'
export const serverPort = 8080
/** The node's own address, on the client's side. */
export const nodeAddress = '10.1.0.1'
/** Where client and server stand: local sources, as a node's pods are. */
export const localPrefix = '10.1.0.0/16'

async function link(node: Place, host: Place, number: number): Promise<void> {
  const device = `host${number}`
  await output('ip', ['-n', node.name, 'link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.name])
  for (const [place, name, last] of [
    [node, device, 1],
    [host, 'eth0', 2]
  ] as const) {
    await output('ip', ['-n', place.name, 'address', 'add', `10.1.${number}.${last}/24`, 'dev', name])
    await output('ip', ['-n', place.name, 'link', 'set', name, 'up'])
  }
  await output('ip', ['-n', host.name, 'route', 'add', 'default', 'via', `10.1.${number}.1`])
}

const writeSetting = (place: Place, name: string, value: number): Promise<string> =>
  output('nsenter', [`--net=${place.path}`, 'sh', '-c', `! [ -e /proc/sys/net/${name} ] || echo ${value} >/proc/sys/net/${name}`])

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
export async function openTrafficNetwork(connections: string): Promise<TrafficNetwork> {
  const opened = [await openNamespace(), await openNamespace(), await openNamespace()] as const
  const [node, client, server] = [opened[0].place, opened[1].place, opened[2].place]
  await link(node, client, 0)
  await link(node, server, 1)
  await output('ip', ['-n', node.name, 'route', 'add', 'default', 'via', '10.1.1.2'])
  await output('ip', ['-n', server.name, 'route', 'add', 'local', serverPrefix, 'dev', 'lo'])
  await writeSetting(node, 'ipv4/ip_forward', 1)
  // What a run leaves must not fill the table of the next one.
  await writeSetting(node, 'netfilter/nf_conntrack_tcp_timeout_close', 1)
  await writeSetting(node, 'netfilter/nf_conntrack_udp_timeout', 1)
  return {
    node,
    connect: async ({ protocol, first, addresses, port }, count) => {
      const to = [protocol, first, String(addresses), String(port), String(serverPort), String(count)]
      const printed = await output(connections, [client.path, server.path, ...to])
      return lowerQuartile(printed.trim().split('\n').map(Number)) / 1000
    },
    close: async () => {
      for (const { close } of opened) await close()
    }
  }
}
