/**
 * Whether somebody is gone from whom nothing is read.
 */
import type { Socket } from 'node:net'

/** How often a side is looked after from which nothing is read, in milliseconds. */
export const LOOK_MS = 2_000

const NOTHING = new Uint8Array(0)

/**
 * Looks after one side of a connection while the other side takes nothing, and once the side has ended its half.
 *
 * libuv does not poll a socket from which it neither reads nor has anything left to write, so that a reset would be noticed only once the other side reads on, or sends: an endpoint that never does
 * would let all connections of clients that gave up stay open, until no more are allowed. To send nothing is answered by the error of the socket (`tcp_sendmsg_locked` in net/ipv4/tcp.c looks for it
 * first). A side that has been sent its end already cannot be asked in this way.
 */
export class StalledSide {
  readonly #socket: Socket
  #timer: NodeJS.Timeout | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.once('close', () => this.end())
  }

  /** Nothing is read from it from now on. */
  begin(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref()
  }

  /** It is read from again. */
  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** What waits to be written makes libuv poll the socket. */
  #look(): void {
    if (this.#socket.writable && this.#socket.writableLength === 0) this.#socket.write(NOTHING)
  }
}
