import { connect, createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { HTTP, type Stage } from './daemon.js'
import { assertNone, drive } from './driving.js'
import { SERVICE_ADDRESS, INSIDE } from './manifests.js'
import { note } from './terminal.js'

const PAUSE_MS = 200
/** Who is asked again and again, how often at a time. */
const ASKED: readonly (readonly [url: string, connections: number])[] = [
  [`http://${SERVICE_ADDRESS}/`, 12],
  [`http://${INSIDE.api}/`, 20],
  [`http://${INSIDE.cache}/`, 5],
  [`udp://${INSIDE.dns}:53`, 15]
]

/** Lets those outside of this network namespace come to the page of the proxy. @param socket A path in the file system. */
function openPage(socket: string): void {
  const [host = '', port] = HTTP.split(':')
  const server = createServer((outside) => {
    const page = connect(Number(port), host)
    outside.pipe(page).on('error', () => outside.destroy())
    page.pipe(outside).on('error', () => page.destroy())
  })
  server.listen(socket)
}

async function keepAsking({ client }: Stage): Promise<never> {
  for (;;) {
    for (const [url, connections] of ASKED) {
      const { failures } = await drive(client, url, connections)
      assertNone(failures)
    }
    await setTimeout(PAUSE_MS)
  }
}

/** Keeps the shop open, and its customers coming, until the demo is interrupted. */
export async function stayOpen(stage: Stage, socket: string): Promise<void> {
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  openPage(socket)
  note('The shop stays open, and is asked again and again. Ctrl-C ends the demo.')
  await Promise.race([keepAsking(stage), interrupted])
}
