// Rules as the kernel keeps them, as nft compiles the same text.
import type { Expression } from '../../src/nftables/expressions.js'

/** An address as text. */
export const dottedQuad = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')

const bytes = (value: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (value >>> (8 * (length - 1 - index))) & 255)

/** Register 1 is 16 bytes, its parts of 4 bytes are 8 to 11. */
const loadAddress = (destinationRegister: number): Expression => ({
  type: 'payload',
  destinationRegister,
  base: 'network',
  offset: 16,
  length: 4
})
const loadProtocol = (destinationRegister: number): Expression => ({ type: 'meta', key: 'l4proto', destinationRegister })
const loadPort = (destinationRegister: number): Expression => ({
  type: 'payload',
  destinationRegister,
  base: 'transport',
  offset: 2,
  length: 2
})
const equalsBytes = (data: Uint8Array): Expression => ({ type: 'cmp', sourceRegister: 1, op: 'eq', data })
const equals = (value: number, length: number): Expression => equalsBytes(bytes(value, length))

const isTcp: readonly Expression[] = [loadProtocol(1), equals(6, 1)]

/** Parts of the rules of the load rows. */
export const ruleParts = {
  /** `meta l4proto tcp` */
  isTcp,
  /** `ip daddr . meta l4proto . th dport` */
  frontend: [loadAddress(1), loadProtocol(9), loadPort(10)] as readonly Expression[],
  /** `. numgen random mod N` */
  slot: (modulus: number): Expression => ({ type: 'numgen', destinationRegister: 11, modulus, mode: 'random' }),
  /** `map @NAME` (register 1) or `vmap @NAME` (register 0, the verdict). */
  lookup: (set: string, destinationRegister: number): Expression => ({ type: 'lookup', set, sourceRegister: 1, destinationRegister }),
  /** `dnat ip to` address and port in register 1. */
  dnat: { type: 'nat', nat: 'dnat', family: 'ip', addressMinRegister: 1, protoMinRegister: 9 } satisfies Expression
}

/** Addresses that follow one another, back to back. */
export function addressBytes(first: number, count: number): Uint8Array {
  return Uint8Array.from({ length: 4 * count }, (_, at) => ((first + (at >> 2)) >>> (8 * (3 - (at & 3)))) & 255)
}

/** `ip daddr ADDRESS tcp dport PORT counter accept` */
export function acceptRule(address: Uint8Array, port: number): Expression[] {
  const verdict: Expression = { type: 'immediate', destinationRegister: 0, data: { verdict: 'accept' } }
  return [loadAddress(1), equalsBytes(address), ...isTcp, loadPort(1), equals(port, 2), { type: 'counter' }, verdict]
}

/** `meta mark set 1`, a mark being in host order. */
export function markRule(): Expression[] {
  const one = new Uint8Array(Uint32Array.of(1).buffer)
  return [
    { type: 'immediate', destinationRegister: 1, data: one },
    { type: 'meta', key: 'mark', sourceRegister: 1 }
  ]
}
