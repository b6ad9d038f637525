/**
 * What of nf_tables the entry point `netplane` has; `netplane/nftables` has the rest.
 */
export { Nftables, type Generation, type ListFilter, type NftablesOptions } from './client.js'
export type { DataTypeName, KeyValue } from './datatypes.js'
export type { KeyField, KeyRange } from './bounds.js'
export type { SetElement } from './elements.js'
export type { Family, Hook, PriorityName } from './families.js'
export { ListedElements, type Ruleset } from './listing.js'
export type { ElementChange, NftablesEvent, NftablesEvents } from './watch.js'
export type {
  Chain,
  ChainReference,
  Counter,
  Flowtable,
  ListedChain,
  ListedCounter,
  ListedFlowtable,
  ListedRule,
  ListedTable,
  Rule,
  Table
} from './objects.js'
export type { ListedSet, ObjectKind, SetFlag, SetSpec, TypeofDeclaration } from './sets.js'
export type {
  ExpectationData,
  HelperData,
  ListedObject,
  NetworkFamily,
  ObjectData,
  ObjectReference,
  SecmarkData,
  StatefulObject,
  TcpTimeoutPolicy,
  TimeoutData,
  TransportName,
  UdpTimeoutPolicy
} from './stateful-objects.js'
export type { TraceConnection, TraceEvent, TraceEvents, TraceHeaders, TraceLink, TraceStep, TraceVerdict } from './trace.js'
export type { RepeatedColumn, RepeatedColumns, RepeatedRow, RepeatedValue } from './repeat/columns.js'
export type { OperationVerbs } from './repeat/verbs.js'
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
  SyncCommitOptions,
  TableReference
} from './transaction-types.js'
export type { TypeofName } from './typeof.js'
export type { Commented } from './userdata.js'
export type { VerdictName } from './verdicts.js'
