/**
 * Numbers of address families and IP protocols.
 */

/** AF_INET and AF_INET6, include/linux/socket.h; NFPROTO_IPV4 and NFPROTO_IPV6 are the same. */
export const AF_INET = 2
export const AF_INET6 = 10

/** IPPROTO_*, include/uapi/linux/in.h. */
export const IPPROTO = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  dccp: 33,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  sctp: 132,
  udplite: 136
} as const

/** The numbers of some protocols. */
export function protocolNumbers<Name extends keyof typeof IPPROTO>(...names: readonly Name[]): Readonly<Record<Name, number>> {
  const entries = names.map((name): [string, number] => [name, IPPROTO[name]])
  return Object.freeze(Object.fromEntries(entries)) as Record<Name, number>
}

/** Transport protocols that virtual services and services have. */
export type Protocol = 'tcp' | 'udp' | 'sctp'

/** All of them. */
export const SERVICE_PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp']
