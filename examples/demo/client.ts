import { createSocket } from 'node:dgram'
import { Agent, get } from 'node:http'

/** Opens connections when told to, over IPC, and says who answered. */
export interface ClientOrder {
  /** Of `http:` or, with a port, of `udp:`. */
  readonly url: string
  /** Requests to make, each on a connection of its own; `kept`: one request on the one connection that is kept from order to order. */
  readonly connections: number | 'kept'
  readonly concurrency: number
  readonly timeoutSeconds: number
  /** From which of its addresses; default: the kernel's choice. */
  readonly source?: string | undefined
}

export interface ClientReport {
  /** Answers by backend. */
  readonly answers: Readonly<Record<string, number>>
  readonly failures: readonly string[]
  /** The addresses of the client that backends saw. */
  readonly seen: readonly string[]
}

const keeping = new Agent({ keepAlive: true, maxSockets: 1 })

/** Below those that the kernel gives by itself. */
const PORTS = { first: 1024, last: 32_767 } as const
let next: number = PORTS.first

/**
 * A port that no earlier connection had. What comes from a port again is what it was before to a connection tracking that remembers it, and to a server whose end of it is in
 * TIME_WAIT: the one does not count it, the other makes the client knock twice, which counts twice.
 */
function freshPort(): number {
  const port = next
  next = port === PORTS.last ? PORTS.first : port + 1
  return port
}

interface Answer {
  readonly name: string
  readonly seen: string
}

function connect({ url, connections, timeoutSeconds, source }: ClientOrder): Promise<Answer> {
  const isKept = connections === 'kept'
  const agent = isKept ? keeping : false
  const localPort = isKept ? undefined : freshPort()
  return new Promise((resolve, reject) => {
    // No agent: every request is a connection of its own, which is what is balanced.
    const request = get(url, { agent, timeout: timeoutSeconds * 1000, localAddress: source, localPort }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ name: text, seen: String(response.headers['x-client']) }))
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutSeconds} s`)))
    request.on('error', reject)
  })
}

/** One datagram, and its answer. */
function askByDatagram({ url, timeoutSeconds }: ClientOrder): Promise<Answer> {
  const { hostname, port } = new URL(url)
  const socket = createSocket('udp4')
  return new Promise<Answer>((resolve, reject) => {
    socket.on('message', (text) => resolve({ name: text.toString(), seen: '' })).on('error', reject)
    socket.bind(freshPort(), () => socket.connect(Number(port), hostname, () => socket.send('who?')))
    setTimeout(() => reject(new Error(`no answer within ${timeoutSeconds} s`)), timeoutSeconds * 1000).unref()
  }).finally(() => socket.close())
}

async function drive(order: ClientOrder): Promise<ClientReport> {
  const { connections, concurrency } = order
  const answers: Record<string, number> = {}
  const failures: string[] = []
  const seenBy = new Set<string>()
  const isKept = connections === 'kept'
  let left = isKept ? 1 : connections
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      try {
        const { name, seen } = await (order.url.startsWith('udp:') ? askByDatagram(order) : connect(order))
        answers[name] = (answers[name] ?? 0) + 1
        seenBy.add(seen)
      } catch (error) {
        failures.push((error as Error).message)
      }
    }
  }
  await Promise.all(Array.from({ length: isKept ? 1 : concurrency }, worker))
  return { answers, failures, seen: [...seenBy] }
}

process.on('message', (order: ClientOrder) => {
  void drive(order).then((report) => process.send?.(report))
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
