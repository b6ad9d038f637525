/**
 * Sockets that take connections, and pass them on to endpoints.
 */
import { NetlinkError, UnsupportedError, ValidationError } from '../../../core/errors.js'
import { formatSocketAddress } from '../../../core/address.js'
import type { Relay, RelayShared } from './relay.js'
import { TcpRelay } from './tcp.js'
import type { RelayEvent, RelayOptions, Relays, RelaySpec, RelayStatus } from './types.js'
import { UdpRelay } from './udp.js'

const DEFAULTS = { maxConnections: 10_000, udpUnansweredSeconds: 30, udpIdleSeconds: 120, logsConnections: false } as const

const CLASSES = { tcp: TcpRelay, udp: UdpRelay } as const

/** Without options that are not given. */
function given(options: RelayOptions): Partial<RelayShared['options']> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/** What the failure of a listener means. */
function failureOf(error: unknown, { listenAddress, listenPort, protocol, id }: RelaySpec): unknown {
  const { errno } = error as NodeJS.ErrnoException
  if (errno === undefined) return error
  const subject = `${protocol} ${formatSocketAddress(listenAddress, listenPort)} of relay ${id}`
  return new NetlinkError({ errno: -errno, operation: 'relays.listen', subject, cause: error })
}

/** Made by {@link openRelays}. */
class OpenedRelays implements Relays {
  readonly #shared: RelayShared
  readonly #relays = new Map<string, Relay>()
  /** Those that are withdrawn, until their connections have ended. */
  readonly #draining = new Set<Relay>()

  constructor(options: RelayOptions, tell: (event: RelayEvent) => void) {
    const complete = { ...DEFAULTS, ...given(options) }
    this.#shared = { options: complete, budget: { max: complete.maxConnections, open: 0 }, tell }
  }

  async listen(spec: RelaySpec): Promise<number> {
    const make = (CLASSES as Partial<Record<string, typeof TcpRelay | typeof UdpRelay>>)[spec.protocol]
    if (make === undefined) throw new UnsupportedError(spec.protocol, `relay ${spec.id}: relays speak TCP and UDP, not ${spec.protocol}`)
    if (this.#relays.has(spec.id)) throw new ValidationError('id', spec.id, 'a name that no other relay has')
    if (spec.protocol === 'udp' && spec.proxyProtocol !== undefined)
      throw new ValidationError('proxyProtocol', spec.proxyProtocol, 'TCP alone')
    const relay = new make(spec, this.#shared)
    this.#relays.set(spec.id, relay)
    try {
      return await relay.listen()
    } catch (error) {
      this.#relays.delete(spec.id)
      throw failureOf(error, spec)
    }
  }

  update(spec: RelaySpec): void {
    this.#relays.get(spec.id)?.update(spec)
  }

  withdraw(id: string): void {
    const relay = this.#relays.get(id)
    if (relay === undefined) return
    this.#relays.delete(id)
    this.#draining.add(relay)
    relay.withdraw()
    this.#forget()
  }

  status(): readonly RelayStatus[] {
    this.#forget()
    return [...this.#relays.values(), ...this.#draining].map((relay) => relay.status())
  }

  close(): Promise<void> {
    for (const relay of [...this.#relays.values(), ...this.#draining]) relay.close()
    this.#relays.clear()
    this.#draining.clear()
    return Promise.resolve()
  }

  #forget(): void {
    for (const relay of this.#draining) if (relay.isGone) this.#draining.delete(relay)
  }
}

/** Opens relays; nothing listens yet. Their sockets do not keep the process alive. @param tell Told what they do. */
export function openRelays(options: RelayOptions, tell: (event: RelayEvent) => void): Relays {
  return new OpenedRelays(options, tell)
}
