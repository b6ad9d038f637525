/**
 * Relays of TCP and UDP: they listen, choose an endpoint for each client, and pass on what both sides send.
 */
import { formatSocketAddress } from '../../../core/address.js'
import { ClosedError, NetlinkError, NetplaneError, ValidationError } from '../../../core/errors.js'
import type { RelayContext, RelaySettings } from './account.js'
import { Balance } from './balance.js'
import { descriptorsLeft, Limits, type DescriptorLimit } from './limits.js'
import type { RelayListener } from './listener.js'
import { OwnSockets, type TranslationOf } from './own-sockets.js'
import { Refusals } from './refusals.js'
import { checkOptions, checkSameListener, checkSpec } from './spec.js'
import { Tally } from './tally.js'
import { ownThread, startWorker, Threads, type Carrier } from './threads/carriers.js'
import type { ThreadPort } from './threads/thread.js'
import { TcpListener } from './tcp/listener.js'
import type { RelayEvent, RelayOptions, Relays, RelaySpec, RelayStatus } from './types.js'
import { UdpListener } from './udp/listener.js'

/** A relay and its listener. */
interface Relay {
  readonly context: RelayContext
  readonly listener: RelayListener
  port: number
  state: 'starting' | 'listening' | 'draining'
}

/** What is around relays. */
export interface RelaySurroundings {
  /** How many file descriptors relays may use; default: those that they have and what the process has left, but for a few. */
  readonly descriptors?: DescriptorLimit
  /** Default: nothing is translated. */
  readonly translationOf?: TranslationOf
  /** Starts a thread that carries connections; default: a worker of Node. */
  readonly startThread?: () => ThreadPort
}

const SURROUNDINGS: Required<RelaySurroundings> = {
  startThread: startWorker,
  descriptors: (used) => used + descriptorsLeft(),
  translationOf: () => Promise.resolve(undefined)
}

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another socket listens at this port',
  EACCES: 'ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this node does not have the address',
  EMFILE: 'the process has too many files open (ulimit -n)'
}

/** What the error of a relay that cannot listen names as its operation. */
export const LISTEN = 'listen'

/** The error of a socket that cannot listen, by the relay's name. */
function listenError({ id, protocol, listenAddress, listenPort }: RelaySpec, cause: NodeJS.ErrnoException): NetplaneError {
  const subject = `relay ${id}, ${protocol} at ${formatSocketAddress(listenAddress, listenPort)}`
  if (cause.errno === undefined) return new NetplaneError('ERR_NETPLANE_INTERNAL', `${subject}: ${cause.message}`, { cause })
  return new NetlinkError({ operation: LISTEN, subject, errno: -cause.errno, hint: HINTS[cause.code ?? ''], cause })
}

class RunningRelays implements Relays {
  readonly #settings: RelaySettings
  readonly #tell: (event: RelayEvent) => void
  readonly #limits: Limits
  readonly #own: OwnSockets
  readonly #startThread: () => ThreadPort
  #carrier: Carrier | undefined
  /** Those that listen, or are about to. */
  readonly #relays = new Map<string, Relay>()
  /** Those that were withdrawn, until nothing is open any more. */
  readonly #draining = new Set<Relay>()
  #closing: Promise<void> | undefined

  constructor(settings: RelaySettings, tell: (event: RelayEvent) => void, surroundings: Required<RelaySurroundings>) {
    const { descriptors, translationOf, startThread } = surroundings
    this.#startThread = startThread
    this.#settings = settings
    this.#tell = tell
    this.#limits = new Limits({ ...settings, descriptors })
    this.#own = new OwnSockets(translationOf)
  }

  async listen(spec: RelaySpec): Promise<number> {
    checkSpec(spec)
    if (this.#closing !== undefined) throw new ClosedError('userspace relays')
    if (this.#relays.has(spec.id)) throw new ValidationError('spec.id', spec.id, 'the id of no relay that listens already')
    const relay = this.#make(spec)
    this.#relays.set(spec.id, relay)
    try {
      relay.port = await relay.listener.listen(spec.listenAddress, spec.listenPort)
    } catch (error) {
      if (this.#relays.get(spec.id) === relay) this.#relays.delete(spec.id)
      throw listenError(spec, error as NodeJS.ErrnoException)
    }
    // It was withdrawn, or all were closed, before it listened.
    if (relay.state === 'draining') {
      await relay.listener.end()
      throw new ClosedError(`relay ${spec.id}`)
    }
    relay.state = 'listening'
    return relay.port
  }

  update(spec: RelaySpec): void {
    checkSpec(spec)
    const relay = this.#relays.get(spec.id)
    if (relay === undefined) throw new ValidationError('spec.id', spec.id, 'the id of a relay that listens')
    checkSameListener(relay.context.spec, spec, relay.port)
    relay.context.spec = spec
    relay.context.balance.update(spec)
  }

  withdraw(id: string): void {
    const relay = this.#relays.get(id)
    if (relay === undefined) return
    this.#relays.delete(id)
    const isListening = relay.state === 'listening'
    relay.state = 'draining'
    if (isListening) this.#drain(relay)
  }

  /** Clients that the listener still takes find the endpoints that there were. */
  #drain(relay: Relay): void {
    this.#draining.add(relay)
    relay.listener.stop(() => {
      relay.context.balance.withdraw()
      this.#settle(relay)
    })
  }

  status(): readonly RelayStatus[] {
    return [...this.#relays.values(), ...this.#draining].filter(({ state }) => state !== 'starting').map(statusOf)
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    const all = [...this.#relays.values(), ...this.#draining]
    // One that is about to listen ends itself.
    const listening = all.filter(({ state }) => state !== 'starting')
    for (const relay of all) relay.state = 'draining'
    await Promise.all(listening.map(({ listener }) => listener.end()))
    for (const { context } of all) context.refusals.close()
    this.#relays.clear()
    this.#draining.clear()
    await this.#carrier?.close()
  }

  /** Threads begin with the first relay. */
  #carrierOf(): Carrier {
    const { threads } = this.#settings
    return (this.#carrier ??=
      threads === 0 ? ownThread : new Threads(threads, (error) => this.#tell({ type: 'error', error }), this.#startThread))
  }

  #make(spec: RelaySpec): Relay {
    const context: RelayContext = {
      id: spec.id,
      spec,
      balance: new Balance(spec),
      tally: new Tally(),
      refusals: new Refusals(spec.id, this.#tell),
      limits: this.#limits,
      own: this.#own,
      settings: this.#settings,
      carrier: this.#carrierOf(),
      tell: this.#tell,
      emptied: () => this.#settle(relay)
    }
    const listener = spec.protocol === 'tcp' ? new TcpListener(context) : new UdpListener(context)
    const relay: Relay = { context, listener, port: spec.listenPort, state: 'starting' }
    return relay
  }

  /** Nothing is kept of a relay that was withdrawn and has nothing open. */
  #settle(relay: Relay): void {
    if (relay.state !== 'draining' || relay.listener.isBusy) return
    relay.context.refusals.close()
    this.#draining.delete(relay)
  }
}

function statusOf({ context: { id, tally, refusals, balance }, port }: Relay): RelayStatus {
  return { id, port, ...tally.snapshot(), refused: refusals.count, endpoints: balance.status() }
}

/**
 * Relays that listen nowhere yet.
 *
 * @param tell Is called with what happens. Connections are told one by one only where `logsConnections` asks for it.
 * @throws {ValidationError}
 */
export function openRelays(options: RelayOptions, tell: (event: RelayEvent) => void, surroundings: RelaySurroundings = {}): Relays {
  return new RunningRelays(checkOptions(options), tell, { ...SURROUNDINGS, ...surroundings })
}
