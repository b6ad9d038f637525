import { SyncEngine } from '../../../../src/ipvs/sync/engine.js'
import type {
  Desired,
  DesiredService,
  DrainReport,
  IpvsPlan,
  IpvsPlanOptions,
  IpvsSyncOptions,
  IpvsSyncReport
} from '../../../../src/ipvs/sync/types.js'
import { MemoryIpvs } from '../../../support/memory-ipvs.js'
import type { Random } from '../../../support/random.js'

/** A client without a kernel: the engine on a table in memory, and a clock that the test moves. */
export class Bench {
  readonly kernel = new MemoryIpvs()
  nowMs = 1000
  engine = new SyncEngine(() => this.nowMs)

  async plan(desired: Desired, options: IpvsPlanOptions = {}): Promise<IpvsPlan> {
    return await this.engine.plan(this.kernel, desired, options)
  }

  async sync(desired: Desired, options: IpvsSyncOptions = {}): Promise<IpvsSyncReport> {
    const limits = { signal: options.signal, end: performance.now() + (options.deadlineMs ?? 60_000) }
    return await this.engine.sync(this.kernel, desired, options, limits, 60_000)
  }

  async drain(): Promise<DrainReport> {
    return await this.engine.drain(this.kernel, { signal: undefined, end: performance.now() + 60_000 })
  }

  /** Another process: the kernel stays, memory is gone. */
  restart(): void {
    this.engine = new SyncEngine(() => this.nowMs)
  }
}

const schedulers = ['rr', 'wlc', 'sh', 'mh', 'dh'] as const
const forwardings = ['masquerade', 'direct-route', 'tunnel'] as const

/** Some service out of few, so that walks meet the same ones again. */
export function randomService(random: Random): DesiredService {
  const index = random.below(8)
  const isIPv6 = index === 7
  const key =
    index === 0
      ? { fwmark: 7 }
      : { protocol: index % 3 === 0 ? ('udp' as const) : ('tcp' as const), address: isIPv6 ? 'fd00::1' : `10.96.0.${index}`, port: 80 }
  const scheduler = schedulers[random.below(schedulers.length)]!
  const prefix = isIPv6 ? 'fd00::1:' : '10.1.0.'
  const chosen = new Set(Array.from({ length: random.below(5) }, () => random.below(6) + 1))
  return {
    ...key,
    ...(random.chance(80) && { scheduler }),
    ...(random.chance(20) && { persistence: { timeoutSeconds: 60 + random.below(2), ...(random.chance(50) && { prefixLength: 24 }) } }),
    ...(random.chance(20) && { flags: scheduler === 'sh' ? [] : [] }),
    realServers: [...chosen].map((host) => ({
      address: `${prefix}${host}`,
      port: 8080,
      ...(random.chance(60) && { weight: random.below(4) }),
      ...(random.chance(20) && { forwarding: forwardings[random.below(3)]! }),
      ...(random.chance(10) && { upperThreshold: 100, lowerThreshold: random.below(50) })
    }))
  }
}

/** A desired state: each service once. */
export function randomDesired(random: Random): DesiredService[] {
  const services = Array.from({ length: random.below(8) }, () => randomService(random))
  return [...new Map(services.map((service) => [`${service.fwmark} ${service.address}`, service])).values()]
}
