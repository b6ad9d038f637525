/**
 * A plane that has to change all the time, with traffic that never stops, foreign writers, and addresses that come and go.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { openPlane, type Plane, type PlaneMode, type Service } from '../../src/index.js'
import { tableOf } from '../support/plane-rigs.js'
import { TALKER } from '../support/kept-connections.js'
import type { TestNamespace } from '../support/namespace.js'
import { Random } from '../support/random.js'
import { until } from '../support/run.js'
import { addressOf, makeServingNetwork, type ServiceNetwork } from '../support/service-network.js'
import { answering, Churn } from './churn.js'
import { growth, held, type Held } from './memory.js'
import { Traffic, type TrafficReport } from './traffic.js'

const CHURNING = 2000

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' } as const
const families = ['ip', 'ip6'] as const
const SERVERS = [1, 2, 3]

/** Between two of them, milliseconds. */
const EVERY = { explain: 100, roll: 500, address: 1500, flush: 5000, sample: 1000 } as const

/** How long a foreign flush may take to be repaired. */
const REPAIR_MS = 30_000

/** What others do to the plane's objects. */
const flushes: Readonly<Record<PlaneMode, readonly string[]>> = {
  nftables: ['nft', 'delete', 'table', 'ip', tableOf('nftables')],
  iptables: ['nft', 'flush', 'table', 'ip', tableOf('iptables')],
  userspace: ['nft', 'delete', 'table', 'ip', tableOf('userspace')],
  ipvs: ['ipvsadm', '--clear']
}

/**
 * Somebody else's rules. They keep the kernel tracking and translating connections when all of the plane's are gone: with the last rule that needs connection tracking its hooks go, too
 * (nf_ct_netns_put, net/netfilter/nf_conntrack_proto.c), and answers leave with addresses that clients do not know.
 */
const FOREIGN = [
  ['ip', '192.0.2.1'],
  ['ip6', '2001:db8::1']
]
  .map(
    ([family, address]) =>
      `table ${family} somebody { chain nat { type nat hook postrouting priority 200; ${family} daddr ${address} masquerade; }; }`
  )
  .join('\n')

/** A service of servers that answer; `talk` keeps its servers. */
function steady(name: string, protocol: 'tcp' | 'udp', port: number, target: number, servers: readonly number[]): Service {
  return {
    name,
    protocol,
    frontends: [
      ...families.map((family) => ({ kind: 'cluster' as const, address: VIP[family], port })),
      { kind: 'node', port: 30_000 + port }
    ],
    endpoints: servers.flatMap((server) => families.map((family) => ({ address: addressOf[family](server), port: target })))
  }
}

const web = (servers: readonly number[]): Service => steady('web', 'tcp', 80, 8080, servers)
const dns = (servers: readonly number[]): Service => steady('dns', 'udp', 53, 8080, servers)

/** The span of time between a flush and its repair. */
interface Gap {
  readonly from: number
  readonly to: number
}

/** What a soak found. */
export interface SoakReport {
  readonly updates: number
  readonly explained: number
  readonly gaps: readonly Gap[]
  readonly grown: Held
  readonly last: Held
  readonly traffic: TrafficReport
}

/** Something that is done whenever it is asked for, but not more often than `EVERY` says, and for a tenth of the time at most. */
function turn(everyMs: number, act: () => Promise<unknown>): () => Promise<void> {
  let next = 0
  return async () => {
    const began = performance.now()
    if (began < next) return
    await act()
    const took = performance.now() - began
    next = began + Math.max(everyMs, 10 * took)
  }
}

async function network(): Promise<ServiceNetwork> {
  const made = await makeServingNetwork(SERVERS.length, { isOwn: true })
  for (const [index, host] of made.servers.entries()) await host.background('python3', ['-c', TALKER, `s${index + 1}`]).waitFor('ready')
  await made.node.nftScript(FOREIGN)
  return made
}

async function traffic({ client, node }: ServiceNetwork): Promise<Traffic> {
  const started = new Traffic()
  await started.keep(client, VIP.ip, 20)
  await started.keep(node, VIP.ip, 5)
  await started.open(client, 'tcp', VIP.ip, 80)
  await started.open(client, 'tcp', VIP.ip6, 80)
  await started.open(client, 'tcp', '10.1.0.1', 30_080)
  await started.open(client, 'udp', VIP.ip, 53)
  await started.open(node, 'tcp', VIP.ip, 80)
  return started
}

/** Collects what the plane complains of. */
function complaintsOf(plane: Plane): string[] {
  const complaints: string[] = []
  void (async () => {
    for await (const event of plane.watch())
      if (event.type === 'error' || event.type === 'quarantined') complaints.push(`${event.type}: ${String(event.error)}`)
      else if (event.type === 'contended' || event.type === 'lost') complaints.push(event.type)
  })()
  return complaints
}

/** A soak in one mode. */
class Soak {
  readonly #plane: Plane
  readonly #mode: PlaneMode
  readonly #node: TestNamespace
  readonly #random: Random
  readonly #churn: Churn
  readonly #gaps: Gap[] = []
  readonly #samples: Held[] = []
  #updates = 0
  #explained = 0
  #address: string | undefined

  constructor(plane: Plane, mode: PlaneMode, node: TestNamespace, seed: number) {
    this.#plane = plane
    this.#mode = mode
    this.#node = node
    this.#random = new Random(seed)
    this.#churn = new Churn(this.#random, CHURNING)
  }

  /** All services that there are. */
  services(): Map<string, Service> {
    const kept = [web(SERVERS), dns(SERVERS), steady('talk', 'tcp', 81, 81, SERVERS)]
    return new Map([...this.#churn.services, ...kept.map((service) => [service.name, service] as const)])
  }

  async #update(): Promise<void> {
    const change = this.#churn.next()
    const { quarantined } = await this.#plane.update(change)
    expect(quarantined).toEqual([])
    this.#updates++
  }

  /** Other servers for those who come. */
  async #roll(): Promise<void> {
    const without = this.#random.below(SERVERS.length + 1)
    const servers = SERVERS.filter((server) => server !== without)
    await this.#plane.update({ set: [web(servers), dns(servers)] })
  }

  async #explain(): Promise<void> {
    const service = this.#churn.any()
    const [frontend] = service.frontends
    if (frontend?.kind !== 'cluster') throw new Error(`${service.name} begins with another frontend`)
    const { outcome } = await this.#plane.explain({
      protocol: service.protocol,
      address: frontend.address,
      port: frontend.port,
      from: addressOf.ip(0)
    })
    const found = outcome.type === 'served' ? outcome.endpoints.map(({ address, port }) => `${address}:${port}`) : []
    const wanted = answering(service)
    // A client that is remembered meets one of them.
    if (service.affinity === undefined || found.length !== 1) expect([service.name, found.sort()]).toEqual([service.name, wanted])
    else expect(wanted).toContain(found[0])
    this.#explained++
  }

  /** A new address of the node serves its ports, and the last one goes. */
  async #changeAddress(): Promise<void> {
    const before = this.#address
    this.#address = `10.77.0.${1 + (this.#updates % 200)}`
    if (this.#address === before) return
    await this.#node.ip('address', 'add', `${this.#address}/32`, 'dev', 'lo')
    if (before !== undefined) await this.#node.ip('address', 'delete', `${before}/32`, 'dev', 'lo')
    const request = { protocol: 'tcp', address: this.#address, port: 30_080, from: addressOf.ip(0) } as const
    await until('the new address serves', async () => (await this.#plane.explain(request)).outcome.type === 'served')
  }

  async #flush(): Promise<void> {
    const { drifts } = this.#plane.status()
    const from = Date.now()
    const [command, ...args] = flushes[this.#mode]
    await this.#node.run(command!, args)
    const request = { protocol: 'tcp', address: VIP.ip, port: 80, from: addressOf.ip(0) } as const
    await until(
      'the flush is repaired',
      async () => this.#plane.status().drifts > drifts && (await this.#plane.explain(request)).outcome.type === 'served',
      REPAIR_MS
    )
    this.#gaps.push({ from, to: Date.now() })
  }

  async run(seconds: number): Promise<void> {
    const end = performance.now() + seconds * 1000
    const turns = [
      turn(EVERY.explain, () => this.#explain()),
      turn(EVERY.roll, () => this.#roll()),
      turn(EVERY.address, () => this.#changeAddress()),
      turn(EVERY.flush, () => this.#flush()),
      turn(EVERY.sample, () => Promise.resolve(this.#samples.push(held())))
    ]
    while (performance.now() < end) {
      await this.#update()
      for (const take of turns) await take()
      await sleep(10)
    }
    if (this.#address !== undefined) await this.#node.ip('address', 'delete', `${this.#address}/32`, 'dev', 'lo')
  }

  report(traffic: TrafficReport): SoakReport {
    return {
      updates: this.#updates,
      explained: this.#explained,
      gaps: this.#gaps,
      grown: growth(this.#samples),
      last: this.#samples.at(-1)!,
      traffic
    }
  }
}

/** Runs a mode for some seconds after its first sync; what must never happen at all fails at once. */
export async function soak(mode: PlaneMode, seconds: number, seed: number): Promise<SoakReport> {
  const at = await network()
  const plane = await openPlane({ mode, netns: at.node.path })
  onTestFinished(() => plane.close({ cleanup: true }))
  const complaints = complaintsOf(plane)
  const running = new Soak(plane, mode, at.node, seed)
  await plane.sync(running.services())
  const clients = await traffic(at)
  await running.run(seconds)
  const report = running.report(await clients.end())
  await plane.sync(running.services())
  expect((await plane.plan(running.services())).isEmpty).toBe(true)
  expect(complaints).toEqual([])
  return report
}
