/**
 * Rules of iptables, as objects.
 */
import type { Invertible } from '../extensions/invertible.js'
import type { OpaqueExtension } from '../types.js'
import type { IptablesMatchOptions, IptablesTargetOptions } from './known.js'

/** A match that netplane has words for. */
export type KnownMatch = {
  [Name in keyof IptablesMatchOptions]: { readonly match: Name } & IptablesMatchOptions[Name]
}[keyof IptablesMatchOptions]

/** A target that netplane has words for. */
export type KnownTarget = {
  [Name in keyof IptablesTargetOptions]: { readonly target: Name } & IptablesTargetOptions[Name]
}[keyof IptablesTargetOptions]

/** A match that netplane has no words for: it is kept, and written back as it was. */
export interface OpaqueMatch {
  readonly match: string
  readonly opaque: OpaqueExtension
}

/** A target that netplane has no words for: it is kept, and written back as it was. */
export interface OpaqueTarget {
  readonly target: string
  readonly opaque: OpaqueExtension
}

/** A match of a rule: its name, and its options beside it: `{ match: 'comment', comment: 'web' }`. */
export type IptablesMatch = KnownMatch | OpaqueMatch

/** What ends the packet's way through the rules. `QUEUE` is written as nf_tables has it; `iptables-save` shows no target of such a rule. */
export type IptablesVerdict = 'ACCEPT' | 'DROP' | 'RETURN' | 'QUEUE'

/** All verdicts. */
export const VERDICTS: readonly IptablesVerdict[] = ['ACCEPT', 'DROP', 'RETURN', 'QUEUE']

/** Goes on in a chain of the user, and comes back after it. */
export interface IptablesJump {
  readonly jump: string
}

/** Goes on in a chain of the user, and comes back to where the present chain was jumped to from. */
export interface IptablesGoto {
  readonly goto: string
}

/** What is done with packets that a rule holds for. */
export type IptablesTarget = IptablesVerdict | IptablesJump | IptablesGoto | KnownTarget | OpaqueTarget

/** Packets, and their bytes, that a rule held for, or that a policy was used for. */
export interface IptablesCounters {
  readonly packets: bigint
  readonly bytes: bigint
}

/** A rule. What is absent is not asked for. */
export interface IptablesRule {
  /** The chain it stands in. */
  readonly chain?: string | undefined
  /** The link that packets came from: its name of at most 15 bytes, or what its name begins with and `+`. */
  readonly inInterface?: Invertible<string> | undefined
  /** The link that packets leave by, likewise. */
  readonly outInterface?: Invertible<string> | undefined
  /** `10.0.0.0/8`, an address alone, or an address and a mask: `10.0.0.1/255.0.0.255`. */
  readonly source?: Invertible<string> | undefined
  /** As `source`. */
  readonly destination?: Invertible<string> | undefined
  /** By its name or number, 1–255. */
  readonly protocol?: Invertible<string | number> | undefined
  /** IPv4: true for fragments but the first; false for all else. */
  readonly fragment?: boolean | undefined
  /** They are asked in this order. Default: none. */
  readonly matches?: readonly IptablesMatch[] | undefined
  /** Absent: the rule only counts. */
  readonly target?: IptablesTarget | undefined
  /** Where they start, or stood when the rule was listed; default 0. */
  readonly counters?: IptablesCounters | undefined
}
