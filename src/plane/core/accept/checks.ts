/**
 * Checks of single values, written for a hundred thousand of them: a path is put together for what is refused alone.
 */
import { Buffer } from 'node:buffer'
import { ipv4Number, requireAddress, writeAddress, type AddressFamily } from '../../../core/address.js'
import { requireFields, requireKnown } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'

/** Refuses a value. Paths begin at what is checked: `.port`. */
export function refuse(path: string, value: unknown, allowed: string): never {
  throw new ValidationError(path, value, allowed)
}

/** Refuses what is none of a few words. */
export function checkOneOf(path: string, value: unknown, allowed: readonly string[]): void {
  if (typeof value !== 'string' || !allowed.includes(value)) refuse(path, value, allowed.map((name) => `'${name}'`).join(', '))
}

/** Refuses what is no integer between two bounds. */
export function checkInteger(path: string, value: unknown, min: number, max: number): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    refuse(path, value, `an integer from ${min} to ${max}`)
}

/** Finds getters, those that are inherited too, and makes no garbage. */
const lookupGetter = Reflect.get(Object.prototype, '__lookupGetter__') as (this: object, field: string) => unknown

/** Refuses a field that is computed: freezing does not keep it as it was when it was checked. */
export function checkStays(path: string, value: object, field: string): void {
  if (lookupGetter.call(value, field) !== undefined)
    refuse(`${path}.${field}`, Reflect.get(value, field), 'a value, and no getter that computes it')
}

/** Refuses what is no object, other fields, and getters. */
export function checkFields(value: unknown, fields: readonly string[], path = ''): void {
  const object = requireFields(path, value)
  requireKnown(`${path}.`, object, fields)
  for (const field of fields) if (object[field] !== undefined) checkStays(path, object, field)
}

/** Where IPv6 addresses are written to be checked: nothing is kept. */
const scratch = new Uint8Array(16)

/** Classes of addresses at which nobody can be met from elsewhere. */
type AddressClass = 'the unspecified' | 'a loopback' | 'a multicast' | 'a broadcast' | 'an IPv4-mapped'

const ANY = 'an IPv4 or IPv6 address without prefix or zone'

function classOfIPv4(address: number): AddressClass | undefined {
  const first = address >>> 24
  if (first === 127) return 'a loopback'
  if (first >= 224 && first < 240) return 'a multicast'
  return address === 0 ? 'the unspecified' : address === 0xffff_ffff ? 'a broadcast' : undefined
}

/** Sockets send to IPv4-mapped addresses over IPv4, and the kernel drops packets that come from one (ip6_rcv_core): a service there would never be met. */
function classOfIPv6(bytes: Uint8Array): AddressClass | undefined {
  if (bytes[0] === 0xff) return 'a multicast'
  for (let index = 0; index < 10; index++) if (bytes[index] !== 0) return undefined
  if (bytes[10] === 0xff && bytes[11] === 0xff) return 'an IPv4-mapped'
  for (let index = 10; index < 15; index++) if (bytes[index] !== 0) return undefined
  return bytes[15] === 0 ? 'the unspecified' : bytes[15] === 1 ? 'a loopback' : undefined
}

/** Checks an address of some family that this node is to have. @throws {ValidationError} */
export function requireOwnAddress(path: string, value: unknown, family: AddressFamily): void {
  const bytes = requireAddress(path, value, family)
  const bad = family === 'ip' ? classOfIPv4(ipv4Number(value as string)) : classOfIPv6(bytes)
  if (bad !== undefined) throw new ValidationError(path, value, `an address of this node, which is not ${bad} address`)
}

/** Refuses what is no address, or one at which nobody can be met. Returns the number of an IPv4 address; -1 where it is one of IPv6. */
export function checkAddress(value: unknown): number {
  const address = typeof value === 'string' ? ipv4Number(value) : -1
  if (address < 0 && (typeof value !== 'string' || writeAddress(value, scratch, 0) === 0)) refuse('.address', value, ANY)
  const bad = address < 0 ? classOfIPv6(scratch) : classOfIPv4(address)
  if (bad !== undefined) refuse('.address', value, `${ANY}, which is not ${bad} address`)
  return address
}

/** Bytes of the longest name, and how many one character may take in UTF-8. */
const MAX_NAME_BYTES = 255
const MAX_CHARACTER_BYTES = 3

/** Characters that change the direction of text, so that a terminal shows another name (Unicode property Bidi_Control), and halves of characters, which UTF-8 cannot say. */
const UNREADABLE = /[\p{Bidi_Control}\p{Surrogate}]/u

/** Control characters are refused, those of C1 too (Unicode category Cc), and what is {@link UNREADABLE}: names reach terminals and logs. */
function isReadable(text: string): boolean {
  let isAscii = true
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false
    isAscii &&= code < 0x80
  }
  return isAscii || !UNREADABLE.test(text)
}

/** Refuses what is no name of a service. */
export function checkName(path: string, name: unknown): void {
  const isName =
    typeof name === 'string' &&
    name !== '' &&
    (name.length * MAX_CHARACTER_BYTES <= MAX_NAME_BYTES || Buffer.byteLength(name) <= MAX_NAME_BYTES) &&
    isReadable(name)
  if (!isName) refuse(path, name, '1 to 255 bytes of text without control characters, those of direction included, and lone surrogates')
}

/** Names of carriers: they are part of names of tables. */
const CARRIER = /^[A-Za-z][A-Za-z0-9_-]{0,11}$/

/** What a name of a carrier is like, in words. */
export const CARRIER_NAME = '1 to 12 letters, digits, - and _, of which the first is a letter'

/** Whether something is a name that a carrier may have. */
export function isCarrierName(name: unknown): name is string {
  return typeof name === 'string' && CARRIER.test(name)
}

/** Refuses what is no name of a carrier. */
export function checkCarrier(path: string, name: unknown): void {
  if (!isCarrierName(name)) refuse(path, name, CARRIER_NAME)
}
