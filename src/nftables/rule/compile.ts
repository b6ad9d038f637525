/**
 * From statements to expressions.
 */
import { locate } from '../../errors.js'
import type { Expression } from '../expressions.js'
import type { Family } from '../families.js'
import { compileAssignment, compileDynamicSet, compileObjectMap, compileReject, compileTranslation, verdictExpression } from './actions.js'
import { RuleSets, type AnonymousSet } from './anonymous-sets.js'
import { MatchCompiler } from './matches.js'
import { mergeSteps, type Step } from './merge.js'
import type { RuleStatement, ValueNode } from './nodes.js'
import { ProtocolContext, type Dependency } from './protocols.js'
import { RegisterFile } from './registers.js'
import type { Loader } from './values.js'

/** Where a rule will be. */
export interface RuleContext {
  readonly family: Family
  readonly table: string
  /** Gives ids for the rule's own sets, each once in a transaction. */
  readonly nextSetId: () => number
}

/** A rule as the kernel takes it. */
export interface CompiledRule {
  readonly expressions: readonly Expression[]
  /** To be declared, with their elements, before the rule and in its transaction. */
  readonly anonymousSets: readonly AnonymousSet[]
}

/** The values that a statement reads, in the order that it reads them. */
function valuesOf(statement: RuleStatement): readonly ValueNode[] {
  switch (statement.kind) {
    case 'match':
    case 'lookup':
      return [statement.left]
    case 'vmap':
    case 'object-map':
      return [statement.key]
    case 'assignment':
      return [statement.value]
    case 'dynamic-set':
      return statement.data === undefined ? [statement.key] : [statement.key, statement.data]
    case 'translation':
      return [statement.address?.from, statement.address?.to, statement.port?.from, statement.port?.to].filter((node) => node !== undefined)
    case 'plain':
    case 'verdict':
    case 'reject':
      return []
  }
}

function stepOf(dependency: Dependency): Step {
  return 'match' in dependency ? { kind: 'match', match: dependency.match } : { kind: 'condition', expressions: dependency.expressions }
}

class RuleCompiler {
  readonly #family: Family
  readonly #loader: Loader & { readonly sets: RuleSets }
  readonly #protocols: ProtocolContext
  readonly #matches: MatchCompiler
  readonly #steps: Step[] = []
  /** What a reject asks before everything else. */
  readonly #first: Step[] = []

  constructor({ family, table, nextSetId }: RuleContext) {
    this.#family = family
    this.#loader = { registers: new RegisterFile(), sets: new RuleSets(family, table, nextSetId) }
    this.#protocols = new ProtocolContext(family)
    this.#matches = new MatchCompiler(this.#loader, this.#protocols)
  }

  add(statement: RuleStatement): void {
    for (const node of valuesOf(statement)) this.#steps.push(...this.#protocols.require(node).map(stepOf))
    this.#steps.push(this.#compile(statement))
  }

  finish(): CompiledRule {
    return { expressions: mergeSteps([...this.#first, ...this.#steps]), anonymousSets: this.#loader.sets.anonymous }
  }

  #compile(statement: RuleStatement): Step {
    if (statement.kind === 'match') return this.#matches.match(statement)
    if (statement.kind === 'lookup') return this.#matches.lookup(statement)
    if (statement.kind === 'vmap') return this.#matches.verdictMap(statement)
    return { kind: 'effect', expressions: this.#effect(statement) }
  }

  #effect(statement: Exclude<RuleStatement, { readonly kind: 'match' | 'lookup' | 'vmap' }>): Expression[] {
    switch (statement.kind) {
      case 'plain':
        return [statement.expression]
      case 'verdict':
        return [verdictExpression(statement)]
      case 'assignment':
        return compileAssignment(statement, this.#loader)
      case 'object-map':
        return compileObjectMap(statement, this.#loader)
      case 'dynamic-set':
        return compileDynamicSet(statement, this.#loader)
      case 'translation':
        return compileTranslation(statement, this.#family, this.#loader)
      case 'reject': {
        const { before, expression } = compileReject(statement, this.#family, this.#protocols)
        this.#first.unshift(...before.map(stepOf))
        return [expression]
      }
    }
  }
}

/**
 * Compiles a rule: the expressions that nft would write for it.
 *
 * @throws {ValidationError} A value does not fit, protocols contradict each other, or more registers are needed than there are; the path begins with the statement's index.
 */
export function compileRule(statements: readonly RuleStatement[], context: RuleContext): CompiledRule {
  const compiler = new RuleCompiler(context)
  for (const [index, statement] of statements.entries()) {
    try {
      compiler.add(statement)
    } catch (error) {
      throw locate(error, `statements[${index}].`)
    }
  }
  return compiler.finish()
}
