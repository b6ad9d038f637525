import type { PlaneCounters, PlaneEvent, PlaneStatus, SyncReport } from 'netplane'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { KubeProxyMetrics, type KubeProxyMetricSources } from './kube-proxy-metrics.js'

/** How often it is looked how late the event loop is. The default, 10 ms, takes more of the processor than all else of a proxy at rest. */
const EVENT_LOOP_MS = 1000

/** What metrics are read from. */
export interface MetricSources extends KubeProxyMetricSources {
  /** What the kernel has counted of services; undefined: nobody asked for it. */
  readonly counters?: (() => Promise<PlaneCounters>) | undefined
}

/** What the daemon counts, in the format of Prometheus. */
export class Metrics {
  readonly registry = new Registry()
  readonly #syncSeconds = new Histogram({
    name: 'netplane_sync_duration_seconds',
    help: 'Time of a sync, from its turn to its end',
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
    registers: [this.registry]
  })
  readonly #syncFailures = new Counter({
    name: 'netplane_sync_failures_total',
    help: 'Syncs that failed as a whole',
    registers: [this.registry]
  })
  readonly #lastSync = new Gauge({
    name: 'netplane_sync_last_timestamp_seconds',
    help: 'When the last sync succeeded',
    registers: [this.registry]
  })
  readonly #objects = new Counter({
    name: 'netplane_objects_total',
    help: 'Objects of the kernel that carry services, written and deleted',
    labelNames: ['change'],
    registers: [this.registry]
  })
  readonly #drift = new Counter({
    name: 'netplane_drift_repaired_total',
    help: 'Times that another process had changed what is ours and it was repaired',
    registers: [this.registry]
  })
  readonly #flows = new Counter({
    name: 'netplane_stale_flows_deleted_total',
    help: 'Flows that a change left stale and that were deleted',
    registers: [this.registry]
  })
  readonly #problems = new Gauge({
    name: 'netplane_manifest_problems',
    help: 'Documents that could not be read',
    registers: [this.registry]
  })

  /** The names of kube-proxy. */
  readonly kubeProxy: KubeProxyMetrics

  /** @param status What the plane holds: it changes without a sync, too, as addresses of this node come and go. */
  constructor(status: () => PlaneStatus, sources: MetricSources) {
    this.kubeProxy = new KubeProxyMetrics(this.registry, sources)
    const show = (name: string, help: string, count: (now: PlaneStatus) => number): void => {
      const gauge: Gauge = new Gauge({ name, help, registers: [this.registry], collect: () => gauge.set(count(status())) })
    }
    show('netplane_services', 'Services in the kernel', ({ services }) => services)
    show('netplane_quarantined_services', 'Services that could not be applied', ({ quarantined }) => quarantined.length)
    show('netplane_draining_endpoints', 'Endpoints of mode ipvs that wait for the end of their connections', ({ details }) =>
      details.mode === 'ipvs' ? details.draining : 0
    )
    if (sources.counters !== undefined) this.#showCounters(sources.counters)
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: EVENT_LOOP_MS })
  }

  /** What the kernel counts outlives this process. Where it cannot be read, there is nothing: other metrics are as important. */
  #showCounters(read: () => Promise<PlaneCounters>): void {
    const counter: Counter = new Counter({
      name: 'netplane_service_connections_total',
      help: 'New connections that were sent to an endpoint of a service',
      labelNames: ['service'],
      registers: [this.registry],
      collect: async () => {
        const counters = await read().catch(() => [])
        counter.reset()
        for (const { service, connections } of counters) counter.inc({ service }, Number(connections))
      }
    })
  }

  synced(report: SyncReport): void {
    this.#syncSeconds.observe(report.durationMs.total / 1000)
    this.#lastSync.set(Date.now() / 1000)
    this.#objects.inc({ change: 'written' }, report.objects.written)
    this.#objects.inc({ change: 'deleted' }, report.objects.deleted)
  }

  failed(): void {
    this.#syncFailures.inc()
  }

  manifests(problems: number): void {
    this.#problems.set(problems)
  }

  event(event: PlaneEvent): void {
    if (event.type === 'repaired') this.#drift.inc()
    if (event.type !== 'flows') return
    this.#flows.inc(event.report.deleted)
    this.kubeProxy.flows(event.report)
  }
}
