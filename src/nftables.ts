/**
 * The language of nf_tables: rules that read like rules, the expressions that they become, and the elements of sets in columns.
 * `Nftables` and `Transaction` of `netplane` take what is made here.
 *
 * @example
 * const tx = nft.transaction()
 * tx.add.rule({ family: 'ip', table: 'app', chain: 'in', ...rule(tcp.dport.in([80, 443]), counter(), accept()) })
 *
 * @packageDocumentation
 */
export { CATCHALL, INTERVAL_END, NO_VERDICT, type ElementColumns } from './nftables/columns.js'
export type { DataType } from './nftables/datatypes.js'
export { readElements } from './nftables/elements.js'
export { ElementBuffer } from './nftables/element-buffer.js'
export type * from './nftables/expressions.js'
export type * from './nftables/rule/nodes.js'
export * from './nftables/rule/handing-statements.js'
export * from './nftables/rule/headers.js'
export * from './nftables/rule/numbers.js'
export * from './nftables/rule/option-selectors.js'
export * from './nftables/rule/packet-selectors.js'
export * from './nftables/rule/selector.js'
export * from './nftables/rule/selectors.js'
export * from './nftables/rule/statements.js'
export * from './nftables/rule/tunnel-selectors.js'
