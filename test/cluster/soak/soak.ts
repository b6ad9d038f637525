/**
 * The example proxy on an API that changes all the time, with traffic that never stops, and bad days: the API server is killed, somebody deletes the rules, the node moves.
 */
import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { memoryOf } from '../../../bench/proxy/process.js'
import { Churn } from '../../soak/churn.js'
import { flush, type Gap } from '../../soak/flushes.js'
import { growth } from '../../soak/growth.js'
import { makeSoakNetwork, SERVERS } from '../../soak/network.js'
import { startTraffic, type TrafficReport } from '../../soak/traffic.js'
import { takeTurns, turn } from '../../soak/turn.js'
import { NODE, NODE_OBJECT } from '../../support/kubernetes-services.js'
import { SHOP, startControlPlane } from '../../support/kubernetes/cluster.js'
import type { ControlPlane } from '../../support/kubernetes/control-plane.js'
import { connectToApi, disconnectFromApi } from '../../support/kubernetes/node-link.js'
import { startNodeProxy, type Health, type NodeProxy } from '../../support/kubernetes/node-proxy.js'
import type { TestNamespace } from '../../support/namespace.js'
import { Random } from '../../support/random.js'
import { until } from '../../support/run.js'
import { addressOf } from '../../support/service-network.js'
import { ApiObjects } from './api-objects.js'
import { linesOfKernel, type SoakMode } from './kernel.js'
import { linesOfApi } from './wanted.js'
import { CHURNING_WORKLOADS, PLAIN, ZONES, type Pod, type Workload } from './workloads.js'

const CHURNING = 300
const REQUESTS_PER_SECOND = 20

/** Between two of them, milliseconds. */
const EVERY = { roll: 500, node: 2000, flush: 10_000, quiet: 5000, return: 1000, sample: 1000, restart: 60_000 } as const

/** How long the kernel of a proxy that reads its API server may take to have what that has. */
const SETTLE_MS = 60_000
const REPAIR_MS = 60_000
/** How long a proxy may take to read an API server that is there again: pauses between its tries grow up to a minute, and a server that has just started may refuse one. */
const RETURN_MS = 300_000

const WEB = { ip: '10.96.250.1', ip6: 'fd00:10:96::fa01' } as const
const TALK = '10.96.250.2'
const NODE_PORT = 30_080
/** Those of the network's links. */
const NODE_PORTS = ['10.1.0.0/16', 'fd00:1::/32']

/** A server that answers, as a pod. */
const server = (number: number, state: Pod['state'] = 'ready'): Pod => ({
  address: { ip: addressOf.ip(number), ip6: addressOf.ip6(number) },
  isHere: number === 1,
  zone: ZONES[number % 2]!,
  state
})

const web = (pods: readonly Pod[]): Workload => ({
  ...PLAIN,
  name: 'web',
  clusterIPs: WEB,
  ports: [
    { name: 'http', protocol: 'TCP', port: 80, target: 8080, nodePort: NODE_PORT },
    { name: 'dns', protocol: 'UDP', port: 53, target: 8080 }
  ],
  pods
})

/** Whose connections are kept: its pods stay. */
const talk: Workload = {
  ...PLAIN,
  name: 'talk',
  clusterIPs: { ip: TALK },
  ports: [{ name: 'talk', protocol: 'TCP', port: 81, target: 81 }],
  pods: SERVERS.map((number) => server(number))
}

/** What the kernel has when they are served in the family whose rules are deleted. */
const SERVED = [`${WEB.ip} tcp 80 ->`, `${WEB.ip} udp 53 ->`, `${TALK} tcp 81 ->`, `node-ip tcp ${NODE_PORT} ->`]

/** What a proxy holds. Bytes, and open descriptors. */
export interface ProxyHeld {
  readonly resident: number
  readonly descriptors: number
}

async function heldBy(pid: number): Promise<ProxyHeld> {
  const [{ residentMiB }, descriptors] = await Promise.all([memoryOf(pid), readdir(`/proc/${pid}/fd`)])
  return { resident: residentMiB * 2 ** 20, descriptors: descriptors.length }
}

/** What a soak found. */
export interface ApiSoakReport {
  readonly requests: number
  readonly gaps: readonly Gap[]
  /** How long the kernel took to have what the API had, whenever nothing was written, in milliseconds. */
  readonly settled: readonly number[]
  readonly restarts: number
  /** How long after each of them the proxy read the API server again, in milliseconds. */
  readonly returned: readonly number[]
  readonly moves: number
  readonly grown: ProxyHeld
  readonly last: ProxyHeld
  /** What `/healthz` said when the kernel had what the API had, and while the API server was away. */
  readonly health: readonly Health[]
  readonly log: string
  readonly traffic: TrafficReport
}

/** A soak in one mode. */
class ApiSoak {
  readonly #mode: SoakMode
  readonly #plane: ControlPlane
  readonly #node: TestNamespace
  readonly #proxy: NodeProxy
  readonly #objects: ApiObjects
  readonly #random: Random
  readonly #churn: Churn<Workload>
  readonly #gaps: Gap[] = []
  readonly #settled: number[] = []
  readonly #samples: ProxyHeld[] = []
  readonly #health: Health[] = []
  readonly #returned: number[] = []
  #restarts = 0
  /** Since when the API server is there again that the proxy does not read yet. */
  #readySince: number | undefined
  #moves = 0

  constructor(mode: SoakMode, plane: ControlPlane, node: TestNamespace, proxy: NodeProxy, seed: number) {
    this.#mode = mode
    this.#plane = plane
    this.#node = node
    this.#proxy = proxy
    this.#objects = new ApiObjects(plane.writer)
    this.#random = new Random(seed)
    this.#churn = new Churn(CHURNING_WORKLOADS, this.#random, CHURNING)
  }

  /** Makes all Services, and waits until the kernel has them. */
  async start(): Promise<void> {
    await this.#objects.write([web(SERVERS.map((number) => server(number))), talk, ...this.#churn.all.values()])
    await this.#settle()
  }

  /** Writes a few changes, and takes the time that so many may take. */
  async #write(): Promise<void> {
    const began = performance.now()
    const before = this.#objects.requests
    const { set, delete: gone } = this.#churn.next()
    await this.#objects.write(set, gone)
    const pace = ((this.#objects.requests - before) * 1000) / REQUESTS_PER_SECOND
    await sleep(Math.max(0, pace - (performance.now() - began)))
  }

  /** Other servers for those who come: one is gone, or leaves. */
  async #roll(): Promise<void> {
    const out = this.#random.below(SERVERS.length + 1)
    const isLeaving = this.#random.chance(50)
    const pods = SERVERS.filter((number) => number !== out || isLeaving)
    await this.#objects.write([web(pods.map((number) => server(number, number === out ? 'leaving' : 'ready')))])
  }

  /** The node is in another zone, or in none, and has other labels. */
  async #move(): Promise<void> {
    const zone = this.#random.pick([...ZONES, null])
    const labels = { 'topology.kubernetes.io/zone': zone, 'soak/number': String(this.#random.below(1000)) }
    await this.#plane.writer.patch(NODE_OBJECT, { metadata: { labels } })
    this.#moves++
  }

  async #flush(): Promise<void> {
    const isRepaired = async (): Promise<boolean> => {
      const lines = await linesOfKernel(this.#mode, this.#node)
      return SERVED.every((start) => lines.some((line) => line.startsWith(start)))
    }
    this.#gaps.push(await flush(this.#mode, this.#node, isRepaired, REPAIR_MS))
  }

  /** The API server dies and comes back; somebody deletes the rules meanwhile. */
  async #restart(): Promise<void> {
    await this.#plane.stopApi('SIGKILL')
    await this.#flush()
    this.#health.push(await this.#proxy.health())
    await this.#plane.startApi()
    this.#readySince = performance.now()
    this.#restarts++
  }

  /** Sees whether the proxy reads the API server that has started. */
  async #return(): Promise<void> {
    if (this.#readySince === undefined || (await this.#proxy.health()).api !== undefined) return
    this.#returned.push(performance.now() - this.#readySince)
    this.#readySince = undefined
  }

  /** Waits until the kernel has exactly the endpoints of the API. */
  async #settle(): Promise<void> {
    const began = performance.now()
    const wanted = await linesOfApi(this.#mode, this.#plane.writer)
    for (;;) {
      const had = await linesOfKernel(this.#mode, this.#node)
      if (had.join('\n') === wanted.join('\n')) break
      if (performance.now() - began > SETTLE_MS) throw new Error(`${differenceOf(wanted, had)}\n${this.#proxy.output().slice(-2000)}`)
      await sleep(100)
    }
    this.#settled.push(performance.now() - began)
  }

  async #look(): Promise<void> {
    // It can know nothing new.
    if (this.#readySince !== undefined) return
    await this.#settle()
    this.#health.push(await this.#proxy.health())
  }

  async run(seconds: number): Promise<void> {
    const turns = [
      turn(EVERY.restart, () => this.#restart()),
      turn(EVERY.roll, () => this.#roll()),
      turn(EVERY.node, () => this.#move()),
      turn(EVERY.flush, () => this.#flush()),
      turn(EVERY.return, () => this.#return()),
      turn(EVERY.quiet, () => this.#look()),
      turn(EVERY.sample, async () => this.#samples.push(await heldBy(this.#proxy.pid)))
    ]
    await takeTurns(seconds, turns, () => this.#write())
    await until(
      'the API server is read',
      async () => {
        await this.#return()
        return this.#readySince === undefined
      },
      RETURN_MS
    )
    await this.#look()
  }

  report(traffic: TrafficReport): ApiSoakReport {
    return {
      requests: this.#objects.requests,
      gaps: this.#gaps,
      settled: this.#settled,
      restarts: this.#restarts,
      returned: this.#returned,
      moves: this.#moves,
      grown: growth(this.#samples),
      last: this.#samples.at(-1)!,
      health: this.#health,
      log: this.#proxy.output(),
      traffic
    }
  }
}

/** The first lines that the kernel lacks, and those that it must not have. */
function differenceOf(wanted: readonly string[], had: readonly string[]): string {
  const without = (lines: readonly string[], others: readonly string[]): string[] => {
    const known = new Set(others)
    return lines.filter((line) => !known.has(line))
  }
  const [lacks, extra] = [without(wanted, had), without(had, wanted)]
  const first = (lines: readonly string[]): string => lines.slice(0, 10).join('\n  ')
  return `${SETTLE_MS} ms after the last change the kernel lacks ${lacks.length} endpoints of the API:\n  ${first(lacks)}\nand has ${extra.length} others:\n  ${first(extra)}\nof ${wanted.length}; it lists ${had.length}`
}

/** Runs a mode for some seconds after its first sync. */
export async function soakApi(mode: SoakMode, seconds: number, seed: number): Promise<ApiSoakReport> {
  const plane = await startControlPlane()
  onTestFinished(() => plane.stop())
  await plane.writer.createAll([
    SHOP,
    { ...NODE_OBJECT, metadata: { name: NODE.name, labels: { 'topology.kubernetes.io/zone': NODE.zone } } } as typeof SHOP
  ])
  const network = await makeSoakNetwork()
  await connectToApi(network.node)
  onTestFinished(disconnectFromApi)
  const proxy = await startNodeProxy(network, plane, { followsRanges: true, nodePorts: NODE_PORTS, words: ['--mode', mode] })
  const running = new ApiSoak(mode, plane, network.node, proxy, seed)
  await running.start()
  const clients = await startTraffic(network, { web: WEB, nodePort: NODE_PORT, talk: TALK })
  await running.run(seconds)
  return running.report(await clients.end())
}
