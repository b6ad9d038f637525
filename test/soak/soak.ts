/**
 * A plane that has to change all the time, with traffic that never stops, foreign writers, and addresses that come and go.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { openPlane, type Plane, type PlaneMode, type Service } from '../../src/index.js'
import type { TestNamespace } from '../support/namespace.js'
import { Random } from '../support/random.js'
import { until } from '../support/run.js'
import { addressOf } from '../support/service-network.js'
import { Churn } from './churn.js'
import { flush, type Gap } from './flushes.js'
import { growth } from './growth.js'
import { held, type Held } from './memory.js'
import { makeSoakNetwork, SERVERS } from './network.js'
import { answering, CHURNING_SERVICES } from './services.js'
import { startTraffic, type TrafficReport } from './traffic.js'
import { takeTurns, turn } from './turn.js'

const CHURNING = 2000

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' } as const
const families = ['ip', 'ip6'] as const

/** Between two of them, milliseconds. */
const EVERY = { explain: 100, roll: 500, address: 1500, flush: 5000, sample: 1000 } as const

/** How long a foreign flush may take to be repaired. */
const REPAIR_MS = 30_000

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

/** What a soak found. */
export interface SoakReport {
  readonly updates: number
  readonly explained: number
  readonly gaps: readonly Gap[]
  readonly grown: Held
  readonly last: Held
  readonly traffic: TrafficReport
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
  readonly #churn: Churn<Service>
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
    this.#churn = new Churn(CHURNING_SERVICES, this.#random, CHURNING)
  }

  /** All services that there are. */
  services(): Map<string, Service> {
    const kept = [web(SERVERS), dns(SERVERS), steady('talk', 'tcp', 81, 81, SERVERS)]
    return new Map([...this.#churn.all, ...kept.map((service) => [service.name, service] as const)])
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
    const request = { protocol: 'tcp', address: VIP.ip, port: 80, from: addressOf.ip(0) } as const
    const isRepaired = async (): Promise<boolean> =>
      this.#plane.status().drifts > drifts && (await this.#plane.explain(request)).outcome.type === 'served'
    this.#gaps.push(await flush(this.#mode, this.#node, isRepaired, REPAIR_MS))
  }

  async run(seconds: number): Promise<void> {
    const turns = [
      turn(EVERY.explain, () => this.#explain()),
      turn(EVERY.roll, () => this.#roll()),
      turn(EVERY.address, () => this.#changeAddress()),
      turn(EVERY.flush, () => this.#flush()),
      turn(EVERY.sample, () => Promise.resolve(this.#samples.push(held())))
    ]
    await takeTurns(seconds, [...turns, () => sleep(10)], () => this.#update())
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
  const at = await makeSoakNetwork({ isOwn: true })
  const plane = await openPlane({ mode, netns: at.node.path })
  onTestFinished(() => plane.close({ cleanup: true }))
  const complaints = complaintsOf(plane)
  const running = new Soak(plane, mode, at.node, seed)
  await plane.sync(running.services())
  const clients = await startTraffic(at, { web: VIP, nodePort: 30_080, talk: VIP.ip })
  await running.run(seconds)
  const report = running.report(await clients.end())
  await plane.sync(running.services())
  expect((await plane.plan(running.services())).isEmpty).toBe(true)
  expect(complaints).toEqual([])
  return report
}
