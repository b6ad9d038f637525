/**
 * The sockets by which relays speak with endpoints, all relays together.
 */
import { canonicalAddress } from '../../../core/address.js'
import { asNetplaneError } from '../../../core/errors.js'
import type { SocketAddress } from './types.js'

/** Why a client is refused that is a relay itself. */
export const LEADS_BACK = 'the client is a relay of this process: an endpoint leads back to a service'

/** A socket of a relay, and the endpoint that it was opened to. */
export interface OwnSocket {
  readonly protocol: 'tcp' | 'udp'
  readonly own: SocketAddress
  readonly endpoint: SocketAddress
}

/** Where the kernel leads what a socket sends. */
export interface Translation {
  /** Who gets it. */
  readonly server: SocketAddress
  /** Who it comes from there. */
  readonly client: SocketAddress
}

/** Asks the kernel for the translation of a socket's packets; undefined: it knows of none. */
export type TranslationOf = (socket: OwnSocket) => Promise<Translation | undefined>

/**
 * Knows relays where they come as clients, because an endpoint is a frontend. Each connection would make another one, until no more are allowed. No other plane serves such an endpoint either: the
 * kernel translates a connection once.
 *
 * A client with the port of a relay is not that relay for sure: the kernel gives one port to several sockets of one address, as long as they speak with different ones.
 */
export class OwnSockets {
  readonly #translationOf: TranslationOf
  /** By protocol and own port. */
  readonly #sockets = new Map<string, Set<OwnSocket>>()

  constructor(translationOf: TranslationOf) {
    this.#translationOf = translationOf
  }

  /** @returns Forgets it. */
  add(socket: OwnSocket): () => void {
    const key = keyOf(socket.protocol, socket.own.port)
    const all = this.#sockets.get(key) ?? new Set()
    this.#sockets.set(key, all.add(socket))
    return () => {
      if (all.delete(socket) && all.size === 0) this.#sockets.delete(key)
    }
  }

  /**
   * Why a client is to be refused, undefined: it is none of them. Where this is known without asking anybody, no promise is made of it.
   *
   * @param listenPort Of the relay that the client has come to.
   */
  refusalOf(protocol: 'tcp' | 'udp', client: SocketAddress, listenPort: number): Promise<string | undefined> | undefined {
    const alike = this.#sockets.get(keyOf(protocol, client.port))
    return alike === undefined ? undefined : this.#ask([...alike], client, listenPort)
  }

  async #ask(alike: readonly OwnSocket[], client: SocketAddress, listenPort: number): Promise<string | undefined> {
    try {
      return (await this.#isOneOf(alike, client, listenPort)) ? LEADS_BACK : undefined
    } catch (error) {
      return `it is not known whether the client is a relay of this process: ${asNetplaneError(error).message}`
    }
  }

  async #isOneOf(alike: readonly OwnSocket[], client: SocketAddress, listenPort: number): Promise<boolean> {
    const answers = alike.map(async (socket) => {
      const { endpoint, own } = socket
      if (endpoint.port === listenPort && own.address === client.address) return true
      const led = await this.#translationOf(socket)
      return led !== undefined && led.server.port === listenPort && isSame(led.client, client)
    })
    return (await Promise.all(answers)).includes(true)
  }
}

const keyOf = (protocol: string, port: number): string => `${protocol} ${port}`

function isSame(one: SocketAddress, other: SocketAddress): boolean {
  return one.port === other.port && canonicalAddress(one.address) === canonicalAddress(other.address)
}
