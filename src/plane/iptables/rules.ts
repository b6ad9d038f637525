/**
 * Rules of the layout, and rules that the kernel lists, in one form.
 */
import { isDeepStrictEqual } from 'node:util'
import type { IptablesChainReference, IptablesRule } from '../../iptables/index.js'
import { asRead, RuleKeys } from '../../iptables/rule/compare.js'
import { formOf } from '../../iptables/rule/convert.js'
import { writeForm } from '../../iptables/rule/write.js'
import { calledBy, WrittenRule } from '../../iptables/rule/written.js'
import { readListed } from '../../iptables/state/listing.js'
import type { Expression } from '../../nftables/expressions.js'
import type { ListedRule, Rule } from '../../nftables/index.js'
import type { EncodedRule } from '../../nftables/objects.js'
import type { AttributeBuffer } from '../../nftables/wire/buffer.js'

/** Where a rule stands. */
export type Place = IptablesChainReference

/** Names a place, as the key of a map. */
export function placeKey({ family, table, chain }: Place): string {
  return `${family} ${table} ${chain}`
}

/** A rule as nf_tables takes it. @throws {ValidationError} */
export function writeRule(rule: IptablesRule, { family, table }: Pick<Place, 'family' | 'table'>): Pick<Rule, 'expressions' | 'compat'> {
  return writeForm(formOf(rule, { family, table }), family)
}

/** A rule as it is sent. @param out Where its bytes go. @throws {ValidationError} */
export function encodeRule(rule: IptablesRule, place: Place, out: AttributeBuffer): EncodedRule {
  const { family, table, chain } = place
  const { expressions, compat } = WrittenRule.of(formOf(rule, { family, table }), family, out)
  return { family, table, chain, expressions, compat }
}

/** What is the same for rules that say the same: of one that is to be written. @throws {ValidationError} */
export function keyOf(rule: IptablesRule, { family, table }: Pick<Place, 'family' | 'table'>): string {
  const context = { family, table }
  return new RuleKeys(asRead(formOf(rule, context), context), context).quick
}

/** As {@link keyOf}, of a rule that the kernel lists; undefined: it is none of iptables. */
export function keyOfListed(listed: ListedRule, { family, table }: Pick<Place, 'family' | 'table'>): string | undefined {
  const context = { family, table }
  const { form } = readListed(listed, context)
  return form && new RuleKeys(form, context).quick
}

/** Whether two expressions are the same, but for what they count. */
function isSameExpression(left: Expression, right: Expression): boolean {
  return left.type === right.type && (left.type === 'counter' || isDeepStrictEqual(left, right))
}

/** Whether a listed rule says what a wanted one does. @throws {ValidationError} */
export function saysTheSame(listed: ListedRule, rule: IptablesRule, place: Pick<Place, 'family' | 'table'>): boolean {
  const { expressions } = writeRule(rule, place)
  const isWritten =
    listed.comment === undefined &&
    expressions.length === listed.expressions.length &&
    expressions.every((expression, index) => isSameExpression(expression, listed.expressions[index]!))
  // The same can be said otherwise, by another program or by the kernel.
  return isWritten || keyOf(rule, place) === keyOfListed(listed, place)
}

/** The chain that a listed rule goes on in. */
export function calledChainOf({ expressions }: ListedRule): string | undefined {
  return calledBy(expressions)[0]
}
