import { formatAddress, parseAddress } from 'netplane'

/** One spelling for each address; what is no address stays as it is, for the plane to refuse by name. */
export function normalize(address: string): string {
  const bytes = parseAddress(address)
  return bytes === undefined ? address : formatAddress(bytes)
}

/** Families of addresses and prefixes: only IPv6 has colons. */
export function familyOf(address: string): 'ip' | 'ip6' {
  return address.includes(':') ? 'ip6' : 'ip'
}
