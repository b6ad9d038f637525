import { parseAddress, parsePrefix, prefixRange } from '../../../../../src/core/address.js'
import type { IptablesFamily, IptablesMatch, IptablesRule } from '../../../../../src/iptables/index.js'
import type { ChainRules } from '../../../../../src/plane/iptables/layout/types.js'
import type { Protocol } from '../../../../../src/core/protocols.js'

/** The first packet of a connection. */
export interface Packet {
  readonly family: IptablesFamily
  readonly protocol: Protocol
  readonly source: string
  readonly destination: string
  readonly port: number
  /** The link that it came by; absent: this node sends it. */
  readonly link?: string
}

/** The node. */
export interface Node {
  readonly addresses: readonly string[]
}

/** Where a packet ends: at an endpoint (with whose address), refused, dropped, or as it was. */
export type End = { readonly to: string; readonly isMasqueraded: boolean } | { readonly to: 'refused' | 'dropped' | 'untouched' }

/** What becomes of a packet on its way. */
interface State {
  destination: string
  port: number
  mark: number
  isTranslated: boolean
  isMasqueraded: boolean
}

const isIn = (address: string, prefix: string): boolean => {
  const { first, last } = prefixRange(parsePrefix(prefix)!)
  const bytes = Buffer.from(parseAddress(address)!)
  return bytes.length === first.length && bytes.compare(first) >= 0 && bytes.compare(last) <= 0
}

/** Whether what may be inverted holds. */
function holds<Value>(given: Value | { readonly not: Value } | undefined, test: (value: Value) => boolean): boolean {
  if (given === undefined) return true
  if (typeof given === 'object' && given !== null && 'not' in given) return !test(given.not)
  return test(given)
}

/** One way of a packet through rules, as the kernel would go; chance is what `chances` says, and what it has not is true. */
class Walk {
  readonly chances: boolean[]
  readonly #chains: ReadonlyMap<string, readonly IptablesRule[]>
  readonly #packet: Packet
  readonly #node: Node
  readonly state: State
  #asked = 0

  constructor(chains: readonly ChainRules[], packet: Packet, node: Node, chances: readonly boolean[]) {
    this.#chains = new Map(chains.map(({ table, chain, rules }) => [`${table} ${chain}`, rules]))
    this.#packet = packet
    this.#node = node
    this.chances = [...chances]
    this.state = { destination: packet.destination, port: packet.port, mark: 0, isTranslated: false, isMasqueraded: false }
  }

  /** To its end. */
  run(): End {
    const isOut = this.#packet.link === undefined
    this.#chain('nat', isOut ? 'OUTPUT' : 'PREROUTING')
    const hook = isOut ? 'OUTPUT' : this.#isLocal(this.state.destination) ? 'INPUT' : 'FORWARD'
    const verdict = this.#chain('filter', hook)
    if (verdict === 'DROP') return { to: 'dropped' }
    if (verdict === 'REJECT') return { to: 'refused' }
    if (!this.state.isTranslated) return { to: 'untouched' }
    this.#chain('nat', 'POSTROUTING')
    return { to: `${this.state.destination} ${this.state.port}`, isMasqueraded: this.state.isMasqueraded }
  }

  #isLocal(address: string): boolean {
    return this.#node.addresses.includes(address) || isIn(address, '127.0.0.0/8') || address === '::1'
  }

  /** The verdict that ends the table, if there is one. */
  #chain(table: string, name: string): string | undefined {
    for (const rule of this.#chains.get(`${table} ${name}`) ?? []) {
      if (!this.#isMet(rule)) continue
      const { target } = rule
      if (target === undefined) continue
      if (target === 'RETURN') return undefined
      if (typeof target === 'string') return target
      const ended = 'jump' in target ? this.#chain(table, target.jump) : this.#act(target as { readonly target: string })
      if (ended !== undefined) return ended
    }
    return undefined
  }

  #act(target: { readonly target: string; readonly [option: string]: unknown }): string | undefined {
    const { state } = this
    switch (target.target) {
      case 'MARK':
        state.mark = ((state.mark & ~(target['mask'] as number)) ^ (target['value'] as number)) >>> 0
        return undefined
      case 'DNAT': {
        const { addresses, ports } = target['to'] as { addresses: string; ports: number }
        Object.assign(state, { destination: addresses, port: ports, isTranslated: true })
        return 'ACCEPT'
      }
      case 'MASQUERADE':
      case 'SNAT':
        state.isMasqueraded = true
        return 'ACCEPT'
      case 'REJECT':
        return 'REJECT'
      default:
        throw new Error(`no such target: ${target.target}`)
    }
  }

  #isMet({ source, destination, protocol, inInterface, matches = [] }: IptablesRule): boolean {
    return (
      holds(source, (prefix) => isIn(this.#packet.source, prefix)) &&
      holds(destination, (prefix) => isIn(this.state.destination, prefix)) &&
      holds(protocol, (name) => name === this.#packet.protocol) &&
      holds(inInterface, (link) => this.#isLink(link)) &&
      matches.every((match) => this.#holds(match))
    )
  }

  #isLink(name: string): boolean {
    const link = this.#packet.link ?? ''
    return name.endsWith('+') ? link.startsWith(name.slice(0, -1)) : link === name
  }

  #holds(match: IptablesMatch): boolean {
    if ('opaque' in match) throw new Error(`no such match: ${match.match}`)
    const { destination, port, mark } = this.state
    if (match.match === 'comment') return true
    if (match.match === 'tcp' || match.match === 'udp' || match.match === 'sctp')
      return holds(match.destinationPort, (asked) => asked === port)
    if (match.match === 'addrtype')
      return holds(match.source, () => this.#isLocal(this.#packet.source)) && holds(match.destination, () => this.#isLocal(destination))
    if (match.match === 'mark') return holds(match.mark, (asked) => typeof asked === 'object' && (mark & asked.mask) >>> 0 === asked.value)
    if (match.match === 'statistic') return (this.chances[this.#asked++] ??= true)
    // Nobody is remembered.
    if (match.match === 'recent') return match.action === 'set'
    if (match.match === 'conntrack') return this.#isOfState(match.state, match.originalDestination)
    throw new Error(`no such match: ${match.match}`)
  }

  #isOfState(state: unknown, original: unknown): boolean {
    const is = (name: string): boolean => name === 'NEW' || (name === 'DNAT' && this.state.isTranslated)
    return (
      holds(state as string | readonly string[] | undefined, (names) => [names].flat().some((name) => is(name))) &&
      holds(original as string | undefined, (prefix) => isIn(this.#packet.destination, prefix))
    )
  }
}

/** All ends that a packet may come to, by what chance says. */
export function endsOf(chains: readonly ChainRules[], packet: Packet, node: Node): readonly End[] {
  const ends: End[] = []
  const ways: boolean[][] = [[]]
  for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
    const walk = new Walk(chains, packet, node, way)
    ends.push(walk.run())
    // What chance said on this way, it may have said otherwise.
    for (let at = way.length; at < walk.chances.length; at++) ways.push([...walk.chances.slice(0, at), false])
  }
  return ends
}
