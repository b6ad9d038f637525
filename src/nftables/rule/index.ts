/**
 * Rules that read like rules: `rule(ip.daddr.eq('10.96.0.1'), tcp.dport.eq(443), counter(), dnat('10.0.0.1', { port: 8443 }))`.
 */
export { compileRule, type CompiledRule, type OwnChain, type RuleContext } from './compile.js'
export type { AnonymousSet } from './anonymous-sets.js'
export type * from './nodes.js'
export * from './handing-statements.js'
export * from './headers.js'
export * from './numbers.js'
export * from './option-selectors.js'
export * from './packet-selectors.js'
export * from './selector.js'
export * from './selectors.js'
export * from './statements.js'
export * from './tunnel-selectors.js'
