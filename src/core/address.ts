/**
 * IPv4 and IPv6 addresses and prefixes as bytes in network order. Strict: what `inet_pton` refuses is refused (`010.0.0.1`, `1.2.3`), and so are zones.
 */
import { isIPv6 } from 'node:net'
import { ValidationError } from './errors.js'

/** `ip`: IPv4, `ip6`: IPv6. */
export type AddressFamily = 'ip' | 'ip6'

/** An address and how many of its leading bits count. */
export interface Prefix {
  /** 4 or 16 bytes, as given: bits beyond the length are not cleared. */
  readonly address: Uint8Array
  /** 0–32 or 0–128. */
  readonly length: number
}

const DOT = 46
const COLON = 58
const ZERO = 48
const NINE = 57

/** Longest text of an IPv4 address. */
const MAX_IPV4 = 15

/** The number of an IPv4 address that begins at `from`, or -1 where there is none. Allocates nothing: a plane reads 100,000 at a time. */
function readIPv4(text: string, from: number): number {
  const { length } = text
  if (length - from > MAX_IPV4) return -1
  let address = 0
  let dots = 0
  let value = -1
  for (let index = from; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code >= ZERO && code <= NINE) {
      // A leading zero would be octal to some readers and decimal to others.
      if (value === 0) return -1
      value = value < 0 ? code - ZERO : value * 10 + code - ZERO
      if (value > 255) return -1
    } else {
      if (code !== DOT || value < 0 || ++dots > 3) return -1
      address = (address << 8) | value
      value = -1
    }
  }
  return dots === 3 && value >= 0 ? ((address << 8) | value) >>> 0 : -1
}

/** The number of an IPv4 address, or -1 where the text is none. */
export function ipv4Number(text: string): number {
  return readIPv4(text, 0)
}

/** Writes the four bytes of `text` from `from` on; 0 where it is no IPv4 address. */
function writeIPv4(text: string, from: number, target: Uint8Array, offset: number): 4 | 0 {
  const address = readIPv4(text, from)
  if (address < 0) return 0
  target[offset] = address >>> 24
  target[offset + 1] = address >>> 16
  target[offset + 2] = address >>> 8
  target[offset + 3] = address
  return 4
}

function parseIPv4(text: string, from: number): Uint8Array | undefined {
  const bytes = new Uint8Array(4)
  return writeIPv4(text, from, bytes, 0) === 4 ? bytes : undefined
}

function parseIPv6(text: string): Uint8Array | undefined {
  // The gate knows the grammar, so that what follows need not; it lets zones pass.
  if (!isIPv6(text) || text.includes('%')) return undefined
  const bytes = new Uint8Array(16)
  const lastColon = text.lastIndexOf(':')
  const tail = text.includes('.') ? parseIPv4(text, lastColon + 1) : undefined
  if (text.includes('.') && tail === undefined) return undefined
  const hex = tail === undefined ? text : `${text.slice(0, lastColon + 1)}0:0`
  const [head = '', rest] = hex.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = rest === undefined || rest === '' ? [] : rest.split(':')
  putGroups(bytes, 0, left)
  putGroups(bytes, 16 - 2 * right.length, right)
  if (tail !== undefined) bytes.set(tail, 12)
  return bytes
}

function putGroups(bytes: Uint8Array, offset: number, groups: readonly string[]): void {
  for (const [index, group] of groups.entries()) {
    const value = Number.parseInt(group, 16)
    bytes[offset + 2 * index] = value >>> 8
    bytes[offset + 2 * index + 1] = value & 0xff
  }
}

/** Whether a text can only be an IPv6 address: it alone has colons, and one of them among its first five characters. */
export function looksLikeIPv6(text: string): boolean {
  for (let index = 0; index < text.length && index < 5; index++) {
    const character = text.charCodeAt(index)
    if (character === COLON) return true
    if (character === DOT) return false
  }
  return false
}

/** 4 or 16 bytes in network order, or undefined where the text is no address. */
export function parseAddress(text: string): Uint8Array | undefined {
  return looksLikeIPv6(text) ? parseIPv6(text) : parseIPv4(text, 0)
}

/** Writes an address in network order and returns its length, 4 or 16; 0 where the text is none (then some bytes may have been written). */
export function writeAddress(text: string, target: Uint8Array, offset: number): 4 | 16 | 0 {
  if (!looksLikeIPv6(text)) return writeIPv4(text, 0, target, offset)
  const bytes = parseIPv6(text)
  if (bytes === undefined) return 0
  target.set(bytes, offset)
  return 16
}

/**
 * As {@link parseAddress}, refusing what is no address.
 *
 * @param path Names the field in the error.
 * @throws {ValidationError}
 */
export function requireAddress(path: string, text: unknown, family?: 'ip' | 'ip6'): Uint8Array {
  const bytes = typeof text === 'string' ? parseAddress(text) : undefined
  const wanted = family === 'ip' ? 4 : family === 'ip6' ? 16 : bytes?.length
  if (bytes?.length !== wanted || bytes === undefined) {
    const kind = family === 'ip' ? 'an IPv4' : family === 'ip6' ? 'an IPv6' : 'an IPv4 or IPv6'
    throw new ValidationError(path, text, `${kind} address without prefix or zone`)
  }
  return bytes
}

/** A power of two. */
const KNOWN_NETWORKS = 256
const networks = new Int32Array(KNOWN_NETWORKS).fill(-1)
const networkTexts = new Array<string>(KNOWN_NETWORKS).fill('')

/**
 * The text of the four bytes from `at` on. The texts of the networks of 256 addresses that were met last are kept: lists have many addresses of few networks, and seven
 * parts put together are seven strings, of which six are garbage.
 */
export function formatIPv4(bytes: Uint8Array, at: number): string {
  const first = bytes[at] ?? 0
  const second = bytes[at + 1] ?? 0
  const third = bytes[at + 2] ?? 0
  const network = (first << 16) | (second << 8) | third
  const slot = (first ^ second ^ third) & (KNOWN_NETWORKS - 1)
  if (networks[slot] !== network) {
    networks[slot] = network
    networkTexts[slot] = `${first}.${second}.${third}.`
  }
  return `${networkTexts[slot]}${bytes[at + 3]}`
}

/** The text of 4 or 16 bytes; IPv6 as RFC 5952 has it (lower case, the longest run of zeros shortened, IPv4-mapped with dots). */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return formatIPv4(bytes, 0)
  if (isMapped(bytes)) return `::ffff:${formatAddress(bytes.subarray(12))}`
  const groups = Array.from({ length: 8 }, (_, index) => (bytes[2 * index]! << 8) | bytes[2 * index + 1]!)
  const [start, length] = longestZeros(groups)
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  if (length < 2) return text(groups)
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0)
}

function longestZeros(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0]
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best[1]) best = [start, length]
    start += length
  }
  return best
}

/** Reads `10.0.0.0/8`; an address alone is a prefix of its full length. Undefined where the text is neither. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const max = address.length * 8
  if (slash < 0) return { address, length: max }
  const digits = text.slice(slash + 1)
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits) || Number(digits) > max) return undefined
  return { address, length: Number(digits) }
}

/**
 * As {@link parsePrefix}, refusing what is no prefix or has bits set beyond its length (`10.0.0.1/8`: an address was meant, or another prefix).
 *
 * @throws {ValidationError}
 */
export function requirePrefix(path: string, text: unknown): Prefix {
  const prefix = typeof text === 'string' ? parsePrefix(text) : undefined
  if (prefix === undefined) throw new ValidationError(path, text, 'an IPv4 or IPv6 prefix such as 10.0.0.0/8')
  const { first } = prefixRange(prefix)
  if (!first.every((byte, index) => byte === prefix.address[index]))
    throw new ValidationError(path, text, `no bits set beyond the length: ${formatAddress(first)}/${prefix.length}`)
  return prefix
}

/** First and last address of a prefix. */
export function prefixRange({ address, length }: Prefix): { readonly first: Uint8Array; readonly last: Uint8Array } {
  const first = Uint8Array.from(address)
  const last = Uint8Array.from(address)
  for (let index = 0; index < address.length; index++) {
    const bits = Math.min(8, Math.max(0, length - 8 * index))
    const mask = (0xff << (8 - bits)) & 0xff
    first[index] = address[index]! & mask
    last[index] = address[index]! | (~mask & 0xff)
  }
  return { first, last }
}

/** An address and port as people write them: `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatSocketAddress(address: string, port: number): string {
  return looksLikeIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}

/** The family of a text that is an address. */
export function familyOf(address: string): AddressFamily {
  return looksLikeIPv6(address) ? 'ip6' : 'ip'
}

/** An address as the kernel lists it. There is one way to write an IPv4 address; of an IPv6 address there are many. */
export function canonicalAddress(address: string): string {
  return looksLikeIPv6(address) ? formatAddress(parseAddress(address)!) : address
}
