/**
 * Where the kernel leads what relays send.
 */
import { Conntrack, type ConntrackOptions, type FlowTuple } from '../../conntrack/index.js'
import type { OwnSocket, Translation } from './relays/own-sockets.js'
import type { SocketAddress } from './relays/types.js'

/** Asks conntrack. Its client is opened with the first question. */
export class Translations {
  readonly #options: ConntrackOptions
  #opening: Promise<Conntrack> | undefined

  constructor(options: ConntrackOptions) {
    this.#options = options
  }

  /** The translation of a socket's packets; undefined: there is none. @throws {NetplaneError} Conntrack cannot be read. */
  async of({ protocol, own, endpoint }: OwnSocket): Promise<Translation | undefined> {
    const conntrack = await (this.#opening ??= this.#open())
    const original: FlowTuple = {
      source: own.address,
      sourcePort: own.port,
      destination: endpoint.address,
      destinationPort: endpoint.port
    }
    const flow = await conntrack.get({ protocol, original })
    if (flow === undefined) return undefined
    const { source, sourcePort, destination, destinationPort } = flow.reply
    return { server: placeOf(source, sourcePort), client: placeOf(destination, destinationPort) }
  }

  async close(): Promise<void> {
    const conntrack = await this.#opening?.catch(() => undefined)
    await conntrack?.close()
  }

  async #open(): Promise<Conntrack> {
    try {
      return await Conntrack.open(this.#options)
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }
}

const placeOf = (address: string, port = 0): SocketAddress => ({ address, port })
