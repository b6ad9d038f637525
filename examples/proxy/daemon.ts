import type { Server } from 'node:http'
import { readStateFile, type Plane, type PlaneEvent, type PlaneOptions, type Service } from 'netplane'
import type { Logger } from 'pino'
import { logEvent } from './events.js'
import { healthOf } from './health.js'
import { serveHttp, type Health } from './http.js'
import { HealthPorts } from './health-ports.js'
import { KubeProxyServers } from './configuration/servers.js'
import { Keeper, type KeeperListener } from './keeper.js'
import { knownNodeOf } from './known-node.js'
import { Catalog } from './kubernetes/catalog.js'
import { isNodeEligible } from './kubernetes/eligibility.js'
import type { HealthCheck } from './kubernetes/health-checks.js'
import { Metrics } from './metrics.js'
import { OpenedBy, type OutdatedHooks } from './opened-by.js'
import type { ProxyOptions } from './options.js'
import { RefusedAddresses } from './refused-addresses.js'
import { Reporter } from './reporter.js'
import { readyPages, type Pages } from './pages.js'
import type { ObjectChange, ObjectSource } from './sources/types.js'
import { SyncHistory } from './ui/history.js'
import { uiPages } from './ui/pages.js'

/** A change that has waited twice this long for the kernel makes `/healthz` say so. */
const SYNC_MS = 30_000
/** Services in quarantine, and ports of health checks that are taken, are tried again. */
const RETRY_MS = 10_000

/** What a daemon leaves to the one that goes on with its plane. */
export interface Inheritance {
  readonly plane: Plane
  /** What the kernel holds, until the source has told the successor. */
  readonly services: ReadonlyMap<string, Service>
  readonly syncedAt: Date | undefined
}

/** What a daemon is given beside its parts. */
export interface DaemonHooks extends OutdatedHooks {
  /** Of the daemon that had the plane before. */
  readonly inherited?: Inheritance | undefined
}

/** The running proxy: source -> services -> plane. */
export class Daemon {
  readonly #plane: Plane
  readonly #options: ProxyOptions
  readonly #log: Logger
  readonly #metrics: Metrics
  readonly #keeper: Keeper
  readonly #source: ObjectSource
  readonly #catalog: Catalog
  readonly #healthPorts: HealthPorts
  readonly #reporter: Reporter
  readonly #refusedAddresses: RefusedAddresses
  readonly #history = new SyncHistory()
  readonly #pages: Pages
  /** Problems that were logged. */
  #told: ReadonlySet<string> = new Set()
  /** What was in quarantine when a sync was logged last. */
  #toldRefused = '[]'
  /** What an earlier process kept, until the source has been understood as a whole. */
  #saved: ReadonlyMap<string, Service> | undefined
  /** Whether the keeper has all services of the catalog as desired, so that changes suffice from now on. */
  #isFollowing = false
  #hasSynced = false
  #syncedAt: Date | undefined
  #isStopping = false
  #syncError: Error | undefined
  /** Why the configuration that was to follow cannot be had. */
  #refused: Error | undefined
  /** The plane is a successor's. */
  #hasHandedOver = false
  #events: AsyncIterableIterator<PlaneEvent> | undefined
  #retries: NodeJS.Timeout | undefined
  #server: Server | undefined
  /** At kube-proxy's addresses; undefined: nothing is configured as for a kube-proxy. */
  readonly #servers: KubeProxyServers | undefined
  readonly #openedBy: OpenedBy
  #firstSync: () => void = () => undefined
  /** When the kernel first holds what should be. */
  readonly synced = new Promise<void>((resolve) => {
    this.#firstSync = resolve
  })

  constructor(plane: Plane, source: ObjectSource, options: ProxyOptions, log: Logger, hooks: DaemonHooks = {}) {
    this.#openedBy = new OpenedBy(options, hooks, log)
    if (hooks.inherited !== undefined) this.#inherit(hooks.inherited)
    this.#plane = plane
    this.#metrics = new Metrics(() => plane.status(), {
      services: () => this.#catalog.services,
      requests: () => this.#source.status.requests,
      counters: options.counters ? () => plane.counters() : undefined
    })
    this.#options = options
    this.#log = log
    this.#source = source
    this.#catalog = new Catalog(options)
    this.#reporter = new Reporter(source, (service) => this.#catalog.serviceObject(service), options.nodeName)
    this.#refusedAddresses = new RefusedAddresses(log, this.#reporter)
    this.#healthPorts = new HealthPorts({
      // Which address is the primary one, the plane knows.
      addresses: () => (options.traffic.nodeAddresses === 'primary' ? plane.status().nodeAddresses : options.nodePortPrefixes),
      isHealthy: (check) => this.#isKeepingUp && !this.#isSetAside(check),
      failed: (check, error) => {
        log.error({ service: `${check.namespace}/${check.name}`, port: check.port, err: error }, 'a health check port')
        this.#reporter.healthPort(check, error)
      }
    })
    this.#pages = this.#makePages(options)
    const { configured } = options
    const listener: KeeperListener = {
      synced: (report, isWhole) => {
        this.#firstSync()
        this.#syncedAt = new Date()
        this.#hasSynced = true
        this.#syncError = undefined
        this.#history.add(report)
        this.#metrics.synced(report)
        this.#metrics.kubeProxy.synced(report, isWhole, this.#keeper.lagMs)
        const { quarantined, durationMs, ...rest } = report
        this.#reporter.quarantined(quarantined)
        const refused = quarantined.map(({ service, error }) => ({ service, reason: error.message }))
        // Those in quarantine are tried every ten seconds, and must not fill the log.
        const refusedText = JSON.stringify(refused)
        if (report.requests > 0 || refusedText !== this.#toldRefused)
          log.info({ ...rest, durationMs: durationMs.total, quarantined: refused }, 'synced')
        this.#toldRefused = refusedText
      },
      failed: (error, retryMs) => {
        this.#metrics.failed()
        this.#syncError = error
        log.error({ err: error, retryMs }, 'sync failed')
      }
    }
    this.#keeper = new Keeper(plane, listener, { minSyncMs: configured?.minSyncMs ?? 0, maxRetryMs: this.#syncMs })
    this.#servers = configured === undefined ? undefined : new KubeProxyServers(configured, this.#kubeProxySources(), log)
  }

  get #syncMs(): number {
    return this.#options.configured?.syncMs ?? SYNC_MS
  }

  #kubeProxySources(): ConstructorParameters<typeof KubeProxyServers>[1] {
    return {
      health: () => ({
        isHealthy: this.#isKeepingUp,
        isEligible: this.#isEligible,
        syncedAt: this.#syncedAt,
        notes: this.#notes
      }),
      isReady: () => this.#hasSynced,
      metrics: this.#metricsText,
      pages: this.#pages,
      answered: (path, status) => this.#metrics.kubeProxy.answered(path, status)
    }
  }

  /** The same at each server, so that all who watch share what is read. */
  #makePages({ ui, nodeName }: ProxyOptions): Pages {
    const ready = readyPages(() => this.#hasSynced)
    if (!ui) return ready
    const own = uiPages({
      nodeName,
      services: () => this.#wanted,
      status: () => this.#plane.status(),
      counters: () => this.#plane.counters(),
      health: () => this.#health(),
      syncs: () => this.#history.notes
    })
    return { ...ready, ...own }
  }

  readonly #metricsText = async (): Promise<{ contentType: string; text: string }> => ({
    contentType: this.#metrics.registry.contentType,
    text: await this.#metrics.registry.metrics()
  })

  /**
   * Starts; resolves when the source has begun to tell: then the first state of a folder is on its way.
   *
   * @throws The source or the HTTP port cannot be had: nothing was changed, and the plane is closed.
   */
  async start(): Promise<void> {
    try {
      await this.#listen()
      // Asked to stop meanwhile: what was opened since then is closed by nobody else.
      if (this.#isStopping) return this.#closeHttp()
      this.#source.open()
      void this.#followEvents()
      await this.#beginWithSaved()
      await this.#source.start({
        told: (changes) => this.#take(changes),
        failed: (error) => this.#log.error({ err: error }, `the source (${this.#source.status.name})`),
        malformed: (object, problem) => this.#reporter.malformed(object, problem),
        measured: (measure) => this.#metrics.kubeProxy.measured(measure),
        certified: (certificate) => this.#metrics.kubeProxy.certified(certificate),
        unreported: (error) => this.#log.warn({ err: error }, 'Events are not sent')
      })
      this.#reporter.started()
    } catch (error) {
      await this.#end({ cleanup: false })
      throw error
    }
  }

  /** Stops; the rules stay, unless they are to be cleaned up. @param how `cleanup`: whether they are; default: as the options say. */
  async stop(how: { readonly cleanup: boolean } = { cleanup: this.#options.cleanup }): Promise<void> {
    await this.#end(how)
  }

  /** Whether the plane can go on in the mode of these options, instead of being opened anew. It needs services that it carries. */
  mayHandOver({ plane, netns, loopbackNodePorts }: ProxyOptions): boolean {
    const own = this.#options
    // A plane with carriers keeps its mode.
    if (loopbackNodePorts || own.loopbackNodePorts) return false
    return this.#hasSynced && !this.#isStopping && plane.mode !== own.plane.mode && netns === own.netns
  }

  /**
   * Lets the plane go on in another mode, and ends all but the plane, which is the successor's from then on.
   *
   * @throws The new mode cannot be had, or the daemon was asked to stop meanwhile: nothing was handed over.
   */
  async handOver(options: PlaneOptions): Promise<Inheritance> {
    // Changes of services wait for the switch, and follow it.
    await this.#plane.switchTo(options)
    if (!this.#isStopping) await this.#endParts()
    await this.#events?.return?.()
    if (this.#isStopping) throw new Error('the proxy was asked to stop')
    this.#hasHandedOver = true
    return { plane: this.#plane, services: this.#wanted, syncedAt: this.#syncedAt }
  }

  /** The configuration that was to follow cannot be had; undefined: this one is what is wanted. */
  refuse(error: Error | undefined): void {
    this.#refused = error
  }

  /** What should be, as far as it is known: what was kept stands in for what the source did not tell yet. */
  get #wanted(): ReadonlyMap<string, Service> {
    const { services } = this.#catalog
    return this.#saved === undefined ? services : new Map([...this.#saved, ...services])
  }

  #inherit({ services, syncedAt }: Inheritance): void {
    this.#saved = services
    this.#hasSynced = true
    this.#syncedAt = syncedAt
    this.#firstSync()
  }

  async #listen(): Promise<void> {
    await this.#servers?.listen()
    if (this.#options.listen === undefined) return
    const sources = { health: () => this.#health(), metrics: this.#metricsText, pages: this.#pages }
    const failed = (error: Error): void => this.#log.error({ err: error }, 'the HTTP server')
    const { server, address } = await serveHttp(this.#options.listen, sources, failed)
    this.#server = server
    this.#log.info({ address }, 'listening')
  }

  async #end(how: { readonly cleanup: boolean }): Promise<void> {
    this.#isStopping = true
    if (this.#hasHandedOver) return
    await this.#endParts()
    await this.#plane.close(how)
    if (how.cleanup) await knownNodeOf(this.#options)?.remove()
  }

  /** Ends all that belongs to this daemon alone. */
  async #endParts(): Promise<void> {
    clearInterval(this.#retries)
    await this.#source.close()
    this.#closeHttp()
    this.#healthPorts.close()
    await this.#keeper.stop()
  }

  #closeHttp(): void {
    this.#servers?.close()
    this.#server?.close()
    this.#server?.closeAllConnections()
  }

  /** Serves what the kernel held before, until the source says what should be. */
  async #beginWithSaved(): Promise<void> {
    const { state } = this.#options
    if (this.#saved !== undefined) return this.#sync(this.#saved)
    if (state === undefined) return
    try {
      const services = await readStateFile(state)
      if (services === undefined || this.#isStopping) return
      this.#log.info({ state, services: services.size }, 'began with the saved state')
      this.#saved = services
      this.#sync(services)
    } catch (error) {
      this.#log.warn({ err: error }, 'the saved state is passed over')
    }
  }

  /** Makes what the source tells what should be. Nothing is written before all of it was told. */
  #take(changes: readonly ObjectChange[]): void {
    if (this.#isStopping) return
    this.#metrics.kubeProxy.told(changes)
    const { hasSynced, isUnderstood, knowsRanges } = this.#source.status
    this.#logProblems()
    if (!hasSynced) return this.#catalog.take(changes)
    const changed = this.#catalog.apply(changes)
    this.#openedBy.compare(this.#catalog, knowsRanges)
    this.#want(changed, isUnderstood)
    this.#healthPorts.want(this.#catalog.healthChecks)
    this.#refusedAddresses.take(this.#catalog.refusedAddresses)
    this.#retries ??= setInterval(() => this.#retry(), RETRY_MS)
  }

  #retry(): void {
    this.#reporter.refusedAddresses(this.#catalog.refusedAddresses)
    this.#healthPorts.want(this.#catalog.healthChecks)
    const status = this.#plane.status()
    this.#reporter.takenPorts(status.takenPorts ?? [])
    const quarantined = status.quarantined.map(({ service }) => service)
    if (quarantined.length > 0 && this.#isFollowing) this.#sync(this.#catalog.services, quarantined)
  }

  #want(changed: ReadonlySet<string>, isUnderstood: boolean): void {
    const { services } = this.#catalog
    if (this.#saved !== undefined && !isUnderstood) {
      this.#sync(this.#wanted)
    } else if (this.#isFollowing) {
      if (changed.size > 0) this.#sync(services, changed)
      else this.#metrics.kubeProxy.settled(this.#keeper.lagMs)
    } else {
      this.#saved = undefined
      this.#isFollowing = true
      this.#sync(services)
    }
  }

  /** Has this written. Who watches the metrics takes what was queued after the last sync for something that waits. */
  #sync(services: ReadonlyMap<string, Service>, changed?: Iterable<string>): void {
    this.#metrics.kubeProxy.queued()
    this.#keeper.want(services, changed)
  }

  /** Once each: a source may be read every few seconds, and one mistake must not fill the log. */
  #logProblems(): void {
    const { problems } = this.#source.status
    this.#metrics.manifests(problems.length)
    for (const problem of problems) if (!this.#told.has(JSON.stringify(problem))) this.#log.warn(problem, 'passed over')
    this.#told = new Set(problems.map((problem) => JSON.stringify(problem)))
  }

  async #followEvents(): Promise<void> {
    this.#events = this.#plane.watch()
    for await (const event of this.#events) {
      this.#metrics.event(event)
      logEvent(this.#log, event)
      this.#reporter.event(event)
    }
  }

  /** Whether the kernel holds what was understood last. A folder that cannot be read is no reason for load balancers to leave this node: all nodes may have the same one. */
  get #isKeepingUp(): boolean {
    return this.#hasSynced && this.#keeper.lagMs < 2 * this.#syncMs
  }

  /** Whether a port of a service is in quarantine: this node does not serve it, however many endpoints it has. */
  #isSetAside({ namespace, name }: HealthCheck): boolean {
    return this.#plane.status().quarantined.some(({ service }) => service.startsWith(`${namespace}/${name}:`))
  }

  /** What there is to say of a change of the mode. */
  get #notes(): Record<string, unknown> {
    const { leaving } = this.#plane.status()
    return {
      ...(leaving === undefined ? {} : { leaving }),
      ...(this.#refused === undefined ? {} : { configuration: this.#refused.message })
    }
  }

  /** Whether load balancers may send new connections to this node. */
  get #isEligible(): boolean {
    return isNodeEligible(this.#catalog.nodes, this.#options.nodeName)
  }

  #health(): Health {
    return healthOf({
      plane: this.#plane.status(),
      source: this.#source.status,
      isKeepingUp: this.#isKeepingUp,
      isEligible: this.#isEligible,
      hasSynced: this.#hasSynced,
      lagMs: this.#keeper.lagMs,
      syncError: this.#syncError,
      notes: this.#notes
    })
  }
}
