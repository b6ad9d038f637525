/**
 * Two sockets of which each passes on what comes by the other one.
 */
import type { Socket } from 'node:net'
import type { RelayEnding } from '../types.js'
import { reset } from './sockets.js'
import { StalledSide } from './stalled.js'

/** What a pair tells. */
export interface PairListener {
  /** So many bytes more were read from the client, and from the endpoint. */
  readonly counted: (fromClient: number, toClient: number) => void
  /** Why the pair ends; only what is told first counts. */
  readonly ended: (ending: RelayEnding) => void
  /** Both sockets are closed. */
  readonly closed: () => void
}

/** A pair that somebody carries. */
export interface CarriedPair {
  /** Resets both sides. */
  end(ending: RelayEnding): void
}

/**
 * Passes on what one side sends, and its end, to the other side.
 *
 * The side is read no further while the kernel does not take what was read before. What `write` returns does not say that: it is false for each chunk of more than 16 KiB, even where the
 * kernel has taken it, and reading would be stopped and started again for each of them.
 */
function passOn(from: Socket, to: Socket, count: (bytes: number) => void): void {
  const stalled = new StalledSide(from)
  from.on('data', (chunk: Buffer) => {
    count(chunk.length)
    if (to.write(chunk) || to.writableLength === 0) return
    from.pause()
    stalled.begin()
  })
  to.on('drain', () => {
    if (from.readableEnded) return
    stalled.end()
    from.resume()
  })
  from.on('end', () => {
    to.end()
    stalled.begin()
  })
}

/**
 * Joins the sockets of a client and an endpoint, which are not read yet.
 *
 * @param header What the endpoint is sent before all that comes.
 */
export function joinPair(client: Socket, endpoint: Socket, header: Uint8Array | undefined, listener: PairListener): CarriedPair {
  const { counted, ended, closed } = listener
  let open = 2
  const end = (ending: RelayEnding): void => {
    ended(ending)
    reset(client)
    reset(endpoint)
  }
  for (const [socket, ending] of [
    [client, 'reset by client'],
    [endpoint, 'reset by endpoint']
  ] as const) {
    socket.on('error', () => end(ending))
    socket.on('close', () => {
      if (--open > 0) return
      ended('closed')
      closed()
    })
  }
  if (header !== undefined) endpoint.write(header)
  passOn(client, endpoint, (bytes) => counted(bytes, 0))
  passOn(endpoint, client, (bytes) => counted(0, bytes))
  client.resume()
  endpoint.resume()
  return { end }
}
