import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Ipvs } from '../../../src/ipvs/client.js'
import type { DesiredService } from '../../../src/ipvs/sync/types.js'
import type { RealServerSpec, Tunnel } from '../../../src/ipvs/types.js'
import { isInLab } from '../../support/lab.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { Random } from '../../support/random.js'
import { attempt } from '../../support/run.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve, tally, type ServiceNetwork } from '../../support/service-network.js'

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' } as const
const web = { protocol: 'tcp', address: VIP.ip, port: 8080 } as const
const real = (host: number, more: Partial<RealServerSpec> = {}): RealServerSpec => ({ address: addressOf.ip(host), port: 8080, ...more })
const reals = (...hosts: number[]): RealServerSpec[] => hosts.map((host) => real(host))

/** Asks once from each address, with a mark on the packets (0: none; only root may set one), prints who answered, a line each. */
const ASK_FROM = `
import socket, sys
for source in sys.argv[4:]:
    s = socket.socket(); s.settimeout(5); s.setsockopt(socket.SOL_SOCKET, 36, int(sys.argv[3]))
    try: s.bind((source, 0)); s.connect((sys.argv[1], int(sys.argv[2]))); print(s.recv(200).decode().split(' ')[0])
    except OSError as e: print(type(e).__name__)
    s.close()
`

/** Who answers each of many clients. */
async function askFrom(client: TestNamespace, sources: readonly string[], mark = 0): Promise<string[]> {
  const args = [web.address, String(web.port), String(mark), ...sources]
  const printed = await client.run('python3', ['-c', ASK_FROM, ...args], { timeoutMs: 60_000 })
  return printed.trim().split('\n')
}

interface Served extends ServiceNetwork {
  readonly ipvs: Ipvs
}

/** A node with IPVS, servers that answer with s1, s2 …, and a client that has many addresses. */
async function serveAll(servers: number, clients: readonly string[] = []): Promise<Served> {
  const network = await makeServiceNetwork(servers)
  await network.node.ip('address', 'add', `${VIP.ip}/32`, 'dev', 'lo')
  await network.node.ip('address', 'add', `${VIP.ip6}/128`, 'dev', 'lo')
  const addresses = clients.map((address) => `address add ${address}/24 dev eth0`)
  await network.client.run('ip', ['-batch', '-'], { input: addresses.join('\n') })
  await Promise.all(network.servers.map((host, index) => serve(host, `s${index + 1}`, 8080)))
  await reachable(network, 8080)
  const ipvs = await Ipvs.open({ netns: network.node.path })
  onTestFinished(() => ipvs.close())
  return { ...network, ipvs }
}

/** The service as the only one, its real servers changed at once. */
async function only(ipvs: Ipvs, service: DesiredService): Promise<void> {
  await ipvs.sync([service], { owns: () => true, draining: { tcp: 'at-once', udp: 'at-once' } })
}

/** The schedulers that this kernel has. */
async function schedulers(): Promise<string[]> {
  const all = ['rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'dh', 'sh', 'sed', 'nq', 'fo', 'ovf', 'mh', 'twos']
  const found = await Promise.all(
    all.map(async (name) => (await attempt('modprobe', ['--dry-run', '--quiet', `ip_vs_${name}`])).status === 0)
  )
  return all.filter((_, index) => found[index])
}

describe('forwarding', () => {
  it('by masquerade reaches every real server, in both families, by TCP and UDP', async () => {
    const { ipvs, client, node } = await serveAll(2)
    const six = { address: VIP.ip6, port: 8080 } as const
    const desired: DesiredService[] = [
      { ...web, scheduler: 'rr', realServers: reals(1, 2) },
      { ...web, protocol: 'udp', scheduler: 'rr', realServers: reals(1, 2) },
      { protocol: 'tcp', ...six, scheduler: 'rr', realServers: [1, 2].map((host) => ({ address: addressOf.ip6(host), port: 8080 })) }
    ]
    await ipvs.sync(desired)
    expect(tally(await ask(client, 'tcp', VIP.ip, 8080, 6))).toEqual({ s1: 3, s2: 3 })
    expect(tally(await ask(client, 'udp', VIP.ip, 8080, 6))).toEqual({ s1: 3, s2: 3 })
    expect(tally(await ask(client, 'tcp', VIP.ip6, 8080, 6))).toEqual({ s1: 3, s2: 3 })
    expect(await node.run('ipvsadm', ['-Sn'])).toContain('-a -t 10.96.0.1:8080 -r 10.1.2.2:8080 -m -w 1')
    // The kernel sums them up every two seconds (ip_vs_est.c).
    const connections = async (): Promise<unknown[]> =>
      (await ipvs.list({ statistics: true })).map(({ statistics }) => statistics?.connections)
    await vi.waitFor(async () => expect(await connections()).toEqual([6n, 6n, 6n]), { timeout: 30_000, interval: 500 })
  })

  /** What a real server needs that is sent packets for the virtual address itself, and the node that sees the answers pass. */
  async function keepVirtualAddress({ node, servers }: ServiceNetwork, ...commands: string[]): Promise<void> {
    // Answers come by way of the node here, from an address that is its own.
    await node.run('sh', [
      '-c',
      'cd /proc/sys/net/ipv4/conf; for f in all default host1 host2; do echo 1 >$f/accept_local; echo 0 >$f/rp_filter; done'
    ])
    for (const server of servers) {
      await server.ip('address', 'add', `${VIP.ip}/32`, 'dev', 'lo')
      for (const command of commands) await server.run('sh', ['-ec', command])
      await server.run('sh', ['-c', 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done'])
    }
  }

  it('by direct route reaches every real server, which answers for the virtual address', async () => {
    const network = await serveAll(2)
    await keepVirtualAddress(network)
    await only(network.ipvs, { ...web, scheduler: 'rr', realServers: [1, 2].map((host) => real(host, { forwarding: 'direct-route' })) })
    expect(tally(await ask(network.client, 'tcp', VIP.ip, 8080, 6))).toEqual({ s1: 3, s2: 3 })
    expect(await network.node.run('ipvsadm', ['-Sn'])).toContain('-r 10.1.1.2:8080 -g -w 1')
  })

  it.each<[string, Tunnel, string, string]>([
    ['ipip', { type: 'ipip' }, 'ipip', 'ip link set tunl0 up'],
    ['gre', { type: 'gre' }, 'ip_gre', 'ip link set gre0 up'],
    ['gue', { type: 'gue', port: 6080 }, 'fou ipip', 'ip fou add port 6080 gue; ip link set tunl0 up']
  ])('by a tunnel of %s reaches every real server', async (_, tunnel, modules, command) => {
    for (const name of modules.split(' ')) await attempt('modprobe', [name])
    const network = await serveAll(2)
    await keepVirtualAddress(network, command)
    await only(network.ipvs, { ...web, scheduler: 'rr', realServers: [1, 2].map((host) => real(host, { forwarding: 'tunnel', tunnel })) })
    expect(tally(await ask(network.client, 'tcp', VIP.ip, 8080, 6))).toEqual({ s1: 3, s2: 3 })
    expect(await network.node.run('ipvsadm', ['-Sn'])).toContain('-r 10.1.2.2:8080 -i')
  })
})

const clients = Array.from({ length: 40 }, (_, index) => `10.1.0.${index + 20}`)

describe('scheduling', () => {
  it('by every scheduler that this kernel has spreads connections as it should', async () => {
    const { ipvs, client } = await serveAll(3, clients)
    const names = await schedulers()
    expect(names.length).toBeGreaterThanOrEqual(13)
    const weights = [1, 2, 3]
    const service = (scheduler: string): DesiredService => ({
      ...web,
      scheduler,
      realServers: weights.map((weight, index) => real(index + 1, { weight }))
    })
    const seen: Record<string, Record<string, number>> = {}
    for (const name of names) {
      // Without the connections of the one before, which some schedulers count.
      await ipvs.sync([], { owns: () => true })
      await only(ipvs, service(name))
      expect(await ipvs.listServices()).toMatchObject([{ scheduler: name }])
      seen[name] = tally(await askFrom(client, clients.slice(0, 12)))
    }
    for (const name of names) {
      const total = Object.entries(seen[name]!).filter(([server]) => /^s[123]$/.test(server))
      expect([name, total.reduce((sum, [, count]) => sum + count, 0)]).toEqual([name, 12])
    }
    expect(seen.rr).toEqual({ s1: 4, s2: 4, s3: 4 })
    expect(seen.wrr).toEqual({ s1: 2, s2: 4, s3: 6 })
    // The highest weight takes all.
    expect(seen.fo).toEqual({ s3: 12 })
    // One destination: one server.
    expect(Object.keys(seen.dh!).length).toBe(1)
    expect(Object.keys(seen.sh!).length).toBeGreaterThan(1)
  })

  it('by mh and sh sends each client to the same real server, and mh moves few when one goes', async () => {
    const { ipvs, client } = await serveAll(4, clients)
    for (const scheduler of ['sh', 'mh']) {
      await only(ipvs, { ...web, scheduler, realServers: reals(1, 2, 3, 4) })
      const first = await askFrom(client, clients)
      expect(new Set(first).size).toBeGreaterThan(2)
      expect(await askFrom(client, clients)).toEqual(first)
      // A foreign change and an adoption alike: the same real servers, sent anew.
      await ipvs.updateService({ ...web, scheduler })
      expect(await askFrom(client, clients)).toEqual(first)
      await only(ipvs, { ...web, scheduler, realServers: reals(1, 2, 3) })
      const second = await askFrom(client, clients)
      expect(second).not.toContain('s4')
      if (scheduler !== 'mh') continue
      const moved = clients.filter((__, index) => first[index] !== 's4' && first[index] !== second[index])
      expect(moved.length).toBeLessThanOrEqual(clients.length / 4)
    }
  })

  it('keeps a persistent client at its real server, and other clients elsewhere', async () => {
    const { ipvs, client } = await serveAll(2, clients)
    await only(ipvs, { ...web, scheduler: 'rr', persistence: { timeoutSeconds: 60 }, realServers: reals(1, 2) })
    const [one = '', two = ''] = clients
    expect(await askFrom(client, [one, two, one, two, one, two])).toEqual(expect.arrayContaining(['s1', 's2']))
    const answers = await askFrom(client, [one, one, one, two, two, two])
    expect(new Set(answers.slice(0, 3)).size).toBe(1)
    expect(new Set(answers.slice(3)).size).toBe(1)
    expect(answers[0]).not.toBe(answers[3])
    const servers = await ipvs.listRealServers(web)
    expect(servers.map(({ persistentConnections }) => persistentConnections)).toEqual([1, 1])
  })

  it('of marked packets balances what carries the mark, whatever its port', async () => {
    const { ipvs, node } = await serveAll(2)
    await only(ipvs, { fwmark: 7, scheduler: 'rr', realServers: [1, 2].map((host) => real(host, { port: 0 })) })
    expect(await node.run('ipvsadm', ['-Sn'])).toContain('-A -f 7 -s rr')
    const answers = (mark: number): Promise<string[]> => askFrom(node, new Array<string>(6).fill('0.0.0.0'), mark)
    expect(tally(await answers(7))).toEqual({ s1: 3, s2: 3 })
    expect(await answers(8)).toEqual(Array.from({ length: 6 }, () => 'ConnectionRefusedError'))
  })

  it('leaves out a real server with as many connections as its upper threshold', async () => {
    const { ipvs, client } = await serveAll(2)
    await only(ipvs, { ...web, scheduler: 'wlc', realServers: [real(1, { weight: 100, upperThreshold: 2 }), real(2)] })
    const answers = tally(await ask(client, 'tcp', VIP.ip, 8080, 12))
    // Closed connections count, too, as long as the kernel remembers them.
    expect(answers.s1).toBe(2)
    expect(answers.s2).toBe(10)
  })
})

const WORKER = fileURLToPath(new URL('../../support/ipvs-worker.mjs', import.meta.url))
/** Node takes seconds to start on the emulated processors of the lab. */
const ROUNDS = isInLab ? 8 : 100

it('converges after kill -9 at random moments', async () => {
  const namespace = await makeNamespace()
  const random = new Random(7)
  for (let round = 0; round < ROUNDS; round++) {
    const worker = namespace.background(process.execPath, [WORKER, String(random.below(1_000_000))])
    await worker.waitFor('ready')
    await new Promise((resolve) => setTimeout(resolve, random.below(200)))
    await worker.stop('SIGKILL')
    await using ipvs = await Ipvs.open({ netns: namespace.path })
    const desired: DesiredService[] = [{ ...web, scheduler: 'rr', realServers: reals(1, 2) }]
    const options = { owns: ['10.96.0.0/16'], draining: { tcp: 'at-once' } } as const
    await ipvs.sync(desired, options)
    expect((await ipvs.plan(desired, options)).isEmpty).toBe(true)
    const lines = (await namespace.run('ipvsadm', ['-Sn'])).trim().split('\n')
    expect(lines.map((line) => line.trim())).toEqual([
      '-A -t 10.96.0.1:8080 -s rr',
      '-a -t 10.96.0.1:8080 -r 10.1.1.2:8080 -m -w 1',
      '-a -t 10.96.0.1:8080 -r 10.1.2.2:8080 -m -w 1'
    ])
  }
})
