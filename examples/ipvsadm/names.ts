/**
 * Hosts and ports by name, and addresses in all the forms that the original reads.
 */
import { lookup, lookupService } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { formatAddress, parseAddress, type AddressFamily, type Protocol } from 'netplane'

/** Who knows names. */
export interface Names {
  /** The IPv4 address of a host. */
  addressOf(host: string): Promise<string | undefined>
  /** The host of an address. */
  hostOf(address: string): Promise<string | undefined>
  portOf(name: string, protocol: Protocol | undefined): number | undefined
  serviceOf(port: number, protocol: Protocol | undefined): string | undefined
}

/** Reads lines of /etc/services: `http 80/tcp www`. The first line of a name or port counts. */
export function readServices(text: string): { ports: Map<string, number>; names: Map<string, string> } {
  const ports = new Map<string, number>()
  const names = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [name, place, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/)
    const [port, protocol] = (place ?? '').split('/')
    if (name === undefined || port === undefined || protocol === undefined || !/^[0-9]+$/.test(port)) continue
    if (!names.has(`${port}/${protocol}`)) names.set(`${port}/${protocol}`, name)
    for (const each of [name, ...aliases]) if (!ports.has(`${each}/${protocol}`)) ports.set(`${each}/${protocol}`, Number(port))
  }
  return { ports, names }
}

function servicesFile(): string {
  try {
    return readFileSync('/etc/services', 'utf8')
  } catch {
    // Without it ports have numbers only.
    return ''
  }
}

/** The names of this system: its resolver's, and /etc/services. */
export class SystemNames implements Names {
  #services: ReturnType<typeof readServices> | undefined

  get #known(): ReturnType<typeof readServices> {
    return (this.#services ??= readServices(servicesFile()))
  }

  async addressOf(host: string): Promise<string | undefined> {
    // A host without an address is for the caller to refuse.
    const found = await lookup(host, { family: 4 }).catch(() => undefined)
    return found?.address
  }

  async hostOf(address: string): Promise<string | undefined> {
    const found = await lookupService(address, 0).catch(() => undefined)
    return found?.hostname
  }

  portOf(name: string, protocol: Protocol | undefined): number | undefined {
    return this.#known.ports.get(`${name}/${protocol}`)
  }

  serviceOf(port: number, protocol: Protocol | undefined): string | undefined {
    return this.#known.names.get(`${port}/${protocol}`)
  }
}

const numberForms: readonly (readonly [RegExp, number])[] = [
  [/^0x([0-9a-f]+)$/i, 16],
  [/^0([0-7]*)$/, 8],
  [/^([1-9][0-9]*)$/, 10]
]

/** An IPv4 address in any form of inet_aton(3): `10.1`, `0x0a000001`, `012.0.0.1`. */
export function readIpv4(text: string): string | undefined {
  const parts = text.split('.')
  if (parts.length > 4) return undefined
  let value = 0
  for (const [at, part] of parts.entries()) {
    const form = numberForms.find(([pattern]) => pattern.test(part))
    if (form === undefined) return undefined
    const number = Number.parseInt(form[0].exec(part)![1] || '0', form[1])
    const isLast = at === parts.length - 1
    const bytes = isLast ? 4 - at : 1
    if (number >= 2 ** (8 * bytes)) return undefined
    value += isLast ? number : number * 2 ** (24 - 8 * at)
  }
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.')
}

/** An IPv6 address in its canonical form. */
function readIpv6(text: string): string | undefined {
  const bytes = isIPv6(text) ? parseAddress(text) : undefined
  return bytes === undefined ? undefined : formatAddress(bytes)
}

/** A whole number in a range. */
export function readNumber(text: string, min: number, max: number): number | undefined {
  if (!/^\s*[+-]?[0-9]+$/.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? value : undefined
}

/** What `-t`, `-u` and `-r` name. */
export interface Endpoint {
  readonly address: string
  readonly family: AddressFamily
  /** Undefined: it was not mentioned. */
  readonly port: number | undefined
}

/** Brackets belong to IPv6, and a port follows them; without them IPv6 has no port. Undefined: it is nothing of the kind. */
function split(text: string): { host: string; port: string | undefined } | undefined {
  if (text.startsWith('[')) {
    const match = /^\[([^\]]*)\]:(.*)$/.exec(text)
    return match === null ? undefined : { host: match[1]!, port: match[2]! }
  }
  if (isIPv6(text)) return { host: text, port: undefined }
  const colon = text.lastIndexOf(':')
  return colon < 0 ? { host: text, port: undefined } : { host: text.slice(0, colon), port: text.slice(colon + 1) }
}

async function readHost(host: string, names: Names): Promise<Omit<Endpoint, 'port'> | undefined> {
  const ipv6 = readIpv6(host)
  if (ipv6 !== undefined) return { address: ipv6, family: 'ip6' }
  const address = readIpv4(host) ?? (await names.addressOf(host))
  return address === undefined ? undefined : { address, family: 'ip' }
}

/** Reads `host[:port]`; undefined where it is none. */
export async function readEndpoint(text: string, protocol: Protocol | undefined, names: Names): Promise<Endpoint | undefined> {
  const parts = /^[0-9]*$/.test(text) ? undefined : split(text)
  if (parts === undefined) return undefined
  const host = await readHost(parts.host, names)
  if (host === undefined || parts.port === undefined) return host && { ...host, port: undefined }
  const port = readNumber(parts.port, 0, 65_535) ?? names.portOf(parts.port, protocol)
  return port === undefined ? undefined : { ...host, port }
}
