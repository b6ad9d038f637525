import { createServer, type Server } from 'node:http'
import { joinEndpoint, listenAt, type Endpoint } from './endpoint.js'
import { escapeInvisible } from './log.js'
import { answerFrom, forMethods, probeStatus, type Answer, type Pages } from './pages.js'

/** How the proxy is. */
export interface Health {
  /** Whether changes reach the kernel in time. */
  readonly isHealthy: boolean
  /** Whether load balancers may send new connections to this node. */
  readonly isEligible: boolean
  /** Words about it. */
  readonly body: Readonly<Record<string, unknown>>
}

/** What the server answers with. */
export interface HttpSources {
  readonly health: () => Health
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>
  /** Pages beside these, such as `/readyz`; default: none. */
  readonly pages?: Pages
}

function healthAnswer({ body, ...told }: Health, countsNode: boolean): Answer {
  const whole = countsNode ? { ...body, nodeEligible: told.isEligible } : body
  const text = `${escapeInvisible(JSON.stringify(whole))}\n`
  return { status: probeStatus(told, countsNode), contentType: 'application/json', text }
}

function pagesOf({ health, metrics, pages }: HttpSources): Pages {
  const own: Pages = {
    '/healthz': () => healthAnswer(health(), true),
    '/livez': () => healthAnswer(health(), false),
    '/metrics': async () => ({ status: 200, ...(await metrics()) })
  }
  const readOnly = Object.entries(own).map(([path, page]) => [path, forMethods(['GET', 'HEAD'], page)] as const)
  return { ...Object.fromEntries(readOnly), ...pages }
}

const NOT_FOUND = 'not found: /healthz, /livez, /readyz and /metrics are here\n'

/**
 * `/healthz` and `/livez` (200 or 503), of which the first alone asks whether the node may have new connections, and `/metrics`, for GET and HEAD.
 *
 * @param failed Told of errors after the start, such as a connection that finds no free descriptor: the server goes on.
 * @throws The address or port cannot be had.
 */
export async function serveHttp(
  listen: Endpoint,
  sources: HttpSources,
  failed: (error: Error) => void
): Promise<{ readonly server: Server; readonly address: string }> {
  const pages = pagesOf(sources)
  const server = createServer((request, response) => void answerFrom(pages, request, response, NOT_FOUND))
  return { server, address: joinEndpoint(await listenAt(server, listen, failed)) }
}
