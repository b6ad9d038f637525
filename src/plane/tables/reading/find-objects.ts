/**
 * Which objects of a table are those of slot classes, and of clients that are remembered.
 */
import type { AddressFamily } from '../../../core/address.js'
import { SERVICE_PROTOCOLS } from '../../../core/protocols.js'
import { isSameRule, rulesByChain } from '../../../nftables/compare.js'
import type { Expression } from '../../../nftables/expressions.js'
import type { ListedRule, Ruleset } from '../../../nftables/index.js'
import { affinityMap, balancingName, dispatchChain, ruleFor, type PlacedClass } from '../layout/balancing.js'
import type { TableOptions } from '../layout/table.js'
import {
  fixedSets,
  mapNames,
  SCOPES,
  setsOf,
  slotClassOf,
  stickySetOf,
  type Audience,
  type ElementSet,
  type Scope
} from '../layout/sets.js'
import type { ServiceObjects } from '../writing/objects.js'

/** Which of a table's sets are ours, and what for. */
export interface FoundObjects {
  /** By their names in the kernel. */
  readonly inUse: ReadonlyMap<string, ElementSet>
  readonly stale: ReadonlySet<string>
  /** Rules that nobody like us makes, by the chain in which they stand. */
  readonly foreign: ReadonlyMap<string, number>
}

const AUDIENCES: readonly Audience[] = ['direct', 'indirect', 'outside']

/** The chains that have a rule for each class. */
export function dispatchChains({ marks, relays }: Pick<TableOptions, 'marks' | 'relays'>): readonly string[] {
  return marks === undefined && relays === undefined
    ? SCOPES.flatMap((scope) => AUDIENCES.map((audience) => dispatchChain(scope, audience)))
    : []
}

/** Finds the sets that are made when they are needed, by the rules that ask them: a rule says in which set it looks, and the chain to which it sends packets how a slot is chosen. */
export function findObjects(family: AddressFamily, options: TableOptions, ruleset: Ruleset, objects: ServiceObjects): FoundObjects {
  const { name: table } = options
  const inUse = new Map<string, ElementSet>(fixedSets(family, options).map((set) => [set.name, set]))
  const rules = rulesByChain(ruleset)
  const byClass = new Set(dispatchChains(options))
  const names = new Set(ruleset.sets.map(({ name }) => name))
  const stale = new Set<string>()
  const foreign = new Map<string, number>()
  const take = (chain: string, rule: ListedRule, set: ElementSet | undefined): boolean => {
    const isOurs = set !== undefined && !inUse.has(set.name) && isSameRule(rule.expressions, ruleFor(set, table))
    if (!isOurs) {
      foreign.set(chain, (foreign.get(chain) ?? 0) + 1)
      return false
    }
    inUse.set(set.name, set)
    objects.rules[family].set(set, rule.handle)
    return true
  }
  for (const rule of rules.get('learn') ?? []) take('learn', rule, stickySetFor(family, rule))
  for (const scope of SCOPES) {
    for (const audience of AUDIENCES) {
      const chain = dispatchChain(scope, audience)
      if (!byClass.has(chain)) continue
      for (const rule of rules.get(chain) ?? []) {
        const placed = classFor(scope, audience, rule, rules)
        const sets = placed === undefined ? undefined : setsOf(family, placed.slotClass)
        if (!take(chain, rule, sets?.members) || placed === undefined) continue
        objects.classes[family].set(placed.slotClass, placed)
        inUse.set(placed.map, sets!.endpoints)
        for (const other of mapNames(placed.slotClass)) if (other !== placed.map && names.has(other)) stale.add(other)
      }
    }
  }
  return { inUse, stale, foreign }
}

type OfType<Type extends Expression['type']> = Extract<Expression, { readonly type: Type }>

function findExpression<Type extends Expression['type']>(
  expressions: readonly Expression[],
  ...types: readonly Type[]
): OfType<Type> | undefined {
  return expressions.find((expression): expression is OfType<Type> => (types as readonly string[]).includes(expression.type))
}

/** The set that a rule of chain `learn` asks. */
function stickySetFor(family: AddressFamily, { expressions }: ListedRule): ElementSet | undefined {
  const update = findExpression(expressions, 'dynset')
  const scope = SCOPES.find((one) => affinityMap(family, one).name === update?.set)
  if (scope === undefined || update?.timeoutMs === undefined) return undefined
  const timeoutSeconds = update.timeoutMs / 1000
  const asked = findExpression(expressions, 'lookup')?.set
  return SERVICE_PROTOCOLS.map((protocol) => stickySetOf(family, scope, { protocol, timeoutSeconds })).find(({ name }) => name === asked)
}

/** The class to whose chain a rule sends packets. */
function classFor(
  scope: Scope,
  audience: Audience,
  { expressions }: ListedRule,
  rules: ReadonlyMap<string, readonly ListedRule[]>
): PlacedClass | undefined {
  const target = findExpression(expressions, 'immediate')?.data
  const chain = target !== undefined && 'chain' in target ? target.chain : undefined
  const balancing = chain === undefined ? undefined : rules.get(chain)
  const isChoosing = ({ expressions: of }: ListedRule): boolean => findExpression(of, 'numgen', 'hash') !== undefined
  const first = balancing?.find(isChoosing)
  const choice = first === undefined ? undefined : findExpression(first.expressions, 'numgen', 'hash')
  const lookup = first === undefined ? undefined : findExpression(first.expressions, 'lookup')
  if (choice === undefined || lookup === undefined) return undefined
  const isSticky = !isChoosing(balancing![0]!)
  const slotClass = slotClassOf(scope, audience, choice.type === 'numgen' ? 'random' : 'hash', isSticky, choice.modulus)
  const map = mapNames(slotClass).find((name) => name === lookup.set)
  return map === undefined || balancingName(slotClass) !== chain ? undefined : { slotClass, map }
}
