/**
 * Sets of ipset in rules: the kernel has them by index, people by name.
 */
import type { Expression } from '../../nftables/expressions.js'
import type { SetNames } from '../extensions/extension.js'
import { extensionOfWord, type AnyExtension, type ExtensionKind } from '../extensions/registry.js'
import type { IptablesFamily } from '../types.js'
import { fromExpression } from './attributes.js'
import { decodeExtension, type GivenExtension } from './extensions.js'
import type { IptablesRule } from './model.js'

/** Takes any name for that of a set: for rules that are checked before the kernel can be asked. */
export const ANY_SET: SetNames = { indexOf: () => 0, nameOf: () => undefined }

/** Which sets a match or target names, by name or index. */
function setsOf(kind: ExtensionKind, given: GivenExtension, family: IptablesFamily): readonly (string | number)[] {
  const name = given[kind]
  const known: AnyExtension | undefined =
    typeof name === 'string' && given.opaque === undefined ? extensionOfWord(kind, family, name) : undefined
  return known?.setsOf?.(given) ?? []
}

/** Which sets a rule names, by name or index. The rule is known to be well. */
export function setsOfRule({ matches = [], target }: IptablesRule, family: IptablesFamily): readonly (string | number)[] {
  const all = matches.flatMap((match) => setsOf('match', match as unknown as GivenExtension, family))
  return typeof target === 'object' ? [...all, ...setsOf('target', target as unknown as GivenExtension, family)] : all
}

/** Which sets the expressions of a listed rule have, by index. */
export function setsOfExpressions(expressions: readonly Expression[], family: IptablesFamily): readonly (string | number)[] {
  return expressions.flatMap((expression) => {
    if (expression.type !== 'opaque' || (expression.name !== 'match' && expression.name !== 'target')) return []
    const kind: ExtensionKind = expression.name
    const found = fromExpression(expression)
    if (found === undefined || extensionOfWord(kind, family, found.name)?.setsOf === undefined) return []
    return setsOf(kind, decodeExtension(kind, found, { family }), family)
  })
}
