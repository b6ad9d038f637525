import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { joinEndpoint, listenAt, type Endpoint } from './endpoint.js'
import { escapeInvisible } from './log.js'
import { answerFrom, type Pages } from './pages.js'

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

const METHODS = ['GET', 'HEAD']

function answerHealth(response: ServerResponse, { isHealthy, isEligible, body }: Health, countsNode: boolean): void {
  const whole = countsNode ? { ...body, nodeEligible: isEligible } : body
  response.writeHead(isHealthy && (isEligible || !countsNode) ? 200 : 503, { 'content-type': 'application/json' })
  response.end(`${escapeInvisible(JSON.stringify(whole))}\n`)
}

type Respond = (response: ServerResponse, sources: HttpSources) => void

const PATHS: Readonly<Record<string, Respond>> = {
  '/healthz': (response, { health }) => answerHealth(response, health(), true),
  '/livez': (response, { health }) => answerHealth(response, health(), false),
  '/metrics': (response, { metrics }) => {
    metrics().then(
      ({ contentType, text }) => response.writeHead(200, { 'content-type': contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(String(error))
    )
  }
}

function answer(request: IncomingMessage, response: ServerResponse, sources: HttpSources): void {
  const path = request.url?.split('?')[0] ?? ''
  const { pages = {} } = sources
  if (Object.hasOwn(pages, path)) {
    void answerFrom(pages, request, response)
  } else if (!Object.hasOwn(PATHS, path)) {
    response.writeHead(404).end('not found: /healthz, /livez, /readyz and /metrics are here\n')
  } else if (!METHODS.includes(request.method ?? '')) {
    response.writeHead(405, { allow: METHODS.join(', ') }).end('GET and HEAD are answered\n')
  } else {
    PATHS[path]!(response, sources)
  }
}

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
  const server = createServer((request, response) => answer(request, response, sources))
  return { server, address: joinEndpoint(await listenAt(server, listen, failed)) }
}
