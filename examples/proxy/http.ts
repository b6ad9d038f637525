import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the server answers with. */
export interface HttpSources {
  /** Whether changes reach the kernel in time, and words about it. */
  readonly health: () => { readonly isHealthy: boolean; readonly body: Record<string, unknown> }
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>
}

/** `/healthz` (200 or 503) and `/metrics`. */
export async function serveHttp(
  listen: { readonly host: string; readonly port: number },
  sources: HttpSources
): Promise<{ readonly server: Server; readonly address: string }> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0]
    if (path === '/healthz') {
      const { isHealthy, body } = sources.health()
      response.writeHead(isHealthy ? 200 : 503, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
    } else if (path === '/metrics') {
      sources.metrics().then(
        ({ contentType, text }) => response.writeHead(200, { 'content-type': contentType }).end(text),
        (error: unknown) => response.writeHead(500).end(String(error))
      )
    } else {
      response.writeHead(404).end('not found: /healthz and /metrics are here\n')
    }
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(listen.port, listen.host, resolve))
  const { address, port } = server.address() as AddressInfo
  return { server, address: `${address.includes(':') ? `[${address}]` : address}:${port}` }
}
