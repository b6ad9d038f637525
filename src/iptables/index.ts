/**
 * What is public of iptables.
 */
export { Iptables, type IptablesFilter, type IptablesOptions } from './client.js'
export type { Invertible } from './extensions/invertible.js'
export type { IptablesContext } from './rule/convert.js'
export type { IptablesMatchOptions, IptablesTargetOptions } from './rule/known.js'
export type {
  IptablesCounters,
  IptablesGoto,
  IptablesJump,
  IptablesMatch,
  IptablesRule,
  IptablesTarget,
  IptablesVerdict,
  KnownMatch,
  KnownTarget,
  OpaqueMatch,
  OpaqueTarget
} from './rule/model.js'
export type { IptablesChain, IptablesListing, IptablesPolicy, IptablesTable, LegacyTables, ListedIptablesRule } from './state/types.js'
export { parseRule, type LineOptions } from './text/line.js'
export { printRule, type PrintOptions } from './text/print.js'
export { parseSave, printSave, type ParseSaveOptions, type PrintSaveOptions } from './text/save.js'
export type { SavedAction, SavedChain, SavedCommand, SavedTable } from './text/saved.js'
export { IptablesSyntaxError } from './text/syntax-error.js'
export type { IptablesChainReference, IptablesTableReference } from './transaction/operations.js'
export type { RestoreOptions } from './transaction/restore.js'
export { IptablesTransaction, type IptablesCommitReport, type IptablesVerbs } from './transaction/transaction.js'
export { IPTABLES_TABLES, type IptablesFamily, type IptablesTableName, type OpaqueExtension } from './types.js'
