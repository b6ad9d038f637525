/**
 * Which protocols a rule has established so far. A field of a header may only be read where the packet has that header: what is not known yet is asked first, with the expressions
 * that nft writes and recognises again (nftables, src/payload.c payload_gen_dependency).
 */
import { ValidationError } from '../../core/errors.js'
import { AF_INET, AF_INET6, protocolNumbers } from '../../core/protocols.js'
import { parseValue } from '../datatypes.js'
import type { Expression } from '../expressions.js'
import type { Family } from '../families.js'
import { loadMatch, type PayloadMatch } from './merge.js'
import type { HeaderName, InnerNode, PayloadNode, SetUse, TunnelName, ValueNode } from './nodes.js'
import { allInsideTunnel } from './tunnels.js'

type NetworkName = 'ip' | 'ip6' | 'arp' | 'other'
type TransportName = Exclude<HeaderName, 'ether' | 'vlan' | 'arp' | 'ip' | 'ip6' | 'th'> | 'gre' | 'other'

/** A condition that the rule needs before a statement. */
export type Dependency = { readonly expressions: readonly Expression[] } | { readonly match: PayloadMatch }

const NFPROTO: Readonly<Record<'ip' | 'ip6', number>> = { ip: AF_INET, ip6: AF_INET6 }
const ETHER_TYPE: Readonly<Record<'ip' | 'ip6' | 'arp', readonly number[]>> = { ip: [0x08, 0x00], ip6: [0x86, 0xdd], arp: [0x08, 0x06] }
/** Payload compression. */
const IPPROTO_COMP = 108
const TRANSPORTS = {
  ...protocolNumbers('icmp', 'igmp', 'tcp', 'udp', 'esp', 'ah', 'dccp', 'icmpv6', 'sctp', 'udplite', 'gre'),
  comp: IPPROTO_COMP
}
/** ARPHRD_ETHER, include/uapi/linux/if_arp.h, as `meta iiftype` has it: 16 bits in host order. */
const ARPHRD_ETHER = new Uint8Array(Uint16Array.of(1).buffer)
const ETHER_TYPE_OFFSET = 12
/** Behind the tag of IEEE 802.1Q. */
const VLAN_TYPE_OFFSET = 16
const ETHER_TYPE_VLAN = Uint8Array.of(0x81, 0x00)

const REGISTER_1 = 1

function metaIs(key: 'nfproto' | 'l4proto' | 'protocol' | 'iiftype', data: Uint8Array): Dependency {
  return {
    expressions: [
      { type: 'meta', key, destinationRegister: REGISTER_1 },
      { type: 'cmp', sourceRegister: REGISTER_1, op: 'eq', data }
    ]
  }
}

function etherTypeIs(value: readonly number[] | Uint8Array, offset = ETHER_TYPE_OFFSET): Dependency {
  return { match: { base: 'link', offset, value: Uint8Array.from(value), op: 'eq', namesUpper: true } }
}

function nameOf<T extends string>(numbers: Readonly<Record<T, number>>, number: number): T | 'other' {
  return (Object.keys(numbers) as T[]).find((name) => numbers[name] === number) ?? 'other'
}

/** The protocols of one rule; grows as its conditions are compiled. */
export class ProtocolContext {
  readonly #family: Family
  #isEther: boolean
  #isVlan = false
  #icmpTypes: readonly number[] | undefined
  readonly #tunnels = new Map<TunnelName, ProtocolContext>()
  #network: NetworkName | undefined
  #transport: TransportName | undefined

  constructor(family: Family) {
    this.#family = family
    this.#isEther = family === 'bridge'
    this.#network = family === 'ip' || family === 'ip6' || family === 'arp' ? family : undefined
  }

  /** The network protocol, where it is known. */
  get network(): 'ip' | 'ip6' | undefined {
    return this.#network === 'ip' || this.#network === 'ip6' ? this.#network : undefined
  }

  /** Whether the packet is known to be of a transport protocol. */
  get hasTransport(): boolean {
    return this.#transport !== undefined
  }

  /** What must be asked before this value is read; it is taken as known from then on. @throws {ValidationError} Where it contradicts what is known. */
  require(node: ValueNode): Dependency[] {
    switch (node.kind) {
      case 'payload':
        return this.requireHeader(node.header)
      case 'concatenation':
        return node.fields.flatMap((field) => this.require(field))
      case 'map':
        return this.require(node.key)
      case 'bitwise':
        return this.require(node.operand)
      case 'hash':
        return node.input === undefined ? [] : this.require(node.input)
      case 'load':
        return node.requires === undefined ? [] : this.requireHeader(node.requires)
      case 'inner':
        return this.#requireInside(node)
      case 'meta':
      case 'ct':
      case 'fib':
      case 'numgen':
      case 'constant':
        return []
    }
  }

  /** As {@link ProtocolContext.require}, for a header. @throws {ValidationError} */
  requireHeader(header: HeaderName): Dependency[] {
    if (header === 'th') return []
    if (header === 'ether') return this.#requireEther()
    if (header === 'vlan') return this.#requireVlan()
    if (header === 'ip' || header === 'ip6' || header === 'arp') return this.#requireNetwork(header, header === 'arp')
    return this.#requireTransport(header)
  }

  /** What is asked of the packets inside a tunnel is asked there. They begin with a header of Ethernet, or are listed as if they did. */
  #inside(tunnel: TunnelName): ProtocolContext {
    const known = this.#tunnels.get(tunnel) ?? new ProtocolContext('bridge')
    this.#tunnels.set(tunnel, known)
    return known
  }

  #requireInside({ tunnel, field }: InnerNode): Dependency[] {
    const outside = this.#requireTransport(tunnel === 'vxlan' || tunnel === 'geneve' ? 'udp' : 'gre')
    const inside = field === undefined ? [] : this.#inside(tunnel).require(field)
    const asked = inside.map((dependency) => ('match' in dependency ? loadMatch(dependency.match) : dependency.expressions))
    return [...outside, ...asked.map((expressions) => ({ expressions: allInsideTunnel(tunnel, expressions) }))]
  }

  #requireEther(): Dependency[] {
    if (this.#isEther) return []
    this.#isEther = true
    return [metaIs('iiftype', ARPHRD_ETHER)]
  }

  #requireVlan(): Dependency[] {
    if (this.#isVlan) return []
    if (this.#network !== undefined)
      throw new ValidationError('statement', 'vlan', `fields of ${this.#describeNetwork()}, as the rule has established`)
    this.#isVlan = true
    return [...this.#requireEther(), etherTypeIs(ETHER_TYPE_VLAN)]
  }

  /** Whether messages of ICMP are still to be asked for their type before this field is read: it is taken as known from then on. @throws {ValidationError} Where another type is known. */
  requireIcmpTypes(types: readonly number[]): boolean {
    const known = this.#icmpTypes
    this.#icmpTypes ??= types
    if (known === undefined) return true
    if (!known.every((type) => types.includes(type)))
      throw new ValidationError(
        'statement',
        `type ${known.join(', ')}`,
        `messages of ICMP of type ${types.join(' or ')}, which alone have the field`
      )
    return false
  }

  #requireNetwork(network: 'ip' | 'ip6' | 'arp', byEtherType: boolean): Dependency[] {
    if (this.#network === network) return []
    if (this.#network !== undefined)
      throw new ValidationError('statement', network, `fields of ${this.#describeNetwork()}, as the rule has established`)
    if (network === 'arp' && this.#family === 'inet')
      throw new ValidationError('statement', network, 'a table of family arp, bridge or netdev')
    this.#network = network
    if (this.#isVlan) return [etherTypeIs(ETHER_TYPE[network], VLAN_TYPE_OFFSET)]
    if (this.#family === 'bridge')
      return [byEtherType ? etherTypeIs(ETHER_TYPE[network]) : metaIs('protocol', Uint8Array.from(ETHER_TYPE[network]))]
    if (this.#isEther) return [etherTypeIs(ETHER_TYPE[network])]
    if (this.#family === 'inet' && network !== 'arp') return [metaIs('nfproto', Uint8Array.of(NFPROTO[network]))]
    return [metaIs('protocol', Uint8Array.from(ETHER_TYPE[network]))]
  }

  #describeNetwork(): string {
    return this.#network === 'other' ? 'another network protocol than ip and ip6' : this.#network!
  }

  #requireTransport(transport: Exclude<TransportName, 'other'>): Dependency[] {
    if (this.#transport === transport) return []
    if (this.#transport !== undefined)
      throw new ValidationError('statement', transport, `fields of ${this.#transport}, as the rule has established`)
    const needed = transport === 'icmp' || transport === 'igmp' ? 'ip' : transport === 'icmpv6' ? 'ip6' : undefined
    // ICMP in the wrong version is possible, if odd: where the version is known it is not asked again.
    const network = needed !== undefined && this.#network === undefined ? this.#requireNetwork(needed, true) : []
    this.#transport = transport
    return [...network, metaIs('l4proto', Uint8Array.of(TRANSPORTS[transport]))]
  }

  /** Takes note of a condition `node == bytes`. */
  learn(node: ValueNode, bytes: Uint8Array): void {
    if (node.kind === 'inner' && node.field !== undefined) this.#inside(node.tunnel).learn(node.field, bytes)
    if (node.kind === 'payload') this.#learnField(node, bytes)
    if (node.kind !== 'meta') return
    if (node.key === 'l4proto') this.#transport = nameOf(TRANSPORTS, bytes[0]!)
    if (node.key === 'nfproto') this.#network = nameOf(NFPROTO, bytes[0]!)
    if (node.key === 'protocol' && (this.#family === 'netdev' || this.#family === 'bridge')) this.#network = networkOf(bytes)
    if (node.key === 'iiftype' && this.#family !== 'bridge') this.#isEther = bytes.every((byte, index) => byte === ARPHRD_ETHER[index])
  }

  /** Takes note of a look-up in a set of the rule's own. */
  learnSet(node: PayloadNode, set: SetUse): void {
    if (set.kind === 'named' || !isIcmpType(node)) return
    this.#icmpTypes = set.elements.flatMap(({ key }) => (typeof key === 'object' ? [] : [...parseValue('key', key, node.type)]))
  }

  #learnField(node: PayloadNode, bytes: Uint8Array): void {
    if (isIcmpType(node)) this.#icmpTypes = [bytes[0]!]
    if (node.namesUpper === 'network' && node.header === 'ether' && bytes.every((byte, index) => byte === ETHER_TYPE_VLAN[index])) {
      this.#isVlan = true
      return
    }
    if (node.namesUpper === 'transport') this.#transport = nameOf(TRANSPORTS, bytes[0]!)
    if (node.namesUpper === 'network' && this.#network === undefined) this.#network = networkOf(bytes)
  }
}

function isIcmpType({ type }: PayloadNode): boolean {
  return type.name === 'icmp_type' || type.name === 'icmpv6_type'
}

function networkOf(etherType: Uint8Array): NetworkName {
  const names: readonly ('ip' | 'ip6' | 'arp')[] = ['ip', 'ip6', 'arp']
  return names.find((name) => ETHER_TYPE[name].every((byte, index) => byte === etherType[index])) ?? 'other'
}
