/**
 * Everything of nf_tables that is public.
 */
export { Nftables, type Generation, type ListFilter, type NftablesOptions } from './client.js'
export { CATCHALL, INTERVAL_END, NO_SYMBOL, NO_VERDICT, type ElementColumns, type ElementRow } from './columns.js'
export type { DataType, DataTypeName, KeyValue } from './datatypes.js'
export { ElementBuffer } from './element-buffer.js'
export type { KeyField, KeyRange } from './bounds.js'
export { decodeElements, encodeElements, type EncodedElements, type SetElement } from './elements.js'
export type * from './expressions.js'
export type { Family, Hook, PriorityName } from './families.js'
export { ListedElements, type Ruleset } from './listing.js'
export type { ElementChange, NftablesEvent, NftablesEvents } from './monitor.js'
export type {
  Chain,
  ChainReference,
  Counter,
  Flowtable,
  ListedChain,
  ListedCounter,
  ListedFlowtable,
  ListedObject,
  ListedRule,
  ListedTable,
  Rule,
  StatefulObject,
  Table
} from './objects.js'
export * from './rule/index.js'
export { setForm, type ListedSet, type ObjectKind, type SetFlag, type SetForm, type SetSpec, type TypeofDeclaration } from './sets.js'
export { Transaction } from './transaction.js'
export type {
  BuiltRule,
  CommitOptions,
  CommitReport,
  ElementOptions,
  ElementSource,
  ElementTarget,
  NamedVerb,
  NameReference,
  TableReference,
  TransactionHost
} from './transaction-types.js'
export type { TypeofName } from './typeof.js'
export type { Commented } from './userdata.js'
export type { VerdictName } from './verdicts.js'
