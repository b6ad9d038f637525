import { createServer, type Server, type ServerResponse } from 'node:http'
import { BlockList, type Socket } from 'node:net'
import { formatAddress, parsePrefix } from 'netplane'
import type { HealthCheck } from './kubernetes/health-checks.js'
import { escapeInvisible } from './log.js'

/** What the ports need of the daemon. */
export interface HealthPortsSources {
  /** Prefixes of the addresses at which there are answers: connections to others of this node are reset. Undefined: none are. */
  readonly addresses: () => readonly string[] | undefined
  /** Whether what the kernel holds of a service is what it should. */
  readonly isHealthy: (check: HealthCheck) => boolean
  /** A port cannot be had, or has failed. It is tried again when the checks are told the next time. */
  readonly failed: (check: HealthCheck, error: Error) => void
}

interface Port {
  check: HealthCheck
  readonly server: Server
}

const MAPPED = '::ffff:'

/** The family and the text of one end of a connection: IPv4 comes through IPv6 sockets. */
function unmap(address: string): { readonly family: 'ip' | 'ip6'; readonly text: string } {
  // Addresses of one link alone have its name behind them.
  const text = (address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address).replace(/%.*/, '')
  return { family: text.includes(':') ? 'ip6' : 'ip', text }
}

function listOf(prefixes: readonly string[]): BlockList {
  const list = new BlockList()
  for (const { address, length } of prefixes.flatMap((text) => parsePrefix(text) ?? []))
    list.addSubnet(formatAddress(address), length, address.length === 4 ? 'ipv4' : 'ipv6')
  return list
}

function quote(text: string): string {
  return escapeInvisible(JSON.stringify(text))
}

/** As kube-proxy answers, so that load balancers need not know the difference. */
function answer(response: ServerResponse, { namespace, name }: HealthCheck, count: number, isHealthy: boolean): void {
  const service = `{\n\t\t"namespace": ${quote(namespace)},\n\t\t"name": ${quote(name)}\n\t}`
  const body = `{\n\t"service": ${service},\n\t"localEndpoints": ${count},\n\t"serviceProxyHealthy": ${isHealthy}\n}`
  response.writeHead(count > 0 && isHealthy ? 200 : 503, {
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
    'x-load-balancing-endpoint-weight': String(count),
    'content-length': Buffer.byteLength(body)
  })
  response.end(body)
}

/** The ports at which load balancers ask for services: an HTTP server each, which answers any request. */
export class HealthPorts {
  readonly #sources: HealthPortsSources
  readonly #ports = new Map<string, Port>()

  constructor(sources: HealthPortsSources) {
    this.#sources = sources
  }

  /** Opens what is new, closes what is gone, and answers by the newest counts. */
  want(checks: readonly HealthCheck[]): void {
    const wanted = new Map(checks.map((check) => [`${check.namespace}/${check.name} ${check.port}`, check]))
    for (const key of [...this.#ports.keys()].filter((known) => !wanted.has(known))) this.#close(key)
    for (const [key, check] of wanted) {
      const known = this.#ports.get(key)
      if (known === undefined) this.#open(key, check)
      else known.check = check
    }
  }

  /** Closes all ports. */
  close(): void {
    for (const key of [...this.#ports.keys()]) this.#close(key)
  }

  #open(key: string, check: HealthCheck): void {
    const server = createServer((request, response) => {
      const { check: current } = port
      const { family } = unmap(request.socket.localAddress ?? '')
      answer(response, current, current.localEndpoints[family], this.#sources.isHealthy(current))
    })
    const port: Port = { check, server }
    this.#ports.set(key, port)
    server.on('connection', (socket: Socket) => {
      if (!this.#isServed(socket.localAddress ?? '')) socket.resetAndDestroy()
    })
    const fail = (error: Error): void => {
      if (this.#ports.get(key) === port) this.#close(key)
      this.#sources.failed(check, error)
    }
    server.on('error', fail)
    try {
      // No address: those of both families, or of IPv4 alone where the kernel has no other.
      server.listen(check.port)
    } catch (error) {
      fail(error as Error)
    }
  }

  #isServed(address: string): boolean {
    const { family, text } = unmap(address)
    const addresses = this.#sources.addresses()
    return addresses === undefined || listOf(addresses).check(text, family === 'ip' ? 'ipv4' : 'ipv6')
  }

  #close(key: string): void {
    const server = this.#ports.get(key)?.server
    this.#ports.delete(key)
    server?.close()
    server?.closeAllConnections()
  }
}
