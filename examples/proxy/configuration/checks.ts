import { isIP } from 'node:net'
import { formatAddress, IPVS_SCHEDULERS, parsePrefix } from 'netplane'
import { parseEndpoint } from '../endpoint.js'
import { normalizePrefix } from '../kubernetes/addresses.js'

/** The words that `nodePortAddresses` takes beside prefixes. */
const NODE_PORT_WORDS = ['primary', 'localhost', 'all']

const MAX_DEVICE_NAME = 15

const isPrefix = (text: string): boolean => text.includes('/') && parsePrefix(text) !== undefined

/** What is allowed unless the value is an integer or a duration from 0. */
export function atLeastZero(value: number): string | undefined {
  return value >= 0 ? undefined : 'not less than 0 is wanted'
}

/** What is allowed unless the value is greater than 0. */
export function positive(value: number): string | undefined {
  return value > 0 ? undefined : 'more than 0 is wanted'
}

/** What is allowed outside of a range. */
export function between(min: number, max: number): (value: number) => string | undefined {
  return (value) => (value >= min && value <= max ? undefined : `a number from ${min} to ${max} is wanted`)
}

/** What is allowed unless the value is one of some words, or empty where nothing was given. */
export function oneOf(...words: readonly string[]): (value: string) => string | undefined {
  return (value) => (value === '' || words.includes(value) ? undefined : `${words.slice(0, -1).join(', ')} or ${words.at(-1)!} is wanted`)
}

/** What is allowed unless the value is an IP address. */
export function address(value: string): string | undefined {
  return isIP(value) === 0 ? 'an IP address is wanted' : undefined
}

/** An address with a port, apart; undefined: it is none. An address alone has no port. */
export function splitEndpoint(value: string): { readonly host: string; readonly port: number | undefined } | undefined {
  if (isIP(value) !== 0) return { host: value, port: undefined }
  const parts = parseEndpoint(value)
  if (parts === undefined) return undefined
  const { host, port, isBracketed } = parts
  return host === '' || isIP(host) === (isBracketed ? 6 : 4) ? { host, port } : undefined
}

/** What is allowed unless the value is an address, with or without a port, or empty. */
export function endpoint(value: string): string | undefined {
  return value === '' || splitEndpoint(value) !== undefined
    ? undefined
    : 'an IP address with a port is wanted, such as 0.0.0.0:10256 or [::]:10256'
}

/** What is allowed unless it is `HOST:PORT`, `off` or empty. */
export function listen(value: string): string | undefined {
  return value === '' || value === 'off' || parseEndpoint(value) !== undefined ? undefined : 'HOST:PORT is wanted, or off'
}

/** What is allowed unless all values are prefixes. */
export function prefixes(values: readonly string[]): string | undefined {
  const wrong = values.find((value) => !isPrefix(value))
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is no prefix: ADDRESS/LENGTH is wanted`
}

function hasHostBits(prefix: string): boolean {
  const { address = new Uint8Array() } = parsePrefix(prefix) ?? {}
  return normalizePrefix(prefix)?.split('/')[0] !== formatAddress(address)
}

/** What is allowed unless all values are prefixes without bits beyond their length, which are a mistake in what only this proxy reads. */
export function exactPrefixes(values: readonly string[]): string | undefined {
  const wrong = prefixes(values)
  if (wrong !== undefined) return wrong
  const inexact = values.find(hasHostBits)
  return inexact === undefined
    ? undefined
    : `${JSON.stringify(inexact)} has bits set beyond the length: ${normalizePrefix(inexact)!} is wanted`
}

/** What is allowed unless all values are prefixes, or the only one is the word for none. */
export function externalRanges(values: readonly string[]): string | undefined {
  return values.length === 1 && values[0] === 'none' ? undefined : exactPrefixes(values)
}

/** What is allowed unless it is a prefix, or one of each family with a comma between. */
export function clusterPrefixes(value: string): string | undefined {
  if (value === '') return undefined
  const parts = value.split(',')
  const wrong = prefixes(parts)
  if (wrong !== undefined) return wrong
  if (parts.length > 2) return 'one prefix, or one of each family is wanted'
  return parts.length === 2 && parts[0]!.includes(':') === parts[1]!.includes(':')
    ? 'of two prefixes one must be IPv4 and one IPv6'
    : undefined
}

/** What is allowed unless all values are prefixes or words for some. */
export function nodePortAddresses(values: readonly string[]): string | undefined {
  const wrong = values.find((value) => !NODE_PORT_WORDS.includes(value) && !isPrefix(value))
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is neither a prefix nor one of ${NODE_PORT_WORDS.join(', ')}`
}

/** What is allowed unless the value is a scheduler of IPVS, or empty. */
export function ipvsScheduler(value: string): string | undefined {
  return value === '' || (IPVS_SCHEDULERS as readonly string[]).includes(value)
    ? undefined
    : `a scheduler of IPVS is wanted: ${IPVS_SCHEDULERS.join(', ')}`
}

/** What is allowed unless the value may stand in for a scheduler in some mode, or is empty. */
export function schedulerFallback(value: string): string | undefined {
  return oneOf('random', 'hash', 'consistent', ...IPVS_SCHEDULERS)(value)
}

/** What is allowed unless a device can have that name, or the field is empty. */
export function device(value: string): string | undefined {
  if (value === '' || (Buffer.byteLength(value) <= MAX_DEVICE_NAME && !/[\s/:*]/.test(value) && value !== '.' && value !== '..'))
    return undefined
  return `the name of a device is wanted: at most ${MAX_DEVICE_NAME} bytes without spaces, /, : and *`
}

/** What is allowed unless the value is a quantity of Kubernetes: `0`, `512`, `3M`, `5Mi`. */
export function quantity(value: string): string | undefined {
  return /^[+-]?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/.test(value)
    ? undefined
    : 'a quantity is wanted, such as 512, 3M or 5Mi'
}

/** What is allowed unless the value is a minor version, or empty. */
export function minorVersion(value: string): string | undefined {
  return value === '' || /^\d+\.\d+$/.test(value) ? undefined : 'a minor version is wanted, such as 1.33'
}
