/**
 * What a relay has for each protocol.
 */

/** The socket on which a relay listens, and all that came by it. */
export interface RelayListener {
  /** Connections and sessions that are there. */
  readonly open: number
  /** @returns The port. */
  listen(address: string, port: number): Promise<number>
  /** Takes no new clients. */
  stop(): void
  /** Takes no new clients, ends all there are, and waits until their sockets are closed. */
  end(): Promise<void>
}
