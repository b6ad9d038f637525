import type { Server } from 'node:http'
import { readStateFile, type Plane, type Service } from 'netplane'
import type { Logger } from 'pino'
import { logEvent } from './events.js'
import { serveHttp } from './http.js'
import { HealthPorts } from './health-ports.js'
import { Keeper, type KeeperListener } from './keeper.js'
import { findHealthChecks, type HealthCheck } from './kubernetes/health-checks.js'
import { translate } from './kubernetes/translate.js'
import type { ManifestFolder } from './manifests/read.js'
import type { FolderContent } from './manifests/types.js'
import { FolderWatch } from './manifests/watch.js'
import { KubeProxyServers } from './configuration/servers.js'
import { isNodeEligible } from './kubernetes/eligibility.js'
import { Metrics } from './metrics.js'
import type { ProxyOptions } from './options.js'

/** A change that has waited twice this long for the kernel makes `/healthz` say so. */
const SYNC_MS = 30_000

/** The running proxy: folder -> services -> plane. */
export class Daemon {
  readonly #plane: Plane
  readonly #options: ProxyOptions
  readonly #log: Logger
  readonly #metrics: Metrics
  readonly #keeper: Keeper
  readonly #folder: ManifestFolder
  readonly #healthPorts: HealthPorts
  #content: FolderContent = { objects: [], problems: [], outdated: [] }
  #services: ReadonlyMap<string, Service> = new Map()
  /** What an earlier process kept, until the folder has been understood as a whole. */
  #saved: ReadonlyMap<string, Service> | undefined
  #reading: Promise<void> | undefined
  #isDirty = false
  #hasSynced = false
  #syncedAt: Date | undefined
  #isStopping = false
  #folderError: Error | undefined
  #syncError: Error | undefined
  #watch: FolderWatch | undefined
  #server: Server | undefined
  /** At kube-proxy's addresses; undefined: nothing is configured as for a kube-proxy. */
  readonly #servers: KubeProxyServers | undefined
  #firstSync: () => void = () => undefined
  /** When the kernel first holds what should be. */
  readonly synced = new Promise<void>((resolve) => {
    this.#firstSync = resolve
  })

  constructor(plane: Plane, folder: ManifestFolder, options: ProxyOptions, log: Logger) {
    this.#plane = plane
    this.#metrics = new Metrics(() => plane.status())
    this.#options = options
    this.#log = log
    this.#folder = folder
    this.#healthPorts = new HealthPorts({
      // Which address is the primary one, the plane knows.
      addresses: () => (options.traffic.nodeAddresses === 'primary' ? plane.status().nodeAddresses : options.nodePortPrefixes),
      isHealthy: (check) => this.#isKeepingUp && !this.#isSetAside(check),
      failed: ({ namespace, name, port }, error) => log.error({ service: `${namespace}/${name}`, port, err: error }, 'a health check port')
    })
    const { configured } = options
    const listener: KeeperListener = {
      synced: (report) => {
        this.#firstSync()
        this.#syncedAt = new Date()
        this.#hasSynced = true
        this.#syncError = undefined
        this.#metrics.synced(report)
        const { quarantined, durationMs, ...rest } = report
        if (report.requests > 0 || quarantined.length > 0)
          log.info(
            {
              ...rest,
              durationMs: durationMs.total,
              quarantined: quarantined.map(({ service, error }) => ({ service, reason: error.message }))
            },
            'synced'
          )
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
        isEligible: isNodeEligible(this.#content.objects, this.#options.nodeName),
        syncedAt: this.#syncedAt
      }),
      metrics: this.#metricsText
    }
  }

  readonly #metricsText = async (): Promise<{ contentType: string; text: string }> => ({
    contentType: this.#metrics.registry.contentType,
    text: await this.#metrics.registry.metrics()
  })

  /**
   * Starts; resolves when the first state is on its way.
   *
   * @throws The folder or the HTTP port cannot be had: nothing was changed, and the plane is closed.
   */
  async start(): Promise<void> {
    try {
      await this.#listen()
      // Asked to stop meanwhile: what was opened since then is closed by nobody else.
      if (this.#isStopping) return this.#closeHttp()
      this.#watch = new FolderWatch(
        this.#options.manifests!,
        () => this.#changed(),
        (error) => this.#log.error({ err: error }, 'watching the folder failed')
      )
    } catch (error) {
      await this.#end({ cleanup: false })
      throw error
    }
    void this.#followEvents()
    await this.#beginWithSaved()
    this.#changed()
    await this.#reading
  }

  /** Stops; the rules stay, unless they are to be cleaned up. @param how `cleanup`: whether they are; default: as the options say. */
  async stop(how: { readonly cleanup: boolean } = { cleanup: this.#options.cleanup }): Promise<void> {
    await this.#end(how)
  }

  async #listen(): Promise<void> {
    await this.#servers?.listen()
    if (this.#options.listen === undefined) return
    const sources = { health: () => this.#health(), metrics: this.#metricsText }
    const failed = (error: Error): void => this.#log.error({ err: error }, 'the HTTP server')
    const { server, address } = await serveHttp(this.#options.listen, sources, failed)
    this.#server = server
    this.#log.info({ address }, 'listening')
  }

  async #end(how: { readonly cleanup: boolean }): Promise<void> {
    this.#isStopping = true
    this.#watch?.close()
    this.#closeHttp()
    // A folder that is being read is of no use any more, and may take long.
    this.#healthPorts.close()
    await this.#keeper.stop()
    await this.#plane.close(how)
  }

  #closeHttp(): void {
    this.#servers?.close()
    this.#server?.close()
    this.#server?.closeAllConnections()
  }

  /** Serves what the kernel held before, until the folder says what should be. */
  async #beginWithSaved(): Promise<void> {
    const { state } = this.#options
    if (state === undefined) return
    try {
      const services = await readStateFile(state)
      if (services === undefined || this.#isStopping) return
      this.#log.info({ state, services: services.size }, 'began with the saved state')
      this.#saved = services
      this.#keeper.want(services)
    } catch (error) {
      this.#log.warn({ err: error }, 'the saved state is passed over')
    }
  }

  #changed(): void {
    this.#isDirty = true
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
  }

  async #read(): Promise<void> {
    while (this.#isDirty) {
      this.#isDirty = false
      try {
        const content = await this.#folder.read()
        if (this.#isStopping) return
        this.#take(content)
        this.#folderError = undefined
      } catch (error) {
        if (this.#isStopping) return
        // What cannot be read says nothing about what should be: the last state stays.
        this.#folderError = error as Error
        this.#log.error({ err: error }, 'the folder cannot be read')
      }
    }
  }

  /** Makes this what should be. */
  #take(content: FolderContent): void {
    // Once each: the folder is read every few seconds, and one mistake must not fill the log.
    const told = new Set(this.#content.problems.map((problem) => JSON.stringify(problem)))
    for (const problem of content.problems) if (!told.has(JSON.stringify(problem))) this.#log.warn(problem, 'passed over')
    this.#content = content
    this.#metrics.manifests(content.problems.length)
    this.#services = translate(content.objects, this.#options, this.#services)
    if (content.problems.length === 0) this.#saved = undefined
    this.#keeper.want(this.#saved === undefined ? this.#services : new Map([...this.#saved, ...this.#services]))
    this.#healthPorts.want(findHealthChecks(content.objects, this.#options))
  }

  async #followEvents(): Promise<void> {
    for await (const event of this.#plane.watch()) {
      this.#metrics.event(event)
      logEvent(this.#log, event)
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

  /** Healthy means that the kernel holds what the folder says. Mistakes in a manifest that were always there harm its service alone, and are named. */
  #health(): { isHealthy: boolean; body: Record<string, unknown> } {
    const { services, quarantined, drifts, takenPorts } = this.#plane.status()
    const { problems, outdated } = this.#content
    const lagMs = this.#keeper.lagMs
    const isHealthy = this.#isKeepingUp && this.#folderError === undefined && outdated.length === 0
    const body = {
      healthy: isHealthy,
      synced: this.#hasSynced,
      lagMs,
      services,
      drifts,
      quarantined: quarantined.map(({ service }) => service),
      ...(takenPorts === undefined ? {} : { takenPorts }),
      outdated,
      problems,
      ...(this.#folderError === undefined ? {} : { folder: this.#folderError.message }),
      ...(this.#syncError === undefined ? {} : { sync: this.#syncError.message })
    }
    return { isHealthy, body }
  }
}
