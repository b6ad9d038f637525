/**
 * Follows packets from step to step, and names what they meet.
 */
import type { TraceEvent, TraceLink, TraceStep, TraceVerdict } from '../../nftables/index.js'
import type { ShownFrontend } from '../show/model.js'
import { isAtEndpoint, namedFrontends, type FrontendNames, type NamedFrontend } from './frontends.js'
import { isSameEnd, packetOf, type Packet } from './packet.js'
import type { RuleBook, TracedPlace } from './rules.js'
import type { TraceTable } from './table.js'

/** A packet begins to be traced; `again`: it left this node by loopback, and comes in by it. */
export interface PacketEvent {
  readonly event: 'packet'
  readonly packet: string
  readonly again: boolean
  readonly protocol: string
  readonly source: Packet['source']
  readonly destination: Packet['destination']
  readonly inLink?: string
  readonly outLink?: string
  /** Frontends that it goes to; several where several modes have one. */
  readonly frontends: readonly NamedFrontend[]
}

/** The packet has other addresses or ports than before. */
export interface TranslatedEvent extends Pick<PacketEvent, 'packet' | 'protocol' | 'source' | 'destination'> {
  readonly event: 'translated'
  /** Whether the destination is an endpoint of the frontend, and of which service. */
  readonly endpoint?: { readonly service?: string }
}

/** A rule, the end of a chain, or a policy. */
export interface StepEvent extends TracedPlace {
  readonly event: 'step'
  readonly packet: string
  readonly type: TraceStep['type']
  readonly family: string
  readonly table: string
  readonly chain: string
  readonly verdict?: TraceVerdict
  readonly policy?: TraceStep['policy']
  readonly mark: number
  readonly connection?: TraceStep['connection']
}

/** Steps are missing here. */
export interface LostEvent {
  readonly event: 'lost'
}

/** What a trace tells. */
export type TracedEvent = PacketEvent | TranslatedEvent | StepEvent | LostEvent

interface Followed {
  /** What it is called: ids of the kernel come again. */
  readonly name: string
  readonly frontends: readonly ShownFrontend[]
  /** Whether its steps are told; those of a packet that is passed over are not. */
  readonly isTold: boolean
  /** Whether this node has sent it, and it has not come in by loopback yet. */
  mayComeBack: boolean
  now: Packet
}

/** Packets that are remembered: their ids come again, and nobody says when one is gone. */
const MAX_FOLLOWED = 256

/** ARPHRD_LOOPBACK of linux/if_arp.h. */
const LOOPBACK_TYPE = 772

/** The chain of our table that sees what this node sends. */
const SENDING_CHAIN = 'output'

const HEX = 16
const ID_DIGITS = 8

/** Ids of which it is known how often they came. */
const MAX_NAMED = 65_536

/** Calls packets by the kernel's ids, which are made of where a packet lies in memory: a later one at the same place gets a number behind it. */
class PacketNames {
  readonly #uses = new Map<number, number>()

  take({ id }: TraceStep): string {
    const uses = (this.#uses.get(id) ?? 0) + 1
    this.#uses.delete(id)
    this.#uses.set(id, uses)
    if (this.#uses.size > MAX_NAMED) this.#uses.delete(this.#uses.keys().next().value!)
    const name = id.toString(HEX).padStart(ID_DIGITS, '0')
    return uses === 1 ? name : `${name}-${uses}`
  }
}

/** What a trace is told of the namespace. */
export interface TracerOptions {
  readonly table: TraceTable
  readonly names: FrontendNames
  readonly rules: RuleBook
  /** Names of links by index. */
  readonly links: ReadonlyMap<number, string>
  /** Packets after which further ones are passed over. */
  readonly count?: number | undefined
}

/** Makes events of steps. Packets that other programs trace are passed over. */
export class Tracer {
  readonly #options: TracerOptions
  readonly #followed = new Map<number, Followed>()
  readonly #names = new PacketNames()
  #begun = 0

  constructor(options: TracerOptions) {
    this.#options = options
  }

  /** Packets that were told of. */
  get begun(): number {
    return this.#begun
  }

  /** Whether as many packets have begun as were asked for. */
  get isFull(): boolean {
    return this.#begun === this.#options.count
  }

  /** What a step tells; nothing where it is of a packet that is not followed. */
  async follow(event: TraceEvent): Promise<TracedEvent[]> {
    if (event.type === 'lost') return [{ event: 'lost' }]
    const { table } = this.#options
    if (event.family === table.family && event.table === table.name) return this.#begin(event)
    const packet = packetOf(event.headers)
    const sent = this.#findSent(event, packet)
    if (packet !== undefined && sent !== undefined) {
      sent.mayComeBack = false
      const again = { ...sent, name: sent.isTold ? this.#names.take(event) : sent.name, now: packet }
      const begun = this.#add(event, again, true)
      return sent.isTold ? [...begun, await this.#step(event, again)] : []
    }
    const known = this.#followed.get(event.id)
    if (known === undefined) return []
    const translated = this.#translated(known, packet)
    return known.isTold ? [...translated, await this.#step(event, known)] : []
  }

  /**
   * The first step is that of the rule that began the trace; the others of that table say nothing.
   * A packet that is passed over is remembered as well, so that its later steps are not taken for those of another one.
   */
  #begin(step: TraceStep): TracedEvent[] {
    const packet = packetOf(step.headers)
    if (step.type !== 'rule' || packet === undefined) return []
    const isTold = !this.isFull
    if (isTold) this.#begun += 1
    const mayComeBack = step.chain === SENDING_CHAIN
    const name = isTold ? this.#names.take(step) : ''
    const begun = this.#add(step, { name, frontends: this.#options.names.of(packet), isTold, mayComeBack, now: packet }, false)
    return isTold ? begun : []
  }

  #add(step: TraceStep, followed: Followed, again: boolean): TracedEvent[] {
    this.#followed.delete(step.id)
    this.#followed.set(step.id, followed)
    if (this.#followed.size > MAX_FOLLOWED) this.#followed.delete(this.#followed.keys().next().value!)
    const [inLink, outLink] = [this.#linkName(step.inLink), this.#linkName(step.outLink)]
    return [
      {
        ...{ event: 'packet', packet: followed.name, again, ...followed.now },
        ...(inLink === undefined ? {} : { inLink }),
        ...(outLink === undefined ? {} : { outLink }),
        frontends: namedFrontends(followed.frontends)
      }
    ]
  }

  /**
   * The packet of this node that comes in by loopback with a step: it gets another id there, which an earlier packet may have had.
   * It keeps its addresses, unless the last chain gave it another source, which no rule has seen; then it is the last one that was sent to the destination.
   */
  #findSent({ id, inLink }: TraceStep, packet: Packet | undefined): Followed | undefined {
    if (packet === undefined || inLink?.type !== LOOPBACK_TYPE) return undefined
    const sent = [...this.#followed.values()].filter(
      ({ mayComeBack, now }) => mayComeBack && now.protocol === packet.protocol && isSameEnd(now.destination, packet.destination)
    )
    const same = sent.findLast(({ now }) => isSameEnd(now.source, packet.source))
    if (same !== undefined) return same
    const known = this.#followed.get(id)
    return known !== undefined && isSameEnd(known.now.source, packet.source) ? undefined : sent.at(-1)
  }

  #translated(known: Followed, packet: Packet | undefined): TracedEvent[] {
    if (packet === undefined) return []
    const { now, frontends } = known
    if (isSameEnd(now.source, packet.source) && isSameEnd(now.destination, packet.destination)) return []
    const isNew = !isSameEnd(now.destination, packet.destination)
    known.now = packet
    const service = frontends.find((one) => isAtEndpoint([one], packet))?.service
    const endpoint = isNew && isAtEndpoint(frontends, packet) ? { endpoint: service === undefined ? {} : { service } } : {}
    return [{ event: 'translated', packet: known.name, ...packet, ...endpoint }]
  }

  async #step(step: TraceStep, { name }: Followed): Promise<StepEvent> {
    const { type, family, table, chain, verdict, policy, mark, connection } = step
    return {
      ...{ event: 'step', packet: name, type, family, table, chain },
      ...(await this.#options.rules.find(step)),
      ...(verdict === undefined ? {} : { verdict }),
      ...(policy === undefined ? {} : { policy }),
      mark,
      ...(connection === undefined ? {} : { connection })
    }
  }

  #linkName(link: TraceLink | undefined): string | undefined {
    return link === undefined ? undefined : (this.#options.links.get(link.index) ?? `link ${link.index}`)
  }
}
