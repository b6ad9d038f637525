import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { joinEndpoint, listenAt, type Endpoint } from './endpoint.js'
import { escapeInvisible } from './log.js'
import { answerFrom, type Pages } from './pages.js'

/** What the server answers with. */
export interface HttpSources {
  /** Whether changes reach the kernel in time, and words about it. */
  readonly health: () => { readonly isHealthy: boolean; readonly body: Record<string, unknown> }
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>
  /** Pages beside these, such as `/readyz`; default: none. */
  readonly pages?: Pages
}

const METHODS = ['GET', 'HEAD']

function answer(request: IncomingMessage, response: ServerResponse, sources: HttpSources): void {
  const path = request.url?.split('?')[0]
  const { pages = {} } = sources
  if (path !== undefined && Object.hasOwn(pages, path)) {
    void answerFrom(pages, request, response)
  } else if (path !== '/healthz' && path !== '/metrics') {
    response.writeHead(404).end('not found: /healthz, /readyz and /metrics are here\n')
  } else if (!METHODS.includes(request.method ?? '')) {
    response.writeHead(405, { allow: METHODS.join(', ') }).end('GET and HEAD are answered\n')
  } else if (path === '/healthz') {
    const { isHealthy, body } = sources.health()
    response.writeHead(isHealthy ? 200 : 503, { 'content-type': 'application/json' }).end(`${escapeInvisible(JSON.stringify(body))}\n`)
  } else {
    sources.metrics().then(
      ({ contentType, text }) => response.writeHead(200, { 'content-type': contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(String(error))
    )
  }
}

/**
 * `/healthz` (200 or 503) and `/metrics`, for GET and HEAD.
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
