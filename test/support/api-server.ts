import { createServer as createHttp, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttps, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A request that a scripted API server got. */
export interface ApiRequest {
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: IncomingMessage['headers']
  readonly isWatch: boolean
  readonly method: string
  /** The object that was sent; undefined: none was. */
  readonly body: unknown
}

/** How a scripted API server answers one request. */
export type ApiAnswer = (response: ServerResponse, request: ApiRequest) => void

const JSON_TYPE = { 'content-type': 'application/json' }

/** An answer of this status with these headers and this body. */
export function answer(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): ApiAnswer {
  return (response) =>
    void response.writeHead(status, { ...JSON_TYPE, ...headers }).end(typeof body === 'string' ? body : JSON.stringify(body))
}

/** The error of a server, as it writes it. */
export function refusal(status: number, reason: string, message: string, headers: Readonly<Record<string, string>> = {}): ApiAnswer {
  return answer(status, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code: status }, headers)
}

/** A page of a list. */
export function list(kind: string, version: string, items: readonly unknown[], next?: string): ApiAnswer {
  return answer(200, { kind: `${kind}List`, apiVersion: 'v1', metadata: { resourceVersion: version, continue: next ?? '' }, items })
}

/** Events of a watch, each in a line; the stream stays open, is ended as a server does, or is cut. */
export function events(lines: readonly unknown[], then: 'open' | 'end' | 'cut' = 'open'): ApiAnswer {
  return (response) => {
    response.writeHead(200, JSON_TYPE)
    response.flushHeaders()
    const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n') + (lines.length > 0 ? '\n' : '')
    if (then === 'end') return void response.end(text)
    response.write(text === '' ? '\n' : text, () => {
      // What was written reaches the client before the connection goes.
      if (then === 'cut') setTimeout(() => response.socket?.destroy(), 50)
    })
  }
}

/** An event of a watch. */
export function event(type: string, object: unknown): unknown {
  return { type, object }
}

/** A bookmark of a watch. */
export function bookmark(kind: string, version: string): unknown {
  return event('BOOKMARK', { kind, apiVersion: 'v1', metadata: { resourceVersion: version, creationTimestamp: null } })
}

/** What a script is for: requests that read a kind, or that write an Event. */
export type ApiSort = `${'list' | 'watch'} ${string}` | 'create Event' | 'patch Event'

/** An API server that answers what a test has written down for it; where nothing is, lists are empty, watches silent, and what is written is taken. */
export class ScriptedApi {
  readonly url: string
  readonly requests: ApiRequest[] = []
  readonly #server: Server
  readonly #script = new Map<string, ApiAnswer[]>()

  private constructor(server: Server, url: string) {
    this.#server = server
    this.url = url
  }

  /** Starts one on a loopback port, which goes with the test. @param tls Its certificate and key, for HTTPS. */
  static async start(tls?: ServerOptions): Promise<ScriptedApi> {
    const sockets = new Set<Socket>()
    const listener: RequestListener = (request, response) => void api.#answer(request, response)
    const server = tls === undefined ? createHttp(listener) : createHttps(tls, listener)
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const api = new ScriptedApi(server, `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`)
    onTestFinished(() => api.stop())
    return api
  }

  /** What is answered next, in this order. @param what `list` or `watch`, and the kind: `list Service`. */
  script(what: ApiSort, ...answers: readonly ApiAnswer[]): void {
    this.#script.set(what, [...(this.#script.get(what) ?? []), ...answers])
  }

  /** The requests of one sort, so far. */
  asked(what: ApiSort): ApiRequest[] {
    return this.requests.filter((request) => sortOf(request) === what)
  }

  /** Cuts all connections, and takes no others. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(message.url ?? '/', 'http://x')
    const query = Object.fromEntries(url.searchParams)
    const { method = 'GET', headers } = message
    const sent = method === 'GET' ? '' : Buffer.concat((await message.toArray()) as Buffer[]).toString()
    const body: unknown = sent === '' ? undefined : JSON.parse(sent)
    const request = { path: url.pathname, query, headers, isWatch: query['watch'] !== undefined, method, body }
    this.requests.push(request)
    const sort = sortOf(request)
    const next = this.#script.get(sort)?.shift() ?? usualAnswer(request)
    next(response, request)
  }
}

const KINDS: Readonly<Record<string, string>> = {
  '/api/v1/services': 'Service',
  '/apis/discovery.k8s.io/v1/endpointslices': 'EndpointSlice',
  '/api/v1/nodes': 'Node',
  '/apis/networking.k8s.io/v1/servicecidrs': 'ServiceCIDR'
}

const WRITES: Readonly<Record<string, ApiSort>> = { POST: 'create Event', PATCH: 'patch Event' }

function sortOf({ path, isWatch, method }: Pick<ApiRequest, 'path' | 'isWatch' | 'method'>): ApiSort {
  return WRITES[method] ?? `${isWatch ? 'watch' : 'list'} ${KINDS[path] ?? path}`
}

function usualAnswer(request: ApiRequest): ApiAnswer {
  if (request.method === 'POST') return answer(201, request.body)
  if (request.method === 'PATCH') return answer(200, request.body)
  return request.isWatch ? events([]) : list(sortOf(request).split(' ')[1]!, '1', [])
}

/** A Service of one port as the API gives it, with much that no proxy reads. */
export function apiService(name: string, version: string | number, address = '10.96.0.1'): Record<string, unknown> {
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      resourceVersion: String(version),
      labels: { app: name },
      annotations: { note: 'x'.repeat(100) },
      managedFields: [{ manager: 'kubectl', fieldsV1: { 'f:spec': {} } }]
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: address,
      clusterIPs: [address],
      selector: { app: name },
      ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }]
    },
    status: { loadBalancer: {} }
  }
}

/** An EndpointSlice of a Service of `apiService`. */
export function apiSlice(service: string, version: string | number, ...addresses: readonly string[]): Record<string, unknown> {
  return {
    metadata: {
      name: `${service}-abcde`,
      namespace: 'shop',
      resourceVersion: String(version),
      labels: { 'kubernetes.io/service-name': service, 'endpointslice.kubernetes.io/managed-by': 'x' }
    },
    addressType: 'IPv4',
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name: 'p' },
      nodeName: 'there'
    }))
  }
}
