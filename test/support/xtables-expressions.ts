/**
 * Reads the expressions `match` and `target` of nft_compat, which the client of nf_tables lists as their attributes.
 */
import type { Expression } from '../../src/nftables.js'

/** One of them. */
export interface XtablesExpression {
  readonly kind: 'match' | 'target'
  readonly name: string
  readonly revision: number
  readonly info: Uint8Array
}

/** NFTA_TARGET_NAME and NFTA_MATCH_NAME, and those that follow. */
const NAME = 1
const REVISION = 2
const INFO = 3

/** The matches and targets of a rule, in order. */
export function xtablesExpressions(expressions: readonly Expression[]): XtablesExpression[] {
  return expressions.flatMap((expression) => {
    if (expression.type !== 'opaque' || (expression.name !== 'match' && expression.name !== 'target')) return []
    const attributes = attributesOf(expression.data)
    const name = Buffer.from(attributes.get(NAME) ?? []).toString()
    const revision = Buffer.from(attributes.get(REVISION) ?? [0, 0, 0, 0]).readUInt32BE()
    return [{ kind: expression.name, name: name.slice(0, name.indexOf('\0')), revision, info: attributes.get(INFO) ?? new Uint8Array() }]
  })
}

/** Attributes of netlink by their types. */
function attributesOf(data: Uint8Array): Map<number, Uint8Array> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const found = new Map<number, Uint8Array>()
  const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
  for (let at = 0; at + 4 <= data.length;) {
    const length = view.getUint16(at, little)
    if (length < 4) break
    found.set(view.getUint16(at + 2, little) & 0x3fff, data.slice(at + 4, at + length))
    at += Math.ceil(length / 4) * 4
  }
  return found
}
