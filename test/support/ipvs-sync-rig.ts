import type { Ipvs } from '../../src/ipvs/client.js'
import type { RealServerListColumns, ServiceListColumns } from '../../src/ipvs/column-types.js'
import { describeServiceRow } from '../../src/ipvs/keys.js'
import { decodeServer, describeServerRow } from '../../src/ipvs/server-rows.js'
import { decodeService } from '../../src/ipvs/service-rows.js'
import { SocketTarget } from '../../src/ipvs/sync/calls.js'
import { SyncEngine } from '../../src/ipvs/sync/engine.js'
import type { SyncTarget } from '../../src/ipvs/sync/target.js'
import type {
  Desired,
  DesiredService,
  DrainReport,
  IpvsPlan,
  IpvsPlanOptions,
  IpvsSyncOptions,
  IpvsSyncReport
} from '../../src/ipvs/sync/types.js'
import type { RealServer, ServiceFlag, VirtualService } from '../../src/ipvs/types.js'
import { FakeIpvsKernel, type FakeIpvsFault, type FakeIpvsOperation } from '../../src/testing/ipvs/kernel.js'
import type { Random } from './random.js'

interface Held {
  readonly service: VirtualService
  /** By `10.1.0.1:80`, in the kernel's order. */
  readonly servers: ReadonlyMap<string, RealServer>
}

/** How many replies are lost at a time. */
const LOST_AT_ONCE = 4

/** The fake, with what the tests of syncs order and count. */
class RigKernel {
  readonly fake = new FakeIpvsKernel()
  /** `add service tcp 10.0.0.1:80`, in the order in which they were applied. */
  readonly log: string[] = []
  operations = 0
  /** Of operations whose replies are lost, those of this parity are applied; the others are refused in silence. */
  appliedParity: 0 | 1 = 0
  lists = 0
  fault: (operation: number, text: string) => number | 'lost' | undefined = () => undefined
  listFault: () => void = () => undefined
  /** Called after every call. */
  afterChange: () => void = () => undefined
  #lostUntil = 0

  constructor() {
    this.fake.applied = ({ text }) => void this.log.push(text)
    this.fake.listFault = () => {
      this.lists++
      this.listFault()
      return undefined
    }
    this.fake.fault = (operation) => this.#faultOf(operation)
  }

  /** Replies are lost within one call only. */
  beginCall(): void {
    this.#lostUntil = 0
  }

  #faultOf({ index, text }: FakeIpvsOperation): FakeIpvsFault {
    this.operations = index + 1
    const isLosing = index < this.#lostUntil
    const fault = isLosing ? 'lost' : this.fault(index, text)
    if (fault !== 'lost') return fault
    if (!isLosing) this.#lostUntil = index + LOST_AT_ONCE
    return index % 2 === this.appliedParity ? 'lost' : 'lost-refused'
  }

  /** What it holds now. */
  get services(): ReadonlyMap<string, Held> {
    const { listFault } = this.fake
    this.fake.listFault = () => undefined
    const listed = this.fake.list({ servers: true, statistics: false, deadlineMs: 1 })
    this.fake.listFault = listFault
    if (listed.failure !== undefined) throw new Error('the fake cannot be read')
    const services = listed.value.services[0] as unknown as ServiceListColumns
    const servers = listed.value.servers[0] as unknown as RealServerListColumns
    const found = Array.from({ length: services.rows }, (_, row) => ({
      key: describeServiceRow(services, row),
      service: decodeService(services, row),
      servers: new Map<string, RealServer>()
    }))
    for (let row = 0; row < servers.rows; row++)
      found[servers.service[row]!]!.servers.set(describeServerRow(servers, row), decodeServer(servers, row))
    return new Map(found.map(({ key, ...held }) => [key, held]))
  }

  /** Sets the connections of a real server. */
  connect(key: string, server: string, active: number, inactive = 0): void {
    const { service, servers } = this.services.get(key)!
    this.fake.setConnections(service, servers.get(server)!, { active, inactive })
  }

  dump(): string {
    return this.fake.dump()
  }
}

/** A client's syncs on the fake, and a clock that the test moves. */
export class Rig {
  readonly kernel = new RigKernel()
  nowMs = 1000
  engine = new SyncEngine(() => this.nowMs)

  async #target(operation: string): Promise<SyncTarget> {
    const opened = await this.kernel.fake.openIpvs()
    if (opened.failure !== undefined) throw new Error('the fake cannot be opened')
    const target = new SocketTarget({ socket: opened.value, kernel: this.kernel.fake, netns: undefined }, operation, 60_000)
    return {
      list: async (services) => await target.list(services),
      setting: async (name) => await target.setting(name),
      change: async (rows, limits) => {
        this.kernel.beginCall()
        const report = await target.change(rows, limits)
        this.kernel.afterChange()
        return report
      }
    }
  }

  async plan(desired: Desired, options: IpvsPlanOptions = {}): Promise<IpvsPlan> {
    return await this.engine.plan(await this.#target('ipvs.plan'), desired, options)
  }

  /** A refusal undoes everything, unless the options say otherwise. */
  async sync(desired: Desired, given: IpvsSyncOptions = {}): Promise<IpvsSyncReport> {
    const options: IpvsSyncOptions = { onError: 'atomic', ...given }
    const limits = { signal: options.signal, deadlineAt: performance.now() + (options.deadlineMs ?? 60_000) }
    return await this.engine.sync(await this.#target('ipvs.sync'), desired, options, limits, 60_000)
  }

  async drain(): Promise<DrainReport> {
    return await this.engine.drain(await this.#target('ipvs.drain'), { signal: undefined, deadlineAt: performance.now() + 60_000 })
  }

  /** Another process changes something. */
  async meddle(change: (ipvs: Ipvs) => Promise<void>): Promise<void> {
    await using ipvs = await this.kernel.fake.open()
    await change(ipvs)
  }

  /** Another process: the kernel stays, memory is gone. */
  restart(): void {
    this.engine = new SyncEngine(() => this.nowMs)
  }
}

const schedulers = ['rr', 'wlc', 'sh', 'mh', 'dh'] as const
const forwardings = ['masquerade', 'direct-route', 'tunnel'] as const

/** Any of the flags that a service may have. */
function randomFlags(random: Random, scheduler: string | undefined): ServiceFlag[] {
  const own = scheduler === 'sh' ? (['sh-fallback', 'sh-port'] as const) : scheduler === 'mh' ? (['mh-fallback', 'mh-port'] as const) : []
  return (['one-packet', ...own, 'flag-3'] as const).filter(() => random.chance(50))
}

/** Some service out of few, so that walks meet the same ones again. */
export function randomService(random: Random): DesiredService {
  const index = random.below(8)
  const isIPv6 = index === 7
  const key =
    index === 0
      ? { fwmark: 7 }
      : { protocol: index % 3 === 0 ? ('udp' as const) : ('tcp' as const), address: isIPv6 ? 'fd00::1' : `10.96.0.${index}`, port: 80 }
  const scheduler = random.pick(schedulers)
  const hasScheduler = random.chance(80)
  const prefix = isIPv6 ? 'fd00::1:' : '10.1.0.'
  const chosen = new Set(Array.from({ length: random.below(5) }, () => random.below(6) + 1))
  return {
    ...key,
    ...(hasScheduler && { scheduler }),
    ...(random.chance(20) && { persistence: { timeoutSeconds: 60 + random.below(2), ...(random.chance(50) && { prefixLength: 24 }) } }),
    ...(random.chance(40) && { flags: randomFlags(random, hasScheduler ? scheduler : undefined) }),
    realServers: [...chosen].map((host) => ({
      address: `${prefix}${host}`,
      port: 8080,
      ...(random.chance(60) && { weight: random.below(4) }),
      ...(random.chance(20) && { forwarding: random.pick(forwardings) }),
      ...(random.chance(10) && { upperThreshold: 100, lowerThreshold: random.below(50) })
    }))
  }
}

/** A desired state: each service once. */
export function randomDesired(random: Random): DesiredService[] {
  const services = Array.from({ length: random.below(8) }, () => randomService(random))
  return [...new Map(services.map((service) => [`${service.fwmark} ${service.address}`, service])).values()]
}
