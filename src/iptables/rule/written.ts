/**
 * Rules as the bytes that go to the kernel.
 */
import type { Expression } from '../../nftables/expressions.js'
import type { Rule } from '../../nftables/objects.js'
import { AttributeBuffer } from '../../nftables/wire/buffer.js'
import type { EncodedExpressions } from '../../nftables/wire/encoded-expressions.js'
import { encodeExpressions } from '../../nftables/wire/encode.js'
import type { IptablesFamily } from '../types.js'
import type { RuleForm } from './form.js'
import type { IptablesCounters } from './model.js'
import { readExpressions } from './read.js'
import { writeForm } from './write.js'

/** Which chain a target goes on in, if any. */
function chainOfTarget(target: RuleForm['target']): string | undefined {
  if (typeof target !== 'object') return undefined
  if ('jump' in target) return target.jump
  return 'goto' in target ? target.goto : undefined
}

/** The chain that an expression goes on in. */
export function calledByExpression(expression: Expression): string | undefined {
  return expression.type === 'immediate' && 'verdict' in expression.data ? expression.data.chain : undefined
}

/** Names of chains that the expressions of a rule go on in. */
export function calledBy(expressions: readonly Expression[]): string[] {
  return expressions.map(calledByExpression).filter((chain) => chain !== undefined)
}

/** An expression that goes on in another chain than it does, if it goes on in one. */
function goingOnIn(expression: Expression, chain: string): Expression {
  if (expression.type !== 'immediate' || !('verdict' in expression.data) || expression.data.chain === undefined) return expression
  return { ...expression, data: { verdict: expression.data.verdict, chain } }
}

/** Bytes of a rule, about: of one that is written alone. */
const RULE_BYTES = 1024

/** A rule that was checked, and encoded. Transactions hold thousands of them, so that it keeps nothing else. */
export class WrittenRule {
  readonly expressions: EncodedExpressions
  readonly compat: Rule['compat']
  /** The chain that it goes on in. */
  readonly calledChain: string | undefined

  /** @param calledChain The chain that the expressions go on in. */
  constructor(expressions: EncodedExpressions, compat: Rule['compat'], calledChain: string | undefined) {
    this.expressions = expressions
    this.compat = compat
    this.calledChain = calledChain
  }

  /** @param out Where the bytes go. @throws {ValidationError} */
  static of(form: RuleForm, family: IptablesFamily, out: AttributeBuffer): WrittenRule {
    const { expressions, compat } = writeForm(form, family)
    return new WrittenRule(encodeExpressions(expressions, out), compat, chainOfTarget(form.target))
  }

  /** The same rule, which goes on in another chain than it does. */
  withCalledChain(chain: string): WrittenRule {
    return this.#with((expression) => goingOnIn(expression, chain), chain)
  }

  /** The same rule with other counters. */
  withCounters(counters: IptablesCounters): WrittenRule {
    return this.#with((expression) => (expression.type === 'counter' ? { ...expression, ...counters } : expression), this.calledChain)
  }

  /** As it is read once it is written: what the kernel cannot tell apart is not told apart. */
  asRead(family: IptablesFamily): RuleForm | undefined {
    return readExpressions(this.expressions.decode(), family).form
  }

  #with(change: (expression: Expression) => Expression, calledChain: string | undefined): WrittenRule {
    const expressions = encodeExpressions(this.expressions.decode().map(change), new AttributeBuffer(RULE_BYTES))
    return new WrittenRule(expressions, this.compat, calledChain)
  }
}
