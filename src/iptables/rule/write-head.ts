/**
 * What a rule asks of links, addresses and the protocol, as the expressions that iptables-nft writes (nft_ipv4_add and nft_ipv6_add of iptables).
 */
import type { BitwiseExpression, CompareExpression, CompareOperator, Expression, PayloadExpression } from '../../nftables/expressions.js'
import { splitInvertible, type Invertible } from '../extensions/invertible.js'
import type { IptablesFamily } from '../types.js'
import { maskLength, type MaskedAddress } from './addresses.js'
import type { RuleForm } from './form.js'

/** NFT_REG_1: iptables-nft loads everything into it. */
export const REGISTER = 1

/** Loads bytes of a header. */
export function loadPayload(base: 'network' | 'transport', offset: number, length: number): PayloadExpression {
  return { type: 'payload', destinationRegister: REGISTER, base, offset, length }
}

/** Compares what was loaded. */
export function compare(op: CompareOperator, data: Uint8Array): CompareExpression {
  return { type: 'cmp', sourceRegister: REGISTER, op, data }
}

/** Takes bits out of what was loaded. */
export function maskLoaded(mask: Uint8Array): BitwiseExpression {
  const { length } = mask
  return {
    type: 'bitwise',
    sourceRegister: REGISTER,
    destinationRegister: REGISTER,
    length,
    op: 'mask-xor',
    mask,
    xor: new Uint8Array(length)
  }
}

/** The operator for a value that may be inverted. */
export function equality(isInverted: boolean): 'eq' | 'neq' {
  return isInverted ? 'neq' : 'eq'
}

/** Where the addresses of a family stand in its header: struct iphdr, struct ip6_hdr. */
const OFFSETS: Readonly<Record<IptablesFamily, { readonly source: number; readonly destination: number }>> = {
  ip: { source: 12, destination: 16 },
  ip6: { source: 8, destination: 24 }
}

/** The fragment offset in struct iphdr, and the bits of it that are no flags. */
const FRAGMENT_OFFSET = 6
const FRAGMENT_BITS = Uint8Array.of(0x1f, 0xff)

/** What no link is called: it holds for none, so that `! -i +` never does. */
const NO_LINK = 'INVAL/D'

function interfaceExpressions(key: 'iifname' | 'oifname', given: Invertible<string> | undefined): Expression[] {
  if (given === undefined) return []
  const { value, isInverted } = splitInvertible(given)
  const isWildcard = value.endsWith('+')
  if (value === '+' && !isInverted) return []
  const load: Expression = { type: 'meta', key, destinationRegister: REGISTER }
  if (value === '+') return [load, compare('eq', Buffer.from(`${NO_LINK}\0`))]
  return [load, compare(equality(isInverted), Buffer.from(isWildcard ? value.slice(0, -1) : `${value}\0`))]
}

function addressExpressions(offset: number, given: Invertible<MaskedAddress> | undefined): Expression[] {
  if (given === undefined) return []
  const { value, isInverted } = splitInvertible(given)
  const { address, mask } = value
  const length = maskLength(mask)
  if (length === 0) return []
  const op = equality(isInverted)
  // Of a prefix that ends with a byte, only its bytes are loaded.
  if (length !== undefined && length % 8 === 0)
    return [loadPayload('network', offset, length / 8), compare(op, address.subarray(0, length / 8))]
  return [loadPayload('network', offset, address.length), maskLoaded(mask), compare(op, address)]
}

function protocolExpressions(given: Invertible<number> | undefined): Expression[] {
  if (given === undefined) return []
  const { value, isInverted } = splitInvertible(given)
  return [{ type: 'meta', key: 'l4proto', destinationRegister: REGISTER }, compare(equality(isInverted), Uint8Array.of(value))]
}

function fragmentExpressions(fragment: boolean | undefined): Expression[] {
  if (fragment === undefined) return []
  return [loadPayload('network', FRAGMENT_OFFSET, 2), maskLoaded(FRAGMENT_BITS), compare(equality(fragment), new Uint8Array(2))]
}

/** The expressions before those of the matches. */
export function headExpressions(form: RuleForm, family: IptablesFamily): Expression[] {
  return [
    ...interfaceExpressions('iifname', form.inInterface),
    ...interfaceExpressions('oifname', form.outInterface),
    ...protocolExpressions(form.protocol),
    ...addressExpressions(OFFSETS[family].source, form.source),
    ...addressExpressions(OFFSETS[family].destination, form.destination),
    ...fragmentExpressions(form.fragment)
  ]
}
