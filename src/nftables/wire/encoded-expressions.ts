/**
 * Expressions of a rule that are on the wire already: they are checked and encoded once, kept as bytes, and queued by copying.
 */
import type { Expression } from '../expressions.js'
import { decodeRecord } from './decode.js'
import type { OperationBytes } from './operation.js'
import { schemaOf } from './tables.js'

/** The attribute NFTA_RULE_EXPRESSIONS. It takes a small part of the memory that a list of expressions takes, and leaves nothing for the garbage collector to visit. */
export class EncodedExpressions implements OperationBytes {
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number

  /** @param bytes Where the attribute is, from `from` to `to`, padded to a multiple of four bytes. */
  constructor(bytes: Uint8Array, from: number, to: number) {
    this.bytes = bytes
    this.from = from
    this.to = to
  }

  /** The expressions, made anew. */
  decode(): readonly Expression[] {
    return decodeRecord(schemaOf('rule'), this.bytes.subarray(this.from, this.to))!['expressions'] as readonly Expression[]
  }
}
