/**
 * What a file of iptables-save says.
 */
import type { IptablesCounters, IptablesRule } from '../rule/model.js'
import type { IptablesPolicy } from '../state/types.js'
import type { IptablesTableName } from '../types.js'

/** A line that declares a chain: `:INPUT ACCEPT [0:0]`. */
export interface SavedChain {
  readonly name: string
  /** Absent: `-`, as chains of the user have it. */
  readonly policy?: IptablesPolicy | undefined
  readonly counters: IptablesCounters
  /** The number of the line, from 1 on. */
  readonly line?: number | undefined
}

/** What a line does. */
export type SavedAction =
  | { readonly command: 'append'; readonly chain: string; readonly rule: IptablesRule }
  | { readonly command: 'insert' | 'replace'; readonly chain: string; readonly rule: IptablesRule; readonly position: number }
  | { readonly command: 'delete'; readonly chain: string; readonly which: number | IptablesRule }
  | { readonly command: 'flush' | 'zero'; readonly chain?: string | undefined; readonly position?: number | undefined }
  | { readonly command: 'newChain'; readonly chain: string }
  /** Without a chain: all chains of the user. */
  | { readonly command: 'deleteChain'; readonly chain?: string | undefined }
  | { readonly command: 'renameChain'; readonly chain: string; readonly to: string }
  | { readonly command: 'policy'; readonly chain: string; readonly policy: IptablesPolicy }

/** A line behind those that declare chains. Most append a rule. */
export type SavedCommand = SavedAction & {
  /** The number of the line, from 1 on. */
  readonly line?: number | undefined
}

/** A table, from `*nat` to `COMMIT`. */
export interface SavedTable {
  readonly name: IptablesTableName
  readonly chains: readonly SavedChain[]
  readonly commands: readonly SavedCommand[]
}
