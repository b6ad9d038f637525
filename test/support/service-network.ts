import { fileURLToPath } from 'node:url'
import { makeNamespace, ownNamespace, type TestNamespace } from './namespace.js'
import { type Background } from './run.js'
import type { Protocol } from '../../src/index.js'

/** A node between a client and some servers, each a namespace on veth links, with IPv4 and IPv6. */
export interface ServiceNetwork {
  readonly node: TestNamespace
  readonly client: TestNamespace
  readonly servers: readonly TestNamespace[]
}

/** Addresses of the n-th host: 0 is the client, servers begin at 1. */
export const addressOf = { ip: (host: number): string => `10.1.${host}.2`, ip6: (host: number): string => `fd00:1:${host}::2` }

async function connect(node: TestNamespace, host: TestNamespace, number: number): Promise<void> {
  const link = `host${number}`
  await node.ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.name)
  const setUp = (device: string, last: number): string[] => [
    `address add 10.1.${number}.${last}/24 dev ${device}`,
    `address add fd00:1:${number}::${last}/64 dev ${device} nodad`,
    `link set ${device} up`
  ]
  await ipBatch(node, setUp(link, 1))
  await ipBatch(host, [...setUp('eth0', 2), `route add default via 10.1.${number}.1`, `route add default via fd00:1:${number}::1`])
}

/** One program for many commands, as programs take long to start in the lab. */
async function ipBatch(namespace: TestNamespace, commands: readonly string[]): Promise<void> {
  await namespace.run('ip', ['-batch', '-'], { input: commands.join('\n') })
}

/** No duplicate address detection, which makes addresses wait, and no limit to refusals by ICMP, of which tests cause many at once. */
const SETTINGS = `
for setting in ipv6/conf/all/accept_dad ipv6/conf/default/accept_dad ipv4/icmp_ratelimit ipv6/icmp/ratelimit; do echo 0 >/proc/sys/net/$setting; done`

async function makeHost(make = makeNamespace): Promise<TestNamespace> {
  const host = await make()
  await host.run('sh', ['-ec', SETTINGS])
  return host
}

/** What networks may differ in. */
export interface NetworkOptions {
  /** Whether the node is the namespace of the test process. Default false: a new one. */
  readonly isOwn?: boolean
}

/** Builds the network; it goes with the test. */
export async function makeServiceNetwork(servers: number, { isOwn = false }: NetworkOptions = {}): Promise<ServiceNetwork> {
  const node = await makeHost(isOwn ? ownNamespace : makeNamespace)
  await node.run('sh', ['-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'])
  const client = await makeHost()
  await connect(node, client, 0)
  const hosts: TestNamespace[] = []
  for (let number = 1; number <= servers; number++) {
    const host = await makeHost()
    await connect(node, host, number)
    hosts.push(host)
  }
  // As any node has: what is sent to a service must be routed somewhere before it can be sent elsewhere.
  const way = servers > 0 ? 1 : 0
  await node.ip('route', 'add', 'default', 'via', addressOf.ip(way))
  await node.ip('route', 'add', 'default', 'via', addressOf.ip6(way))
  return { node, client, servers: hosts }
}

/** Answers every TCP connection and UDP datagram on a port with `name peer-address`, in both families. */
const SERVER = `
import socket, threading, sys
name, port = sys.argv[1], int(sys.argv[2])
def tcp():
    s = socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('::', port)); s.listen(512)
    while True:
        c, peer = s.accept(); c.sendall((name + ' ' + peer[0].replace('::ffff:', '')).encode()); c.close()
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(('::', port))
    while True:
        _, peer = s.recvfrom(2048); s.sendto((name + ' ' + peer[0].replace('::ffff:', '')).encode(), peer)
threading.Thread(target=tcp, daemon=True).start(); threading.Thread(target=udp, daemon=True).start()
print('ready', flush=True); threading.Event().wait()
`

/** Starts a server for TCP and UDP in a host. */
export async function serve(host: TestNamespace, name: string, port: number): Promise<Background> {
  const server = host.background('python3', ['-c', SERVER, name, String(port)])
  await server.waitFor('ready')
  return server
}

/** Kernels need not have SCTP sockets to balance SCTP: packets are made and read in this program. */
const SCTP = fileURLToPath(new URL('sctp.py', import.meta.url))

/** Starts a server for SCTP in a host. */
export async function serveSctp(host: TestNamespace, name: string, port: number): Promise<Background> {
  const server = host.background('python3', [SCTP, 'serve', name, String(port)])
  await server.waitFor('ready')
  return server
}

/** Opens connections (tcp) or sends single datagrams from new ports (udp), prints an answer a line, or the name of the error. */
const CLIENT = `
import socket, sys
protocol, address, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ':' in address else socket.AF_INET
for _ in range(count):
    s = socket.socket(family, socket.SOCK_STREAM if protocol == 'tcp' else socket.SOCK_DGRAM); s.settimeout(5)
    try:
        s.connect((address, port))
        if protocol == 'udp': s.send(b'x')
        print(s.recv(200).decode())
    except OSError as e: print(type(e).__name__)
    s.close()
`

/** Answers, an entry per connection: `server peer-address`, or the error's name. */
export async function ask(from: TestNamespace, protocol: Protocol, address: string, port: number, count: number): Promise<string[]> {
  const program = protocol === 'sctp' ? [SCTP, 'ask'] : ['-c', CLIENT, protocol]
  const output = await from.run('python3', [...program, address, String(port), String(count)], { timeoutMs: 60_000 })
  return output.trim().split('\n')
}

/** Waits for each of the addresses in turn: one program for all, as programs take long to start in the lab. */
const AWAIT = `
import socket, sys, time
port, addresses = int(sys.argv[1]), sys.argv[2:]
for address in addresses:
    while True:
        try: socket.create_connection((address, port), 1).recv(200); break
        except OSError: time.sleep(0.005)
`

/**
 * Waits until servers can be reached from the client and the node, over both families: a link that has just come up lets IPv6 through only some time
 * later.
 */
export async function reachable({ client, node, servers }: ServiceNetwork, port: number): Promise<void> {
  const addresses = servers.flatMap((_, index) => [addressOf.ip(index + 1), addressOf.ip6(index + 1)])
  await Promise.all([client, node].map((from) => from.run('python3', ['-c', AWAIT, String(port), ...addresses], { timeoutMs: 30_000 })))
}

/** A network whose servers answer on port 8080, over TCP and UDP, and can be reached. They are called `s1`, `s2` and so on. */
export async function makeServingNetwork(servers: number, options?: NetworkOptions): Promise<ServiceNetwork> {
  const network = await makeServiceNetwork(servers, options)
  await Promise.all(network.servers.map((host, index) => serve(host, `s${index + 1}`, 8080)))
  await reachable(network, 8080)
  return network
}

/** How often each first word (the server) answered. */
export function tally(answers: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const answer of answers) counts[answer.split(' ')[0]!] = (counts[answer.split(' ')[0]!] ?? 0) + 1
  return counts
}

/** Who answered, each once, and in order: `s1,s2`. */
export const whoAnswered = (answers: readonly string[]): string => Object.keys(tally(answers)).sort().join()
