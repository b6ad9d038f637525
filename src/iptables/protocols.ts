/**
 * Names of IP protocols as iptables prints and reads them.
 */
import { ValidationError } from '../core/errors.js'

/** Names that iptables has itself (xtables_chain_protos); of several for a number the first is printed. Then those of /etc/protocols, as Debian has it. */
const NAMES: readonly (readonly [name: string, number: number])[] = [
  ['tcp', 6],
  ['sctp', 132],
  ['udp', 17],
  ['udplite', 136],
  ['icmp', 1],
  ['ipv6-icmp', 58],
  ['icmpv6', 58],
  ['esp', 50],
  ['ah', 51],
  ['mobility-header', 135],
  ['ipv6-mh', 135],
  ['mh', 135],
  ['igmp', 2],
  ['ggp', 3],
  ['ipencap', 4],
  ['st', 5],
  ['egp', 8],
  ['igp', 9],
  ['pup', 12],
  ['hmp', 20],
  ['xns-idp', 22],
  ['rdp', 27],
  ['iso-tp4', 29],
  ['dccp', 33],
  ['xtp', 36],
  ['ddp', 37],
  ['idpr-cmtp', 38],
  ['ipv6', 41],
  ['ipv6-route', 43],
  ['ipv6-frag', 44],
  ['idrp', 45],
  ['rsvp', 46],
  ['gre', 47],
  ['skip', 57],
  ['ipv6-nonxt', 59],
  ['ipv6-opts', 60],
  ['rspf', 73],
  ['vmtp', 81],
  ['eigrp', 88],
  ['ospf', 89],
  ['ax.25', 93],
  ['ipip', 94],
  ['etherip', 97],
  ['encap', 98],
  ['pim', 103],
  ['ipcomp', 108],
  ['vrrp', 112],
  ['l2tp', 115],
  ['isis', 124],
  ['fc', 133],
  ['mpls-in-ip', 137],
  ['manet', 138],
  ['hip', 139],
  ['shim6', 140],
  ['wesp', 141],
  ['rohc', 142],
  ['ethernet', 143]
]

const NUMBERS = new Map(NAMES)
const TEXTS = new Map(NAMES.toReversed().map(([name, number]) => [number, name]))

/** How iptables prints a protocol: its name, or its number where it has none. */
export function protocolText(number: number): string {
  return TEXTS.get(number) ?? String(number)
}

/** The number of a protocol, 0 for `all`; undefined: there is none of that name. */
export function protocolNumber(text: string): number | undefined {
  const name = text.toLowerCase()
  if (name === 'all') return 0
  const number = /^(0x[0-9a-f]{1,2}|[0-9]{1,3})$/.test(name) ? Number(name) : NUMBERS.get(name)
  return number !== undefined && number <= 255 ? number : undefined
}

/** A protocol by its name or number, as a number from 1 to 255. @throws {ValidationError} */
export function requireProtocol(path: string, value: unknown): number {
  const number = typeof value === 'string' ? protocolNumber(value) : value
  if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= 255) return number
  throw new ValidationError(path, value, 'a protocol by its name or number, 1 to 255')
}
