/**
 * Parts of rules.
 */
import { Buffer } from 'node:buffer'
import { canonicalAddress } from '../../../core/address.js'
import type { Protocol } from '../../../core/protocols.js'
import type { IptablesFamily, IptablesMatch, IptablesRule, IptablesTarget } from '../../../iptables/index.js'
import type { AddressedFrontend } from '../../core/frontend.js'
import type { NodePlaces } from './settings.js'

interface PortOptions {
  readonly destinationPort?: number
}

/** What a rule asks for beside its matches. */
export type Asked = Omit<IptablesRule, 'matches' | 'target' | 'counters' | 'chain'>

/** XT_MAX_COMMENT_LEN without the NUL, include/uapi/linux/netfilter/xt_comment.h. */
const MAX_COMMENT_BYTES = 255
/** A byte of UTF-8 that is not the first of its character. */
const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80

/** As much of a text as a comment holds. */
function shortened(text: string): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= MAX_COMMENT_BYTES) return text
  let end = MAX_COMMENT_BYTES
  while (isContinuation(bytes[end])) end--
  return bytes.toString('utf8', 0, end)
}

/** Says something to people. */
export function comment(text: string): IptablesMatch {
  return { match: 'comment', comment: shortened(text) }
}

/** The match of a protocol, which a rule that asks for the protocol may have. */
const OF_PROTOCOL = {
  tcp: (options: PortOptions): IptablesMatch => ({ match: 'tcp', ...options }),
  udp: (options: PortOptions): IptablesMatch => ({ match: 'udp', ...options }),
  sctp: (options: PortOptions): IptablesMatch => ({ match: 'sctp', ...options })
} as const satisfies Readonly<Record<Protocol, unknown>>

/** The match of a protocol, to a port or any. */
export function ofProtocol(protocol: Protocol, destinationPort?: number): IptablesMatch {
  return OF_PROTOCOL[protocol](destinationPort === undefined ? {} : { destinationPort })
}

/** A rule; what is absent is not asked for. */
export function rule(asked: Asked, matches: readonly IptablesMatch[], target?: IptablesTarget): IptablesRule {
  return target === undefined ? { ...asked, matches } : { ...asked, matches, target }
}

/** A connection's first packet. */
export const IS_NEW: IptablesMatch = { match: 'conntrack', state: 'NEW' }
/** Packets of this node's own. */
export const FROM_NODE: IptablesMatch = { match: 'addrtype', source: 'LOCAL' }
const TO_NODE: IptablesMatch = { match: 'addrtype', destination: 'LOCAL' }

/** Addresses of loopback. */
export const LOOPBACK = { ip: '127.0.0.0/8', ip6: '::1/128' } as const

/** Tells the sender that nobody is there, which ends an attempt to connect at once. */
export function reject(family: IptablesFamily): IptablesTarget {
  return { target: 'REJECT', with: family === 'ip' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable' }
}

/** Packets to the address and port of a frontend. */
export function toFrontend(
  protocol: Protocol,
  { address, port }: Pick<AddressedFrontend, 'address' | 'port'>,
  text: string,
  target: IptablesTarget,
  from: Asked = {}
): IptablesRule {
  return rule({ ...from, destination: canonicalAddress(address), protocol }, [comment(text), ofProtocol(protocol, port)], target)
}

/** What goes to this node's addresses at which its ports are served: what to ask for, one after the other. */
export function toNode(
  family: IptablesFamily,
  node: NodePlaces,
  loopbackNodePorts: boolean
): readonly { readonly asked: Asked; readonly matches: readonly IptablesMatch[] }[] {
  const places = node[family]
  if (places !== 'all') return places.map((destination) => ({ asked: { destination }, matches: [] }))
  const asked = family === 'ip' && loopbackNodePorts ? {} : { destination: { not: LOOPBACK[family] } }
  return [{ asked, matches: [TO_NODE] }]
}
