// A way from the machine to the page of the proxy, which is in a network namespace of its own: a socket in a folder, which both see.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'

/**
 * Listens at a free port of this machine, and hands on to whoever listens at a socket.
 * @returns {Promise<{ socket: string, close: () => void }>} `socket`: its path
 */
export async function openPageOutside() {
  const folder = mkdtempSync(path.join(tmpdir(), 'netplane-page-'))
  const socket = path.join(folder, 'page')
  const server = createServer((outside) => {
    const inside = connect(socket)
    for (const [one, other] of [
      [outside, inside],
      [inside, outside]
    ])
      one.pipe(other).on('error', () => one.destroy())
    for (const end of [outside, inside]) end.on('error', () => end.destroy())
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  process.stdout.write(`From the sixth act on, the page is at http://127.0.0.1:${server.address().port}/ui\n`)
  const close = () => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return { socket, close }
}
