/**
 * Expressions of a rule that are on the wire already: they are checked and encoded once, kept as bytes, and queued by copying.
 */
import type { Expression } from '../expressions.js'
import { decodeRecord } from './decode.js'
import type { OperationBytes } from './operation.js'
import { schemaOf } from './tables.js'

/** The attribute NFTA_RULE_EXPRESSIONS. It takes a small part of the memory that a list of expressions takes, and leaves nothing for the garbage collector to visit. */
export class EncodedExpressions {
  /** Where the attribute is. */
  readonly wire: OperationBytes

  /** @param wire Of the attribute, padded to a multiple of four bytes. */
  constructor(wire: OperationBytes) {
    this.wire = wire
  }

  /** The expressions, made anew. */
  decode(): readonly Expression[] {
    const { bytes, from, to } = this.wire
    return decodeRecord(schemaOf('rule'), bytes.subarray(from, to))!['expressions'] as readonly Expression[]
  }
}
