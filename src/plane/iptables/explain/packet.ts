/**
 * Whether a packet is what a rule asks for.
 */
import { Buffer } from 'node:buffer'
import { parseAddress, prefixRange } from '../../../core/address.js'
import type { IptablesMatch, IptablesRule, KnownMatch } from '../../../iptables/index.js'
import { splitInvertible, type Invertible } from '../../../iptables/extensions/invertible.js'
import { requireMark } from '../../../iptables/extensions/marks.js'
import type { Question, Trail } from '../../core/explain/explain.js'

/** A packet on its way: one of those that it may be, where chance decides. */
export interface State {
  readonly probability: number
  /** Where it goes; another place than was asked about once it is translated. */
  readonly address: string
  readonly port: number
  readonly isTranslated: boolean
  readonly mark: number
  /** Chains that it came by. */
  readonly path: readonly string[]
  /** Chains whose rules had it marked, with the comments of these rules. */
  readonly markedBy: readonly { readonly chain: string; readonly comment: string | undefined }[]
}

/** Of whom is asked. */
export interface Asked {
  readonly question: Question
  readonly trail: Trail
  /** Told of each list of clients that is asked, and whether it has this one. */
  readonly isRemembered: (list: string, seconds: number | undefined) => boolean
  /** Told of each chain that should have sent packets to an endpoint, and out of whose end some came. */
  readonly leaked?: (chain: string) => void
}

/** Whether an address is in a prefix: `10.0.0.0/8`, or an address alone. */
export function isInPrefix(address: string, prefix: string): boolean {
  const [base = '', length] = prefix.split('/')
  const [bytes, network] = [parseAddress(address), parseAddress(base)]
  if (bytes === undefined || network === undefined || bytes.length !== network.length) return false
  const { first, last } = prefixRange({ address: network, length: length === undefined ? network.length * 8 : Number(length) })
  return Buffer.compare(first, bytes) <= 0 && Buffer.compare(bytes, last) <= 0
}

/** What asks for nothing holds; what is asked the other way round holds where it does not. */
function holds<Value>(given: Invertible<Value> | undefined, test: (value: Value) => boolean): boolean {
  if (given === undefined) return true
  const { value, isInverted } = splitInvertible(given)
  return test(value) !== isInverted
}

const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? (value as readonly T[]) : [value as T])

type NumberRange = number | readonly [number, number]

const isInRange = (value: number, range: NumberRange): boolean =>
  typeof range === 'number' ? value === range : range[0] <= value && value <= range[1]

/** One rule and one packet. */
class Matching {
  readonly #asked: Asked
  readonly #state: State

  constructor(asked: Asked, state: State) {
    this.#asked = asked
    this.#state = state
  }

  /** How likely it is that a packet is what a match asks for; what is not known here is not. */
  probability(match: IptablesMatch): number {
    if ('opaque' in match) return 0
    if (match.match === 'comment') return 1
    if (match.match === 'statistic') return 'probability' in match && typeof match.probability === 'number' ? match.probability : 0
    return this.#holds(match) ? 1 : 0
  }

  #holds(match: KnownMatch): boolean {
    const { question } = this.#asked
    const { address, port } = this.#state
    if (match.match === 'tcp' || match.match === 'udp' || match.match === 'sctp')
      return holds(match.destinationPort as Invertible<NumberRange> | undefined, (range) => isInRange(port, range))
    if (match.match === 'addrtype')
      return (
        holds(match.source, (types) => list(types).includes('LOCAL') && this.#isFromNode()) &&
        holds(match.destination, (types) => list(types).includes('LOCAL') && question.isOwn(address))
      )
    if (match.match === 'mark') return holds(match.mark, (given) => this.#hasMark(given))
    if (match.match === 'conntrack') return this.#isConnection(match)
    return match.match === 'recent' && this.#isRecent(match)
  }

  /** What a rule asks for beside its matches. */
  head({ source, destination, protocol, inInterface, outInterface }: IptablesRule): boolean {
    const { question } = this.#asked
    return (
      holds(protocol, (name) => name === question.protocol) &&
      holds(destination, (prefix) => isInPrefix(this.#state.address, prefix)) &&
      holds(source, (prefix) => this.#isFrom(prefix)) &&
      holds(inInterface, (name) => this.#cameBy(name)) &&
      outInterface === undefined
    )
  }

  #isFromNode(): boolean {
    const { direction, from, isOwn } = this.#asked.question
    return direction === 'outgoing' || (from !== undefined && isOwn(from))
  }

  #isFrom(prefix: string): boolean {
    const { from } = this.#asked.question
    if (from === undefined) this.#asked.trail.misses('from')
    return from !== undefined && isInPrefix(from, prefix)
  }

  #cameBy(name: string): boolean {
    const { direction, interface: link } = this.#asked.question
    if (direction === 'outgoing') return false
    if (link === undefined && name !== 'lo') this.#asked.trail.misses('interface')
    return link !== undefined && (name.endsWith('+') ? link.startsWith(name.slice(0, -1)) : link === name)
  }

  #hasMark(given: Parameters<typeof requireMark>[1]): boolean {
    const { value, mask } = requireMark('mark', given)
    return (this.#state.mark & mask) >>> 0 === value
  }

  #isConnection(match: Extract<KnownMatch, { readonly match: 'conntrack' }>): boolean {
    const { state, direction, originalDestination } = match
    const states = ['NEW', ...(this.#state.isTranslated ? ['DNAT'] : [])]
    return (
      holds(state, (wanted) => list(wanted).some((one) => states.includes(one))) &&
      (direction === undefined || direction === 'ORIGINAL') &&
      holds(originalDestination, (prefix) => isInPrefix(this.#asked.question.address, prefix))
    )
  }

  #isRecent(match: Extract<KnownMatch, { readonly match: 'recent' }>): boolean {
    return holds(match.action, (action) => action === 'set' || this.#asked.isRemembered(match.name ?? 'DEFAULT', match.seconds))
  }
}

/** How likely it is that a packet is what a rule asks for. */
export function probabilityOf(rule: IptablesRule, state: State, asked: Asked): number {
  const matching = new Matching(asked, state)
  if (!matching.head(rule)) return 0
  let probability = 1
  for (const match of rule.matches ?? []) {
    probability *= matching.probability(match)
    if (probability === 0) return 0
  }
  return probability
}
