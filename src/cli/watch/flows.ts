/**
 * New connections as connection tracking tells of them, for modes whose rules do not count.
 */
import { printable } from '../../core/errors.js'
import { Conntrack, type Flow, type WatchStarted } from '../../conntrack/index.js'
import type { CommandEnvironment } from '../environment.js'

/** Connections to one destination that went to one endpoint. */
export interface CountedFlows {
  readonly protocol: string
  readonly address: string
  readonly port: number
  readonly endpoint: string
  readonly endpointPort: number
  count: number
}

/** Why the kernel tells of no connections, by what its setting covers. */
const SILENT: Readonly<Partial<Record<WatchStarted['covers'], string>>> = {
  none: 'new connections are not counted: net.netfilter.nf_conntrack_events is 0'
}

/** Counts translated connections as they begin. */
export class FlowCounter implements AsyncDisposable {
  readonly #conntrack: Conntrack
  readonly #stop = new AbortController()
  #counted = new Map<string, CountedFlows>()
  #note: string | undefined
  #hasLost = false
  #running: Promise<void> = Promise.resolve()

  private constructor(conntrack: Conntrack) {
    this.#conntrack = conntrack
  }

  /** Begins to count. @throws {NetplaneError} Connection tracking cannot be watched. */
  static async open({ signal, kernel }: CommandEnvironment, netns: string | number | undefined): Promise<FlowCounter> {
    const conntrack = await Conntrack.open({ netns, signal, kernel: kernel?.conntrack })
    const counter = new FlowCounter(conntrack)
    try {
      const events = await conntrack.watch({ new: true, filter: { nat: 'destination' }, signal: counter.#stop.signal })
      counter.#running = counter.#follow(events)
    } catch (error) {
      await conntrack.close()
      throw error
    }
    return counter
  }

  /** Why connections are missing; undefined: none are. */
  get note(): string | undefined {
    return (
      this.#note ?? (this.#hasLost ? 'there were more new connections than are counted: they came faster than they were read' : undefined)
    )
  }

  /** Whether nothing is counted. */
  get isSilent(): boolean {
    return this.#note !== undefined
  }

  /** What was counted since it was asked before. */
  take(): readonly CountedFlows[] {
    const counted = [...this.#counted.values()]
    this.#counted = new Map()
    return counted
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#conntrack.close()
  }

  async #follow(events: Awaited<ReturnType<Conntrack['watch']>>): Promise<void> {
    try {
      for await (const event of events) {
        if (event.type === 'start') this.#note = SILENT[event.covers]
        else if (event.type === 'lost') this.#hasLost = true
        else this.#count(event.flow)
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#note = `new connections are not counted any more: ${printable((error as Error).message)}`
    }
  }

  #count({ protocol, original, reply }: Flow): void {
    const { destination, destinationPort = 0 } = original
    const { source, sourcePort = 0 } = reply
    const key = `${protocol} ${destination} ${destinationPort} ${source} ${sourcePort}`
    const known = this.#counted.get(key)
    if (known !== undefined) known.count++
    else
      this.#counted.set(key, {
        ...{ protocol: String(protocol), port: destinationPort, endpointPort: sourcePort, count: 1 },
        address: destination,
        endpoint: source
      })
  }
}
