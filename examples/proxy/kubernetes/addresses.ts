import { formatAddress, parseAddress, parsePrefix, prefixRange } from 'netplane'

/** One spelling for each address; what is no address stays as it is, for the plane to refuse by name. */
export function normalize(address: string): string {
  const bytes = parseAddress(address)
  return bytes === undefined ? address : formatAddress(bytes)
}

/** Families of addresses and prefixes: only IPv6 has colons. */
export function familyOf(address: string): 'ip' | 'ip6' {
  return address.includes(':') ? 'ip6' : 'ip'
}

/** One spelling for each prefix, without bits beyond its length: Kubernetes takes `10.244.0.1/16` for `10.244.0.0/16`. Undefined: it is none. */
export function normalizePrefix(text: string): string | undefined {
  const prefix = parsePrefix(text)
  return prefix === undefined ? undefined : `${formatAddress(prefixRange(prefix).first)}/${prefix.length}`
}
