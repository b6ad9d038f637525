/**
 * What a relay knows of itself while it runs, and the account of one of its connections.
 */
import { formatSocketAddress } from '../../../core/address.js'
import type { Balance } from './balance.js'
import type { Limits } from './limits.js'
import type { OwnSockets } from './own-sockets.js'
import type { Refusals } from './refusals.js'
import { Tally } from './tally.js'
import type { Flow, Target } from './target.js'
import type { Carrier } from './threads/carriers.js'
import type { RelayEnding, RelayEvent, RelaySpec } from './types.js'

/** What connections of a relay share. */
export interface RelayContext {
  readonly id: string
  /** As it is now. */
  spec: RelaySpec
  readonly balance: Balance
  readonly tally: Tally
  readonly refusals: Refusals
  readonly limits: Limits
  /** Those of all relays. */
  readonly own: OwnSockets
  readonly settings: RelaySettings
  /** Of connections of TCP. */
  readonly carrier: Carrier
  readonly tell: (event: RelayEvent) => void
  /** The relay has no connections any more. */
  readonly emptied: () => void
}

/** The options of all relays, with their defaults. */
export interface RelaySettings {
  readonly maxConnections: number
  readonly maxConnectionsPerRelay: number
  readonly udpUnansweredSeconds: number
  readonly udpIdleSeconds: number
  readonly logsConnections: boolean
  readonly threads: number
}

/** Counts what goes through one connection, or one session of UDP to one endpoint. */
export class Account {
  readonly #relay: RelayContext
  readonly #client: string
  readonly #beganMs = performance.now()
  #target: Target | undefined
  #flow: Flow | undefined
  /** Counts that nobody reads, until there is an endpoint. */
  #ofTarget = new Tally()
  #bytesFromClient = 0
  #bytesToClient = 0
  #isOpen = true

  constructor(relay: RelayContext, address: string, port: number) {
    this.#relay = relay
    this.#client = formatSocketAddress(address, port)
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Something is open to an endpoint from now on. */
  connected(target: Target, flow: Flow): void {
    this.#target = target
    this.#flow = flow
    target.flows.add(flow)
    this.#ofTarget = target.tally
    for (const tally of [target.tally, this.#relay.tally]) {
      tally.connections++
      tally.openConnections++
    }
  }

  fromClient(bytes: number, packets: number): void {
    this.#bytesFromClient += bytes
    const { tally } = this.#relay
    tally.bytesFromClients += bytes
    tally.packetsFromClients += packets
    this.#ofTarget.bytesFromClients += bytes
    this.#ofTarget.packetsFromClients += packets
  }

  toClient(bytes: number, packets: number): void {
    this.#bytesToClient += bytes
    const { tally } = this.#relay
    tally.bytesToClients += bytes
    tally.packetsToClients += packets
    this.#ofTarget.bytesToClients += bytes
    this.#ofTarget.packetsToClients += packets
  }

  /** So many bytes more of a connection of TCP were read from both sides. */
  counted(fromClient: number, toClient: number): void {
    this.fromClient(fromClient, 0)
    this.toClient(toClient, 0)
  }

  /** It has ended; what ended first is how. */
  ended(ending: RelayEnding): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    const target = this.#target
    if (target !== undefined) {
      this.#relay.tally.openConnections--
      target.tally.openConnections--
      target.flows.delete(this.#flow!)
      this.#relay.balance.closed(target)
    }
    if (this.#relay.settings.logsConnections) this.#log(ending)
  }

  #log(ending: RelayEnding): void {
    this.#relay.tell({
      type: 'connection',
      relay: this.#relay.id,
      client: this.#client,
      endpoint: this.#target?.key,
      bytesFromClient: this.#bytesFromClient,
      bytesToClient: this.#bytesToClient,
      seconds: (performance.now() - this.#beganMs) / 1_000,
      ending
    })
  }
}

/** Counts that an endpoint did not answer, and forgets that a client keeps it. */
export function countFailedDial({ balance, tally }: RelayContext, client: string, target: Target): void {
  tally.failedDials++
  target.tally.failedDials++
  balance.failed(client, target)
}
