/**
 * A load balancer with health checks: the kernel balances the connections, this program only says over which backends.
 *
 *   node build/examples/load-balancer.js --listen 192.0.2.1:80 --backend 10.0.0.2:8080 --backend 10.0.0.3:8080
 *
 * A backend that does not accept a TCP connection gets no new ones until it does again. Where none does, clients are refused at once.
 * It needs CAP_NET_ADMIN, IP forwarding (net.ipv4.ip_forward), and packets for the address of `--listen` on this machine. It removes its rules when it ends.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openPlane, ValidationError, type Endpoint, type Service } from 'netplane'

const USAGE = 'usage: load-balancer --listen ADDRESS:PORT --backend ADDRESS:PORT… [--interval SECONDS]'

function parseEndpoint(option: string, text = ''): Endpoint {
  const [, address, port] = /^\[?([\da-f.:]+?)\]?:(\d+)$/i.exec(text) ?? []
  if (address === undefined) throw new ValidationError(option, text, 'ADDRESS:PORT')
  return { address, port: Number(port) }
}

async function isUp({ address, port }: Endpoint, timeoutMs: number): Promise<boolean> {
  const socket = connect(port, address)
  const connected = await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) }).catch(() => undefined) // refused, or too late
  socket.destroy()
  return connected !== undefined
}

async function main(): Promise<void> {
  const options = { listen: { type: 'string' }, backend: { type: 'string', multiple: true }, interval: { type: 'string' } } as const
  const { listen, backend = [], interval = '1' } = parseArgs({ options }).values
  const intervalMs = Math.round(Number(interval) * 1000)
  if (!(intervalMs >= 10 && intervalMs <= 3_600_000)) throw new ValidationError('--interval', interval, 'seconds from 0.01 to 3600')
  const frontend = { kind: 'external', ...parseEndpoint('--listen', listen) } as const
  if (backend.length === 0) throw new ValidationError('--backend', undefined, 'ADDRESS:PORT, once or more')
  const backends = backend.map((text) => parseEndpoint('--backend', text))
  const service = (endpoints: readonly Endpoint[]): Service => ({ name: 'balanced', protocol: 'tcp', frontends: [frontend], endpoints })

  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
  const plane = await openPlane({ mode: 'nftables', name: 'load-balancer' })
  try {
    await plane.sync(new Map([['balanced', service(backends)]]), { onError: 'atomic' })
    while (!stop.signal.aborted) {
      const up = await Promise.all(backends.map((endpoint) => isUp(endpoint, intervalMs)))
      const next = service(backends.filter((_, index) => up[index]))
      const { services } = await plane.update({ set: [next] }) // writes only what differs
      if (services.changed > 0) console.log(`${next.endpoints.length} of ${backends.length} backends are up`)
      await setTimeout(intervalMs, undefined, { signal: stop.signal }).catch(() => undefined) // aborted: a signal came
    }
  } finally {
    await plane.close({ cleanup: true })
  }
}

main().catch((error: unknown) => {
  process.exitCode = error instanceof TypeError ? 2 : 1 // of parseArgs, or a ValidationError
  console.error(error instanceof TypeError ? `${error.message.split('\n')[0]}; ${USAGE}` : (error as Error).message)
})
