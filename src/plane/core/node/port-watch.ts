/**
 * Local processes that wait at ports of this node which services have: nobody reaches them there.
 */
import { asNetplaneError } from '../../../core/errors.js'
import type { Listener } from '../../../sockets/listeners.js'
import type { Services } from '../../model.js'
import type { PlaneEvent, TakenPort } from '../../types.js'
import type { ServiceChange } from '../changes/change.js'
import { hasNodePort } from '../frontend.js'
import type { NodeAddressList } from './addresses.js'

/** What lists local sockets. */
export interface ListenerSource {
  list(protocol: 'tcp' | 'udp'): Promise<Listener[]>
  close(): Promise<void>
}

/** How often it is looked, beside changes that bring ports. */
const LOOK_MS = 10_000

/** Of which sockets are listed; those of SCTP are not. */
const PROTOCOLS = ['tcp', 'udp'] as const

/** A port by which a process and a service would be meant. */
const keyOf = ({ protocol, port, address }: Pick<TakenPort, 'protocol' | 'port' | 'address'>): string => `${protocol} ${address} ${port}`

const bringsNodePort = ({ before, after }: ServiceChange): boolean => before !== after && hasNodePort(after)

/** The services with ports of this node, by protocol and port. */
function nodePortsOf(services: Services): Map<string, string> {
  const ports = new Map<string, string>()
  for (const { name, protocol, frontends } of services.values())
    for (const { kind, port } of frontends) if (kind === 'node') ports.set(`${protocol} ${port}`, name)
  return ports
}

/** Looks for such processes, and tells. */
export class PortWatch {
  readonly #open: () => Promise<ListenerSource>
  readonly #tell: (event: PlaneEvent) => void
  #source: ListenerSource | undefined
  #taken = new Map<string, TakenPort>()
  #nextAt = 0
  /** It failed before, which was told. */
  #hasFailed = false

  constructor(open: () => Promise<ListenerSource>, tell: (event: PlaneEvent) => void) {
    this.#open = open
    this.#tell = tell
  }

  /** As it was seen last. */
  get taken(): readonly TakenPort[] {
    return [...this.#taken.values()]
  }

  /**
   * Looks when it is time, or when changes brought ports.
   *
   * @param now Milliseconds on the clock of `performance.now()`.
   */
  async look(
    services: Services,
    addresses: NodeAddressList,
    changes: readonly ServiceChange[] = [],
    now = performance.now()
  ): Promise<void> {
    if (now < this.#nextAt && !changes.some(bringsNodePort)) return
    this.#nextAt = now + LOOK_MS
    const ports = nodePortsOf(services)
    try {
      const taken = ports.size === 0 ? [] : await this.#find(ports, addresses)
      for (const port of taken) if (!this.#taken.has(keyOf(port))) this.#tell({ type: 'portTaken', ...port })
      this.#taken = new Map(taken.map((port) => [keyOf(port), port]))
      this.#hasFailed = false
    } catch (error) {
      if (!this.#hasFailed) this.#tell({ type: 'error', error: asNetplaneError(error) })
      this.#hasFailed = true
    }
  }

  /** Looks no more. */
  async close(): Promise<void> {
    await this.#source?.close()
  }

  async #find(ports: ReadonlyMap<string, string>, { ip, ip6 }: NodeAddressList): Promise<TakenPort[]> {
    this.#source ??= await this.#open()
    const own = new Set(['0.0.0.0', '::', ...ip, ...ip6])
    const taken: TakenPort[] = []
    for (const protocol of PROTOCOLS) {
      for (const { address, port } of await this.#source.list(protocol)) {
        const service = ports.get(`${protocol} ${port}`)
        if (service !== undefined && own.has(address)) taken.push({ protocol, port, address, service })
      }
    }
    return taken
  }
}
