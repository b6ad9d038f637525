/**
 * A rule between the caller's words and the kernel's expressions: matches and targets are structures of xtables, also where the kernel has expressions of its own for them.
 */
import type { Invertible } from '../extensions/invertible.js'
import type { OpaqueExtension } from '../types.js'
import type { MaskedAddress } from './addresses.js'
import type { IptablesCounters, IptablesGoto, IptablesJump, IptablesVerdict } from './model.js'

/** A rule in that form. */
export interface RuleForm {
  readonly inInterface?: Invertible<string> | undefined
  readonly outInterface?: Invertible<string> | undefined
  readonly source?: Invertible<MaskedAddress> | undefined
  readonly destination?: Invertible<MaskedAddress> | undefined
  /** 1–255. */
  readonly protocol?: Invertible<number> | undefined
  readonly fragment?: boolean | undefined
  readonly matches: readonly OpaqueExtension[]
  readonly target?: IptablesVerdict | IptablesJump | IptablesGoto | OpaqueExtension | undefined
  readonly counters: IptablesCounters
}

/** What counters are that nobody gave. */
export const NO_COUNTERS: IptablesCounters = { packets: 0n, bytes: 0n }
