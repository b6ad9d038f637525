/**
 * The few expressions this plane's rules are made of, in the form in which the kernel lists them, so that a rule read back equals the rule written.
 */
import type { AddressFamily } from '../../core/address.js'
import type { Expression } from '../../nftables/expressions.js'
import { ADDRESS_LENGTH } from './sets.js'

/** Where source and destination lie in the network header. */
const ADDRESS_OFFSET = { ip: { source: 12, destination: 16 }, ip6: { source: 8, destination: 24 } } as const

/** The register that holds the byte at `offset` of a key: the kernel lists multiples of 16 bytes as registers 1–4. */
export function register(offset: number): number {
  return offset % 16 === 0 ? 1 + offset / 16 : 8 + offset / 4
}

/** Loads an address of the packet. */
export function address(family: AddressFamily, which: 'source' | 'destination', offset: number): Expression {
  return {
    type: 'payload',
    destinationRegister: register(offset),
    base: 'network',
    offset: ADDRESS_OFFSET[family][which],
    length: ADDRESS_LENGTH[family]
  }
}

/** Loads `meta l4proto . th dport`. */
export function protocolAndPort(offset: number): Expression[] {
  return [
    { type: 'meta', key: 'l4proto', destinationRegister: register(offset) },
    { type: 'payload', destinationRegister: register(offset + 4), base: 'transport', offset: 2, length: 2 }
  ]
}

/** Loads `ip daddr . meta l4proto . th dport`, the key of frontends. */
export function frontend(family: AddressFamily): Expression[] {
  return [address(family, 'destination', 0), ...protocolAndPort(ADDRESS_LENGTH[family])]
}

/** Goes on only where the key in register 1 is in the set (or, inverted, is not). */
export function isIn(set: string, inverted = false): Expression {
  return { type: 'lookup', set, sourceRegister: 1, flags: inverted ? ['inverted'] : [] }
}

/** `ct status dnat`, `ct state new`: goes on only where a bit of a conntrack word, in host order, is set. */
export function conntrackBit(key: 'status' | 'state', bit: number): Expression[] {
  return [
    { type: 'ct', key, destinationRegister: 1 },
    { type: 'bitwise', sourceRegister: 1, destinationRegister: 1, length: 4, op: 'mask-xor', mask: word(bit), xor: word(0) },
    { type: 'cmp', sourceRegister: 1, op: 'neq', data: word(0) }
  ]
}

function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer)
}

/** `jump` or `goto`. */
export function verdict(kind: 'jump' | 'goto', chain: string): Expression {
  return { type: 'immediate', destinationRegister: 0, data: { verdict: kind, chain } }
}
