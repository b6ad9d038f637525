import type { Family } from '../../../../src/index.js'
import type { RuleStatement } from '../../../../src/nftables.js'

/** A rule in nft's words, which are also those that nft prints for it, and in ours. */
export interface Row {
  readonly family: Family
  readonly text: string
  readonly statements: readonly RuleStatement[]
  /** What nft prints, where that is not `text`. */
  readonly prints?: string
}

/** A row of a table of family inet. */
export type InetRow = readonly [text: string, statements: RuleStatement | readonly RuleStatement[], prints?: string]

/** Rows of one family. */
export function rowsOf(family: Family, rows: readonly InetRow[]): Row[] {
  return rows.map(([text, statements, prints]) => ({
    family,
    text,
    statements: 'kind' in statements ? [statements] : statements,
    ...(prints === undefined ? {} : { prints })
  }))
}
