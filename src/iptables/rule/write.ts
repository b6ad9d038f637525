/**
 * A rule of iptables as the expressions of nf_tables that iptables-nft 1.8.9 writes for it; docs/iptables.md says what differs in other versions.
 */
import type { Expression, LogExpression, Verdict } from '../../nftables/expressions.js'
import type { Rule } from '../../nftables/objects.js'
import { splitInvertible, type Invertible } from '../extensions/invertible.js'
import type { IptablesFamily, OpaqueExtension } from '../types.js'
import { toExpression } from './attributes.js'
import type { RuleForm } from './form.js'
import type { IptablesVerdict } from './model.js'
import { longNflogLayout, nflogLayout, NFLOG_COPIES_LENGTH } from './structures.js'
import { headExpressions } from './write-head.js'
import { matchExpressions } from './write-matches.js'

const CODES: Readonly<Record<IptablesVerdict, Verdict>> = {
  ACCEPT: { verdict: 'accept' },
  DROP: { verdict: 'drop' },
  RETURN: { verdict: 'return' },
  QUEUE: { verdict: 'queue' }
}

function verdict(data: Verdict): Expression {
  return { type: 'immediate', destinationRegister: 0, data }
}

/** NFT_REG32_01, as iptables-nft has it. */
const TRACE_REGISTER = 9

/** The target TRACE has an expression of its own: it sets the packet's mark of tracing. */
const TRACE: readonly Expression[] = [
  { type: 'immediate', destinationRegister: TRACE_REGISTER, data: Uint8Array.of(1) },
  { type: 'meta', key: 'nftrace', sourceRegister: TRACE_REGISTER }
]

function nflogExpressions(info: Uint8Array): Expression[] | undefined {
  const read = nflogLayout.read(info) ?? longNflogLayout.read(info)
  if (read === undefined) return undefined
  const { length, group, threshold, flags, prefix } = read
  const log: LogExpression = {
    type: 'log',
    group,
    ...(prefix === '' ? {} : { prefix }),
    ...((flags & NFLOG_COPIES_LENGTH) === 0 ? {} : { snapLength: length }),
    ...(threshold === 0 ? {} : { queueThreshold: threshold })
  }
  return [log]
}

function extensionExpressions(target: OpaqueExtension): readonly Expression[] {
  if (target.name === 'TRACE' && target.revision === 0) return TRACE
  const log = target.name === 'NFLOG' && target.revision === 0 ? nflogExpressions(target.info) : undefined
  return log ?? [toExpression('target', target)]
}

function targetExpressions(target: RuleForm['target']): readonly Expression[] {
  if (target === undefined) return []
  if (typeof target === 'string') return [verdict(CODES[target])]
  if ('jump' in target) return [verdict({ verdict: 'jump', chain: target.jump })]
  if ('goto' in target) return [verdict({ verdict: 'goto', chain: target.goto })]
  return extensionExpressions(target)
}

/** The protocol that matches can rely on; undefined where none is asked for, or all but one. */
export function askedProtocol(protocol: Invertible<number> | undefined): number | undefined {
  if (protocol === undefined) return undefined
  const { value, isInverted } = splitInvertible(protocol)
  return isInverted ? undefined : value
}

/** NFT_RULE_COMPAT_F_INV. */
const COMPAT_INVERTED = 2

/** What of a rule of nf_tables its form decides. */
export function writeForm(form: RuleForm, family: IptablesFamily): Pick<Rule, 'expressions' | 'compat'> {
  const asked = askedProtocol(form.protocol)
  const expressions: Expression[] = [
    ...headExpressions(form, family),
    ...form.matches.flatMap((match) => matchExpressions(match, asked)),
    // Before the target: after it, only packets would be counted that it lets pass.
    { type: 'counter', ...form.counters },
    ...targetExpressions(form.target)
  ]
  if (form.protocol === undefined) return { expressions }
  const { value, isInverted } = splitInvertible(form.protocol)
  return { expressions, compat: { protocol: value, flags: isInverted ? COMPAT_INVERTED : 0 } }
}
