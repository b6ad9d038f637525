import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { ClientOrder, ClientReport } from './client.js'

/** Has the client make connections, and returns who answered. `patience`: how much longer than elsewhere an answer may take. */
export async function drive(
  client: ChildProcess,
  url: string,
  connections: ClientOrder['connections'],
  patience = 1
): Promise<ClientReport> {
  const answered = once(client, 'message') as Promise<[ClientReport]>
  client.send({ url, connections, concurrency: 16, timeoutSeconds: 2 * patience } satisfies ClientOrder)
  const [report] = await answered
  return report
}

export function assertNone(failures: readonly string[]): void {
  if (failures.length > 0) throw new Error(`${failures.length} connections failed: ${failures[0]}`)
}
