import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { ClientOrder, ClientReport } from './client.js'

interface DriveOptions {
  /** How long an answer may take; default 2. */
  readonly timeoutSeconds?: number
  readonly source?: string
}

/** Has the client make connections, and returns who answered. */
export async function drive(
  client: ChildProcess,
  url: string,
  connections: ClientOrder['connections'],
  { timeoutSeconds = 2, source }: DriveOptions = {}
): Promise<ClientReport> {
  const answered = once(client, 'message') as Promise<[ClientReport]>
  client.send({ url, connections, concurrency: 16, timeoutSeconds, source } satisfies ClientOrder)
  const [report] = await answered
  return report
}

export function assertNone(failures: readonly string[]): void {
  if (failures.length > 0) throw new Error(`${failures.length} connections failed: ${failures[0]}`)
}

/** Fails unless exactly these backends answered. */
export function assertAnswers({ answers, failures }: ClientReport, backends: readonly string[]): void {
  assertNone(failures)
  const names = Object.keys(answers).sort().join(', ')
  if (names !== [...backends].sort().join(', ')) throw new Error(`answers came from ${names}, and should from ${backends.join(', ')}`)
}
