import type { Service, StaleFlowReport, SyncReport } from 'netplane'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { isObject, TRIGGER_TIME } from './kubernetes/shape.js'
import type { ObjectChange, ProgramCertificate, RequestCount, RequestMeasure } from './sources/types.js'

/** What kube-proxy calls the families of the library. */
const FAMILY_NAMES = { ip: 'IPv4', ip6: 'IPv6' } as const
type Family = (typeof FAMILY_NAMES)[keyof typeof FAMILY_NAMES]
const FAMILIES: readonly Family[] = Object.values(FAMILY_NAMES)

const linear = (start: number, width: number, count: number): number[] => Array.from({ length: count }, (_, index) => start + index * width)

/** Buckets of pkg/proxy/metrics/metrics.go. */
const SYNC_BUCKETS = Array.from({ length: 15 }, (_, index) => 2 ** index / 1000)
const PROGRAMMING_BUCKETS = [...linear(0.25, 0.25, 2), ...linear(1, 1, 59), ...linear(60, 5, 12), ...linear(120, 30, 7)]

/** Of component-base/metrics/prometheus/restclient/metrics.go. */
const LATENCY_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60]
const SIZE_BUCKETS = [64, 256, 512, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216]
const DAY_SECONDS = 86_400
/** From ten minutes to four years. */
const AGE_BUCKETS = [600, 1800, 3600, 14_400, ...[1, 7, 30, 90, 180, 360, 1440].map((days) => days * DAY_SECONDS)]
const MEASURES: Readonly<Record<RequestMeasure['what'], { readonly name: string; readonly help: string; readonly buckets: number[] }>> = {
  durationSeconds: { name: 'request_duration_seconds', help: 'Time of a request', buckets: LATENCY_BUCKETS },
  waitSeconds: { name: 'rate_limiter_duration_seconds', help: 'Time for which a request waited for its turn', buckets: LATENCY_BUCKETS },
  sentBytes: { name: 'request_size_bytes', help: 'Size of what a request sends', buckets: SIZE_BUCKETS },
  receivedBytes: { name: 'response_size_bytes', help: 'Size of an answer', buckets: SIZE_BUCKETS }
}

/** A change that the kernel does not have. */
interface PendingChange {
  /** By the clock that nobody sets. */
  readonly at: number
  readonly kind: 'Service' | 'EndpointSlice'
  /** When it began, and in which family. */
  readonly trigger: { readonly timeMs: number; readonly family: Family } | undefined
}

/** What the metrics are read from, each time that they are asked for. */
export interface KubeProxyMetricSources {
  readonly services: () => ReadonlyMap<string, Service>
  readonly requests: () => readonly RequestCount[]
}

/** A service that drops connections here: its policy is `local`, and it has endpoints of the family that take connections on other nodes alone. */
function lacksLocal({ frontends, endpoints }: Service, isInternal: boolean, family: Family): boolean {
  const isLocal = frontends.some((frontend) => (frontend.kind === 'cluster') === isInternal && frontend.trafficPolicy === 'local')
  if (!isLocal) return false
  const own = endpoints.filter(({ address, state }) => state !== 'draining' && address.includes(':') === (family === 'IPv6'))
  return own.length > 0 && own.every(({ local }) => local !== true)
}

function familyOf(object: unknown): Family | undefined {
  const type = isObject(object) ? object['addressType'] : undefined
  return FAMILIES.find((family) => family === type)
}

function kindOf(key: string): PendingChange['kind'] | undefined {
  return (['Service', 'EndpointSlice'] as const).find((kind) => key.startsWith(`${kind} `))
}

/**
 * The metrics of kube-proxy 1.37 that mean something here, with its names, types, labels and buckets. One sync serves both families here, and counts for each. Times of the network are those
 * from the change of an endpoint, as the control plane notes it, to the kernel.
 */
export class KubeProxyMetrics {
  readonly #sources: KubeProxyMetricSources
  readonly #startedMs = Date.now()
  readonly #triggers = new Map<string, number>()
  #pending: PendingChange[] = []
  readonly #syncSeconds: Histogram<'ip_family'>
  readonly #fullSeconds: Histogram<'ip_family'>
  readonly #partialSeconds: Histogram<'ip_family'>
  readonly #programmingSeconds: Histogram<'ip_family'>
  readonly #lastSync: Gauge<'ip_family'>
  readonly #lastQueued: Gauge<'ip_family'>
  readonly #changes: Readonly<Record<PendingChange['kind'], Counter>>
  readonly #measures: Readonly<Record<RequestMeasure['what'], Histogram<'verb' | 'host'>>>
  readonly #flowSeconds: Histogram<'ip_family'>
  readonly #deletedFlows: Counter<'ip_family'>
  readonly #certificateAges: Histogram
  #certificateEndsAtMs = Infinity
  readonly #healthz: Counter<'code'>
  readonly #livez: Counter<'code'>

  constructor(registry: Registry, sources: KubeProxyMetricSources) {
    const registers = [registry]
    const histogram = (name: string, help: string, buckets: number[]): Histogram<'ip_family'> =>
      new Histogram({ name: `kubeproxy_${name}`, help, labelNames: ['ip_family'], buckets, registers })
    const gauge = (name: string, help: string): Gauge<'ip_family'> =>
      new Gauge({ name: `kubeproxy_${name}`, help, labelNames: ['ip_family'], registers })
    const probes = (name: string, help: string): Counter<'code'> =>
      new Counter({ name: `kubeproxy_${name}`, help, labelNames: ['code'], registers })
    const changes = (word: string, kind: PendingChange['kind']): Counter => {
      const name = `kubeproxy_sync_proxy_rules_${word}_changes`
      const pending: Gauge = new Gauge({
        name: `${name}_pending`,
        help: `Changes of kind ${kind} that the kernel does not have`,
        registers,
        collect: () => pending.set(this.#pending.filter((change) => change.kind === kind).length)
      })
      return new Counter({ name: `${name}_total`, help: `Changes of kind ${kind}`, registers })
    }
    this.#sources = sources
    this.#syncSeconds = histogram('sync_proxy_rules_duration_seconds', 'Time of a sync', SYNC_BUCKETS)
    this.#fullSeconds = histogram('sync_full_proxy_rules_duration_seconds', 'Time of a sync of all services', SYNC_BUCKETS)
    this.#partialSeconds = histogram('sync_partial_proxy_rules_duration_seconds', 'Time of a sync of changes alone', SYNC_BUCKETS)
    this.#programmingSeconds = histogram(
      'network_programming_duration_seconds',
      'Time from the change of an endpoint until the kernel has it',
      PROGRAMMING_BUCKETS
    )
    this.#flowSeconds = histogram('conntrack_reconciler_sync_duration_seconds', 'Time of a look at flows after a change', SYNC_BUCKETS)
    this.#deletedFlows = new Counter({
      name: 'kubeproxy_conntrack_reconciler_deleted_entries_total',
      help: 'Flows that a change left stale and that were deleted',
      labelNames: ['ip_family'],
      registers
    })
    for (const ip_family of FAMILIES) this.#deletedFlows.inc({ ip_family }, 0)
    this.#lastSync = gauge('sync_proxy_rules_last_timestamp_seconds', 'When the last sync succeeded')
    this.#lastQueued = gauge('sync_proxy_rules_last_queued_timestamp_seconds', 'When a sync was last asked for')
    this.#changes = { Service: changes('service', 'Service'), EndpointSlice: changes('endpoint', 'EndpointSlice') }
    this.#healthz = probes('proxy_healthz_total', 'Answers of /healthz')
    this.#livez = probes('proxy_livez_total', 'Answers of /livez')
    const measure = (what: RequestMeasure['what']): Histogram<'verb' | 'host'> => {
      const { name, ...others } = MEASURES[what]
      return new Histogram({ name: `rest_client_${name}`, labelNames: ['verb', 'host'], registers, ...others })
    }
    this.#measures = {
      durationSeconds: measure('durationSeconds'),
      waitSeconds: measure('waitSeconds'),
      sentBytes: measure('sentBytes'),
      receivedBytes: measure('receivedBytes')
    }
    this.#certificateAges = new Histogram({
      name: 'rest_client_exec_plugin_certificate_rotation_age',
      help: 'Seconds for which a certificate of a program for credentials had been valid when another one replaced it',
      buckets: AGE_BUCKETS,
      registers
    })
    this.#showCertificate(registers)
    this.#showServices(registers)
    this.#showRequests(registers)
  }

  /** Changes were told. */
  told(changes: readonly ObjectChange[]): void {
    const at = performance.now()
    for (const { key, object } of changes) {
      const kind = kindOf(key)
      if (kind === undefined) continue
      this.#changes[kind].inc()
      this.#pending.push({ at, kind, trigger: kind === 'EndpointSlice' ? this.#triggerOf(key, object) : undefined })
    }
  }

  /** A sync was asked for. */
  queued(): void {
    for (const family of FAMILIES) this.#lastQueued.set({ ip_family: family }, Date.now() / 1000)
  }

  /** @param lagMs How long the oldest change has waited that the kernel does not have; 0: it has all. */
  synced({ durationMs }: SyncReport, isWhole: boolean, lagMs: number): void {
    const seconds = durationMs.total / 1000
    const now = Date.now()
    for (const ip_family of FAMILIES) {
      this.#syncSeconds.observe({ ip_family }, seconds)
      ;(isWhole ? this.#fullSeconds : this.#partialSeconds).observe({ ip_family }, seconds)
      this.#lastSync.set({ ip_family }, now / 1000)
    }
    this.settled(lagMs)
  }

  /**
   * The kernel has what was told, as far as it needs it: changes of what no service uses need no sync.
   *
   * @param lagMs As of {@link KubeProxyMetrics.synced}.
   */
  settled(lagMs: number): void {
    const now = Date.now()
    const since = lagMs === 0 ? Infinity : performance.now() - lagMs
    for (const { at, trigger } of this.#pending)
      if (at < since && trigger !== undefined)
        this.#programmingSeconds.observe({ ip_family: trigger.family }, Math.max(0, now - trigger.timeMs) / 1000)
    this.#pending = this.#pending.filter(({ at }) => at >= since)
  }

  /** Flows were looked at. */
  flows({ families }: Pick<StaleFlowReport, 'families'>): void {
    for (const family of ['ip', 'ip6'] as const) {
      const looked = families[family]
      if (looked === undefined) continue
      const ip_family = FAMILY_NAMES[family]
      this.#flowSeconds.observe({ ip_family }, looked.durationMs / 1000)
      this.#deletedFlows.inc({ ip_family }, looked.deleted)
    }
  }

  /** A request to the API server was made. */
  measured({ what, value, ...labels }: RequestMeasure): void {
    this.#measures[what].observe(labels, value)
  }

  /** A program gave a certificate for requests to the API server. */
  certified({ endsAtMs, replacedAfterSeconds }: ProgramCertificate): void {
    this.#certificateEndsAtMs = endsAtMs
    if (replacedAfterSeconds !== undefined) this.#certificateAges.observe(replacedAfterSeconds)
  }

  /** A probe was answered. */
  answered(path: 'healthz' | 'livez', status: number): void {
    ;(path === 'healthz' ? this.#healthz : this.#livez).inc({ code: String(status) })
  }

  /** Changes from before the start, and those that were told before, say nothing of this process. */
  #triggerOf(key: string, object: unknown): PendingChange['trigger'] {
    const family = familyOf(object)
    const { annotations } = isObject(object) && isObject(object['metadata']) ? object['metadata'] : {}
    const timeMs = isObject(annotations) ? Date.parse(String(annotations[TRIGGER_TIME])) : NaN
    if (object === undefined) this.#triggers.delete(key)
    if (family === undefined || Number.isNaN(timeMs) || timeMs <= this.#startedMs || this.#triggers.get(key) === timeMs) return undefined
    this.#triggers.set(key, timeMs)
    return { timeMs, family }
  }

  #showCertificate(registers: Registry[]): void {
    const gauge: Gauge = new Gauge({
      name: 'rest_client_exec_plugin_ttl_seconds',
      help: 'Seconds for which the certificate of a program for credentials is valid; +Inf: there is none',
      registers,
      collect: () => gauge.set((this.#certificateEndsAtMs - Date.now()) / 1000)
    })
  }

  #showServices(registers: Registry[]): void {
    const gauge: Gauge<'ip_family' | 'traffic_policy'> = new Gauge({
      name: 'kubeproxy_sync_proxy_rules_no_local_endpoints_total',
      help: 'Services with policy Local that have endpoints on other nodes alone',
      labelNames: ['ip_family', 'traffic_policy'],
      registers,
      collect: () => {
        const services = [...this.#sources.services().values()]
        for (const ip_family of FAMILIES)
          for (const traffic_policy of ['internal', 'external'] as const) {
            const isInternal = traffic_policy === 'internal'
            gauge.set({ ip_family, traffic_policy }, services.filter((service) => lacksLocal(service, isInternal, ip_family)).length)
          }
      }
    })
  }

  #showRequests(registers: Registry[]): void {
    const counter: Counter<'code' | 'host' | 'method'> = new Counter({
      name: 'rest_client_requests_total',
      help: 'Requests to the API server',
      labelNames: ['code', 'host', 'method'],
      registers,
      collect: () => {
        counter.reset()
        for (const { count, ...labels } of this.#sources.requests()) counter.inc(labels, count)
      }
    })
  }
}
