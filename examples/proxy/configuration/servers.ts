import { createServer, type Server } from 'node:http'
import type { Logger } from 'pino'
import { joinEndpoint, listenAt, type Endpoint } from '../endpoint.js'
import { answerFrom, json, plain, probeStatus, readyPages, type Answer, type Pages } from '../pages.js'
import { profilingPages } from './profiling.js'
import type { Configured } from './translate.js'
import { documentOf } from './write.js'

/** What kube-proxy's servers need of the daemon. */
export interface KubeProxySources {
  readonly health: () => {
    /** Whether changes reach the kernel in time. */
    readonly isHealthy: boolean
    /** Whether load balancers may send new connections to this node. */
    readonly isEligible: boolean
    /** When the last sync succeeded. */
    readonly syncedAt: Date | undefined
    /** What this proxy tells beside what kube-proxy does; mostly nothing. */
    readonly notes?: Readonly<Record<string, unknown>>
  }
  /** Whether the kernel has held all services once. */
  readonly isReady: () => boolean
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>
  /** Pages beside those of kube-proxy, where metrics are; default: none. */
  readonly pages?: Pages
  /** Told of each answer of a probe. */
  readonly answered: (path: 'healthz' | 'livez', status: number) => void
}

/** How Go writes that something never was. */
const NEVER = '0001-01-01T00:00:00Z'
const RETRY_MS = 5000

/** As kube-proxy says it, for both families, which one sync serves here. */
function healthAnswer({ health }: KubeProxySources, countsNode: boolean): Answer {
  const told = health()
  const { isHealthy, isEligible, syncedAt, notes } = told
  const currentTime = new Date().toISOString()
  const family = { lastUpdated: syncedAt?.toISOString() ?? NEVER, healthy: isHealthy }
  const body = {
    lastUpdated: isHealthy ? currentTime : family.lastUpdated,
    currentTime,
    ...(countsNode ? { nodeEligible: isEligible } : {}),
    healthy: isHealthy,
    status: { IPv4: family, IPv6: family },
    ...notes
  }
  return json(body, probeStatus(told, countsNode))
}

function healthPages(sources: KubeProxySources): Pages {
  const told = (path: 'healthz' | 'livez', probed: Answer): Answer => {
    sources.answered(path, probed.status)
    return probed
  }
  return {
    ...readyPages(sources.isReady),
    '/healthz': () => told('healthz', healthAnswer(sources, true)),
    '/livez': () => told('livez', healthAnswer(sources, false))
  }
}

function metricPages({ configuration }: Configured, { metrics, pages }: KubeProxySources, log: Logger): Pages {
  return {
    ...pages,
    '/healthz': () => plain('ok'),
    '/proxyMode': () => plain(configuration.mode),
    '/configz': () => json({ 'kubeproxy.config.k8s.io': documentOf(configuration) }),
    '/metrics': async () => ({ status: 200, ...(await metrics()) }),
    ...(configuration.enableProfiling ? profilingPages(log) : {})
  }
}

/** kube-proxy's two HTTP servers: `/healthz`, `/livez` and (which kube-proxy has not) `/readyz` for load balancers and kubelets, and `/metrics`, `/proxyMode`, `/configz`, a plain `/healthz` and with `enableProfiling` profiles for those who look after the node. */
export class KubeProxyServers {
  readonly #configured: Configured
  readonly #sources: KubeProxySources
  readonly #log: Logger
  readonly #servers = new Set<Server>()
  readonly #retries = new Set<NodeJS.Timeout>()

  constructor(configured: Configured, sources: KubeProxySources, log: Logger) {
    this.#configured = configured
    this.#sources = sources
    this.#log = log
  }

  /** Listens. An address that cannot be had is tried again every 5 s. @throws With `bindAddressHardFail`: it cannot be had. */
  async listen(): Promise<void> {
    const { healthz, metrics } = this.#configured
    await this.#open(healthz, healthPages(this.#sources))
    await this.#open(metrics, metricPages(this.#configured, this.#sources, this.#log))
  }

  /** Closes both, with their connections. */
  close(): void {
    for (const timer of this.#retries) clearTimeout(timer)
    for (const server of this.#servers) {
      server.close()
      server.closeAllConnections()
    }
    this.#servers.clear()
  }

  async #open(endpoint: Endpoint, pages: Pages): Promise<void> {
    const server = createServer((request, response) => void answerFrom(pages, request, response))
    this.#servers.add(server)
    try {
      await listenAt(server, endpoint, (error) => this.#log.error({ err: error }, 'the HTTP server'))
      this.#log.info({ address: joinEndpoint(endpoint) }, 'listening')
    } catch (error) {
      this.#servers.delete(server)
      if (this.#configured.isListeningRequired) throw error
      this.#log.error({ err: error, retryMs: RETRY_MS }, 'the HTTP server')
      const retry = setTimeout(() => {
        this.#retries.delete(retry)
        void this.#open(endpoint, pages)
      }, RETRY_MS).unref()
      this.#retries.add(retry)
    }
  }
}
