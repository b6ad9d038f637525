/**
 * The sockets by which relays speak with endpoints, all relays together.
 */

/** Why a client is refused that is a relay itself. */
export const LEADS_BACK = 'the client is a relay of this process: an endpoint leads back to a service'

/** What a socket says of its own side. */
interface OwnSide {
  readonly address: string | undefined
  readonly port: number | undefined
}

/**
 * Knows relays where they come as clients, because an endpoint is a frontend. Each connection would make another one, until no more are allowed. No other plane serves such an endpoint either: the
 * kernel translates a connection once.
 */
export class OwnSockets {
  readonly #keys = new Set<string>()

  /** @returns Forgets it. */
  add({ address, port }: OwnSide): () => void {
    if (address === undefined || port === undefined) return () => undefined
    const key = `${address} ${port}`
    this.#keys.add(key)
    return () => this.#keys.delete(key)
  }

  has(address: string, port: number): boolean {
    return this.#keys.has(`${address} ${port}`)
  }
}
