/**
 * What a relay has for each protocol.
 */

/** The socket on which a relay listens, and all that came by it. */
export interface RelayListener {
  /** It takes clients, or has connections or sessions. */
  readonly isBusy: boolean
  /** @returns The port. */
  listen(address: string, port: number): Promise<number>
  /** Takes those that wait to be accepted, and then no new clients. @param stopped Called when it is so; not at all where `end` is called before. */
  stop(stopped: () => void): void
  /** Takes no new clients, ends all there are, and waits until their sockets are closed. */
  end(): Promise<void>
}
