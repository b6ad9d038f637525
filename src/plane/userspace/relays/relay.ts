/**
 * What relays of both protocols have.
 */
import { Chooser, endpointName } from './choice.js'
import { Counts } from './counts.js'
import { Refusals } from './refusals.js'
import type { RelayEndpoint, RelayEnding, RelayEvent, RelayOptions, RelaySpec, RelayStatus } from './types.js'

/** How many connections there may be, all relays together. */
export interface Budget {
  readonly max: number
  open: number
}

/** What relays have in common. */
export interface RelayShared {
  readonly options: Required<{ readonly [Name in keyof RelayOptions]-?: NonNullable<RelayOptions[Name]> }>
  readonly budget: Budget
  readonly tell: (event: RelayEvent) => void
}

/** One connection, or session of UDP, that is relayed to an endpoint. */
export interface Relayed {
  /** Undefined: none has answered yet. */
  readonly endpoint: RelayEndpoint | undefined
  /** What it adds to what is counted of its endpoint, while it is open. */
  readonly live: Counts
  /** Ends it at once, both sides. */
  end(ending: RelayEnding): void
}

/** A listener with its connections. */
export abstract class Relay {
  readonly id: string
  protected readonly shared: RelayShared
  protected readonly chooser: Chooser
  protected readonly refusals: Refusals
  protected spec: RelaySpec
  readonly #open = new Set<Relayed>()
  readonly #byEndpoint = new Map<string, Counts>()
  /** Of connections that no endpoint has answered. */
  readonly #own = new Counts()
  readonly #deadlines = new Map<string, NodeJS.Timeout>()
  #port = 0
  #isWithdrawn = false

  constructor(spec: RelaySpec, shared: RelayShared) {
    this.id = spec.id
    this.spec = spec
    this.shared = shared
    this.chooser = new Chooser(spec)
    this.refusals = new Refusals(spec.id, shared.tell)
  }

  /** Starts to listen. @returns The port. */
  async listen(): Promise<number> {
    return (this.#port = await this.bind())
  }

  /** Whether it is withdrawn and nothing is left of it. */
  get isGone(): boolean {
    return this.#isWithdrawn && this.#open.size === 0
  }

  /** New connections follow; those of endpoints that went drain. */
  update(spec: RelaySpec): void {
    const before = this.spec
    this.spec = spec
    this.chooser.update(spec)
    const names = new Set(spec.endpoints.map(endpointName))
    for (const name of names) this.#keep(name)
    for (const endpoint of before.endpoints) if (!names.has(endpointName(endpoint))) this.#drain(endpointName(endpoint))
  }

  /** Stops listening; connections drain. */
  withdraw(): void {
    this.#isWithdrawn = true
    this.unbind()
    for (const { endpoint } of this.#open) if (endpoint !== undefined) this.#drain(endpointName(endpoint))
  }

  /** Ends everything at once. */
  close(): void {
    this.#isWithdrawn = true
    this.unbind()
    for (const relayed of [...this.#open]) relayed.end('drained')
    for (const timer of this.#deadlines.values()) clearTimeout(timer)
    this.#deadlines.clear()
    this.refusals.close()
  }

  status(): RelayStatus {
    const endpoints = new Map([...this.#byEndpoint].map(([name, counts]) => [name, counts.copy()]))
    for (const { endpoint, live } of this.#open) if (endpoint !== undefined) endpoints.get(endpointName(endpoint))?.add(live)
    const sum = this.#own.copy()
    for (const counts of endpoints.values()) sum.add(counts)
    return Object.assign(sum, { id: this.id, port: this.#port, refused: this.refusals.count, endpoints })
  }

  protected abstract bind(): Promise<number>
  protected abstract unbind(): void

  /** Whether one more connection may be taken; else it is refused. */
  protected takes(): boolean {
    const { budget } = this.shared
    if (budget.open >= budget.max) {
      this.refusals.add(`there are ${budget.max} connections already (maxConnections)`)
      return false
    }
    if (this.spec.endpoints.some(({ weight }) => weight > 0)) return true
    this.refusals.add('no endpoint takes connections')
    return false
  }

  /** What is counted of an endpoint. */
  protected countsOf(endpoint: RelayEndpoint): Counts {
    const name = endpointName(endpoint)
    let counts = this.#byEndpoint.get(name)
    if (counts === undefined) this.#byEndpoint.set(name, (counts = new Counts()))
    return counts
  }

  protected opened(relayed: Relayed): void {
    this.shared.budget.open++
    this.#open.add(relayed)
  }

  protected answered({ endpoint }: Relayed): void {
    const counts = this.countsOf(endpoint!)
    counts.connections++
    counts.openConnections++
  }

  /** @param seconds How long it lasted. */
  protected ended(relayed: Relayed, client: string, seconds: number, ending: RelayEnding): void {
    if (!this.#open.delete(relayed)) return
    this.shared.budget.open--
    const { endpoint, live } = relayed
    if (endpoint !== undefined) {
      const counts = this.countsOf(endpoint)
      counts.add(live)
      counts.openConnections--
      this.#forget(endpoint)
    }
    if (!this.shared.options.logsConnections) return
    const { bytesFromClients: bytesFromClient, bytesToClients: bytesToClient } = live
    const name = endpoint === undefined ? undefined : endpointName(endpoint)
    this.shared.tell({ type: 'connection', relay: this.id, client, endpoint: name, bytesFromClient, bytesToClient, seconds, ending })
  }

  /** The numbers of an endpoint that went stay in those of the relay. */
  #forget(endpoint: RelayEndpoint): void {
    const name = endpointName(endpoint)
    const counts = this.#byEndpoint.get(name)
    if (counts === undefined || counts.openConnections > 0 || this.spec.endpoints.some((one) => endpointName(one) === name)) return
    this.#own.add(counts)
    this.#byEndpoint.delete(name)
  }

  #keep(name: string): void {
    clearTimeout(this.#deadlines.get(name))
    this.#deadlines.delete(name)
  }

  #drain(name: string): void {
    const { drainSeconds } = this.spec
    const end = (): void => {
      this.#deadlines.delete(name)
      for (const relayed of [...this.#open])
        if (relayed.endpoint !== undefined && endpointName(relayed.endpoint) === name) relayed.end('drained')
    }
    if (drainSeconds === 0) end()
    else if (drainSeconds !== undefined && !this.#deadlines.has(name)) {
      const timer = setTimeout(end, Math.min(drainSeconds * 1000, MAX_TIMER_MS))
      timer.unref()
      this.#deadlines.set(name, timer)
    }
  }
}

/** Longer ones fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1
