/**
 * Checks of values that several calls take. Each throws a ValidationError that names the field.
 */
import { requireAddress } from '../core/address.js'
import { isText, requireInteger } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'
import { AF_INET, AF_INET6 } from '../core/protocols.js'
import { PROTOCOLS, tupleForm } from './constants.js'

/** 2^32 - 1. */
export const MAX_U32 = 0xffffffff

/** The number of a protocol. */
export function requireProtocol(path: string, value: unknown): number {
  if (typeof value === 'string' && Object.hasOwn(PROTOCOLS, value)) return PROTOCOLS[value as keyof typeof PROTOCOLS]
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255) return value
  throw new ValidationError(path, value, `${Object.keys(PROTOCOLS).join(', ')}, or a number from 0 to 255`)
}

/** NF_CT_HELPER_NAME_LEN (include/net/netfilter/nf_conntrack_helper.h) less the NUL. */
const HELPER_NAME_BYTES = 15

/** The name of a helper, or an empty one. */
export function requireHelper(path: string, name: unknown): string {
  if (isText(name, HELPER_NAME_BYTES)) return name
  throw new ValidationError(path, name, `a helper's name of at most ${HELPER_NAME_BYTES} bytes; empty: none`)
}

/** An address as 16 bytes, and its family. */
export function requireWideAddress(path: string, text: unknown): { readonly family: number; readonly address: Uint8Array } {
  const bytes = requireAddress(path, text)
  const address = new Uint8Array(16)
  address.set(bytes)
  return { family: bytes.length === 4 ? AF_INET : AF_INET6, address }
}

/** Bits of labels as bytes: up to 128, whole 32-bit words. */
export function requireLabels(path: string, labels: unknown): Uint8Array {
  if (!Array.isArray(labels)) throw new ValidationError(path, labels, 'a list of numbers from 0 to 127')
  const bytes = new Uint8Array(16)
  for (const [index, label] of labels.entries()) {
    const bit = requireInteger(`${path}[${index}]`, label, 0, 127)
    bytes[bit >>> 3]! |= 1 << (bit & 7)
  }
  return bytes
}

/** Refuses ports of a protocol that has none. */
export function requirePorts(path: string, value: unknown, protocols: readonly number[]): void {
  const portless = protocols.find((protocol) => tupleForm(protocol) !== 'ports')
  if (protocols.length === 0 || portless === undefined) return
  throw new ValidationError(path, value, 'nothing: a protocol that is asked for has no ports')
}

/** Refuses fields that are not known: a misspelt one would be a condition without effect. */
export function requireKnown(path: string, value: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  const strange = Object.keys(value).find((name) => !known.includes(name))
  if (strange !== undefined) throw new ValidationError(`${path}.${strange}`, value[strange], `one of the fields ${known.join(', ')}`)
}
