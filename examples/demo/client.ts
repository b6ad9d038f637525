import { Agent, get } from 'node:http'

/** Opens connections when told to, over IPC, and says who answered. */
export interface ClientOrder {
  readonly url: string
  /** Requests to make, each on a connection of its own; `kept`: one request on the one connection that is kept from order to order. */
  readonly connections: number | 'kept'
  readonly concurrency: number
  readonly timeoutSeconds: number
}

export interface ClientReport {
  /** Answers by backend. */
  readonly answers: Readonly<Record<string, number>>
  readonly failures: readonly string[]
}

const keeping = new Agent({ keepAlive: true, maxSockets: 1 })

function connect(url: string, isKept: boolean, timeoutSeconds: number): Promise<string> {
  return new Promise((resolve, reject) => {
    // No agent: every request is a connection of its own, which is what is balanced.
    const request = get(url, { agent: isKept ? keeping : false, timeout: timeoutSeconds * 1000 }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('end', () => resolve(text))
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutSeconds} s`)))
    request.on('error', reject)
  })
}

async function drive({ url, connections, concurrency, timeoutSeconds }: ClientOrder): Promise<ClientReport> {
  const answers: Record<string, number> = {}
  const failures: string[] = []
  const isKept = connections === 'kept'
  let left = isKept ? 1 : connections
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      try {
        const name = await connect(url, isKept, timeoutSeconds)
        answers[name] = (answers[name] ?? 0) + 1
      } catch (error) {
        failures.push((error as Error).message)
      }
    }
  }
  await Promise.all(Array.from({ length: isKept ? 1 : concurrency }, worker))
  return { answers, failures }
}

process.on('message', (order: ClientOrder) => {
  void drive(order).then((report) => process.send?.(report))
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
