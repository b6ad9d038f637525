/**
 * What rules of iptables are made of, as objects.
 */

/** `ip`: what `iptables` shows; `ip6`: what `ip6tables` shows. */
export type IptablesFamily = 'ip' | 'ip6'

/** The tables of iptables. */
export const IPTABLES_TABLES = ['raw', 'mangle', 'nat', 'filter', 'security'] as const

/** A table of iptables. */
export type IptablesTableName = (typeof IPTABLES_TABLES)[number]

/** A match or target that netplane has no words for: it is shown, kept, and written back as it was. */
export interface OpaqueExtension {
  /** The name that the kernel knows it by, at most 28 bytes. */
  readonly name: string
  /** Which form of its structure, 0–255. */
  readonly revision: number
  /** The structure, in the byte order and with the padding of this machine. */
  readonly info: Uint8Array
}
