/**
 * Services as relays of this process, with tables of nf_tables before them that redirect connections to their ports.
 */
import { asNetplaneError, NetlinkError } from '../../core/errors.js'
import { networkNamespace } from '../../core/options.js'
import { Nftables } from '../../nftables/index.js'
import { BackendFailure, asFailure, type Applied, type Backend, type Inspection, type Retired } from '../core/backend.js'
import type { ServiceChange } from '../core/changes/change.js'
import type { PlaneCounters } from '../core/counters.js'
import type { Findings, Question } from '../core/explain/explain.js'
import type { ChangeListener } from '../core/listener.js'
import type { NodeAddressList } from '../core/node/addresses.js'
import type { Run } from '../core/run.js'
import type { Sentinel } from '../core/watch.js'
import type { Service, Services } from '../model.js'
import { tableParts } from '../tables/open.js'
import { ServiceTables } from '../tables/tables.js'
import type { PlaneEvent, StatusDetails, SyncDetails } from '../types.js'
import { readCounters } from './counters.js'
import { walkToRelays } from './explain.js'
import { withStandIns } from './flows.js'
import { ListeningRelays, type Begun, type Wanted } from './listening.js'
import type { UserspacePlaneSettings } from './options.js'
import { serviceOfRelay, type PlaceOptions } from './places.js'
import type { OwnSocket } from './relays/own-sockets.js'
import { LISTEN, openRelays } from './relays/relays.js'
import type { RelayEvent, Relays } from './relays/types.js'
import { unsupportedByRelays } from './support.js'
import { Translations } from './translations.js'

/** What the back end is made of. */
interface Parts {
  readonly tables: ServiceTables
  readonly relays: Relays
  readonly translations: Translations
  readonly listening: ListeningRelays
  readonly places: PlaceOptions
  readonly hasFallback: boolean
}

/** Milliseconds in which whoever was led to a relay by the last rules has connected to it. */
const LAST_CLIENTS_MS = 1000

const openConnectionsOf = (relays: Relays): number => relays.status().reduce((sum, { openConnections }) => sum + openConnections, 0)

/** Services after changes, in any order; those of before that changed are among them. */
function* servicesWith(committed: Services, changes: readonly ServiceChange[]): Generator<Service> {
  yield* committed.values()
  for (const { after } of changes) if (after !== undefined) yield after
}

/** Made by {@link openUserspaceBackend}. */
class UserspaceBackend implements Backend {
  readonly #parts: Parts
  /** When relays listen no more, though services are as they were: another back end carries them. On the clock of `performance.now()`. */
  #withdrawAt: number | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get [networkNamespace](): unknown {
    return this.#parts.tables[networkNamespace]
  }

  hasChanged(): Promise<boolean> {
    return this.#parts.tables.hasChanged()
  }

  sentinel(changed: () => void): Sentinel {
    return this.#parts.tables.sentinel(changed)
  }

  unsupported(service: Service): Error | undefined {
    const { places, hasFallback } = this.#parts
    return unsupportedByRelays(service, { hasFallback, proxyProtocol: places.proxyProtocol })
  }

  /** Sockets that cannot be had: descriptors, ports or memory are used up. */
  mayPass(error: Error): boolean {
    return error instanceof NetlinkError && error.operation === LISTEN
  }

  inspect(services: Services, changes?: readonly ServiceChange[]): Promise<Inspection> {
    return this.#parts.tables.inspect(services, changes)
  }

  audit(committed: Services): Promise<Inspection | undefined> {
    return this.#parts.tables.audit(committed)
  }

  /** Relays listen before rules lead to them. What was compared while their ports were not known is compared again. */
  async adopt(services: Services, seen: Inspection, run: Run): Promise<Applied> {
    const { tables, listening } = this.#parts
    const wanted = [...services.values()].map((after) => ({ after }))
    return await this.#between(
      wanted,
      () => services.values(),
      async ({ opened }) => {
        const compared = opened === 0 ? seen : await tables.inspect(services)
        const applied = await tables.adopt(services, compared, run)
        listening.keepOnly(services.values())
        return applied
      }
    )
  }

  async apply(changes: readonly ServiceChange[], committed: Services, run: Run): Promise<Applied> {
    const services = (): Iterable<Service> => servicesWith(committed, changes)
    return await this.#between(changes, services, () => this.#parts.tables.apply(changes, committed, run))
  }

  async setNodeAddresses(addresses: NodeAddressList, isCommitted: boolean, run: Run): Promise<void> {
    await this.#parts.tables.setNodeAddresses(addresses, isCommitted, run)
  }

  explain(question: Question): Promise<Findings> {
    return this.#parts.tables.explain(question)
  }

  counters(services: Services): Promise<PlaneCounters> {
    return Promise.resolve(readCounters(this.#parts.relays, services))
  }

  details({ requests, bytes, retries }: Run): SyncDetails {
    const { generation } = this.#parts.tables
    return { mode: 'userspace', commits: requests, bytes, generation, relays: this.#parts.listening.size, retries }
  }

  status(): StatusDetails {
    const { tables, listening, relays } = this.#parts
    const refusedConnections = relays.status().reduce((sum, { refused }) => sum + refused, 0)
    const openConnections = openConnectionsOf(relays)
    return { mode: 'userspace', generation: tables.generation, relays: listening.size, openConnections, refusedConnections }
  }

  get carriesConnections(): boolean {
    return true
  }

  async settle(): Promise<void> {
    await this.#parts.tables.settle()
  }

  follower(listener: ChangeListener): ChangeListener {
    return withStandIns(listener, this.#parts.listening)
  }

  /** Relays listen for some time longer than rules lead to them: for whoever was just led there. */
  async retire(): Promise<void> {
    await this.#parts.tables.cleanUp()
    this.#withdrawAt ??= performance.now() + LAST_CLIENTS_MS
  }

  retirement(): Retired {
    const { listening, relays } = this.#parts
    const isOver = performance.now() >= (this.#withdrawAt ?? Infinity)
    if (isOver) listening.keepOnly([])
    const connections = openConnectionsOf(relays)
    return { connections, isDone: isOver && relays.status().length === 0 }
  }

  async cleanUp(): Promise<void> {
    await this.#parts.tables.cleanUp()
  }

  /** Rules that go with the client go before what they lead to. */
  async close(): Promise<void> {
    await this.#parts.tables.close()
    await this.#parts.relays.close()
    await this.#parts.translations.close()
  }

  /** Lets relays listen, then does something with the tables, and then lets relays follow that. Where nothing is in the kernel of it, relays are as they were. */
  async #between(
    wanted: readonly Wanted[],
    services: () => Iterable<Service>,
    write: (begun: Begun) => Promise<Applied>
  ): Promise<Applied> {
    const begun = await this.#parts.listening.begin(wanted, services)
    try {
      const [refusal] = begun.refusals
      if (refusal !== undefined) throw new BackendFailure('refused', true, refusal.error, begun.refusals)
      const applied = await write(begun)
      begun.finish()
      return applied
    } catch (error) {
      const failure = asFailure(error)
      // What may be in the kernel must lead somewhere until the kernel is read again.
      if (failure.isKnown) begun.undo()
      else begun.leave()
      throw failure
    }
  }
}

/** What a relay tells, as an event of the plane. */
function eventOf(event: RelayEvent): PlaneEvent {
  if (event.type === 'error') return { type: 'error', error: asNetplaneError(event.error) }
  const { relay, ...told } = event
  const service = serviceOfRelay(relay)
  return told.type === 'connection' ? { service, ...told } : { ...told, type: 'connectionsRefused', service }
}

/** Opens the back end; nothing is written, and nothing listens. @param tell Told what it finds by itself. */
export async function openUserspaceBackend(
  settings: UserspacePlaneSettings,
  tell: (event: PlaneEvent) => void,
  open: typeof openRelays = openRelays
): Promise<Backend> {
  const { client, reservedPorts, hasFallback, places } = settings
  const nft = await Nftables.open(client)
  const { netns, deadlineMs, kernel } = client
  const translations = new Translations({ netns, deadlineMs })
  const isFake = kernel !== undefined
  // What fakes lead somewhere nobody sends.
  const surroundings = isFake ? {} : { translationOf: (socket: OwnSocket) => translations.of(socket) }
  const relays = open(settings.relays, (event) => tell(eventOf(event)), surroundings)
  const listening = new ListeningRelays(relays, places)
  const table = { ...settings.table, relays: listening }
  const parts = tableParts(nft, { table, reservedPorts, isFake, walk: walkToRelays(listening) }, tell)
  return new UserspaceBackend({ tables: new ServiceTables(nft, table, parts), relays, translations, listening, places, hasFallback })
}
