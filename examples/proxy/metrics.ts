import type { PlaneEvent, SyncReport } from 'netplane'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What the daemon counts, in the format of Prometheus. */
export class Metrics {
  readonly registry = new Registry()
  readonly #syncSeconds = new Histogram({
    name: 'netplane_sync_duration_seconds',
    help: 'Time of a sync, from the call to the last commit',
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
  readonly #elements = new Counter({
    name: 'netplane_elements_total',
    help: 'Set and map elements written and deleted',
    labelNames: ['change'],
    registers: [this.registry]
  })
  readonly #services = new Gauge({ name: 'netplane_services', help: 'Services in the kernel', registers: [this.registry] })
  readonly #quarantined = new Gauge({
    name: 'netplane_quarantined_services',
    help: 'Services that could not be applied',
    registers: [this.registry]
  })
  readonly #drift = new Counter({
    name: 'netplane_drift_repaired_total',
    help: 'Times that somebody else had changed our tables and they were repaired',
    registers: [this.registry]
  })
  readonly #flows = new Counter({
    name: 'netplane_stale_flows_cut_total',
    help: 'Flows that a change left astray and that were cut',
    registers: [this.registry]
  })
  readonly #problems = new Gauge({
    name: 'netplane_manifest_problems',
    help: 'Documents that could not be read',
    registers: [this.registry]
  })

  constructor() {
    collectDefaultMetrics({ register: this.registry })
  }

  synced(report: SyncReport, services: number): void {
    this.#syncSeconds.observe(report.durationMs / 1000)
    this.#lastSync.set(Date.now() / 1000)
    this.#elements.inc({ change: 'written' }, report.elements.added)
    this.#elements.inc({ change: 'deleted' }, report.elements.removed)
    this.#services.set(services)
    this.#quarantined.set(report.quarantined.length)
  }

  failed(): void {
    this.#syncFailures.inc()
  }

  manifests(problems: number): void {
    this.#problems.set(problems)
  }

  event(event: PlaneEvent): void {
    if (event.type === 'repaired') this.#drift.inc()
    if (event.type === 'flows') this.#flows.inc(event.report.deleted)
  }
}
