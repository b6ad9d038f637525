/**
 * What Node's sockets of TCP lack.
 */
import type { Socket } from 'node:net'

/**
 * Resets a connection: the other side gets ECONNRESET. What was not sent yet is lost.
 *
 * libuv refuses to reset while the end of what was written is on its way (`uv_tcp_close_reset`), and Node would leave such a socket open: there the reset waits for it, which
 * is one turn of the loop, for nothing else is left to be sent.
 */
export function reset(socket: Socket): void {
  if (socket.destroyed) return
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  if (isEnding) socket.once('finish', () => reset(socket))
  else socket.resetAndDestroy()
}
