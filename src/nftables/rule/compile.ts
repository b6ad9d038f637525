/**
 * From statements to expressions.
 */
import { locate } from '../../core/errors.js'
import type { Expression } from '../expressions.js'
import type { Family } from '../families.js'
import { compileAssignment, compileDynamicSet, compileObjectMap, compileReject, compileTranslation, verdictExpression } from './actions.js'
import { RuleSets, type AnonymousSet } from './anonymous-sets.js'
import { compileForward, compileProxy, compileQueue } from './handing.js'
import { MatchCompiler } from './matches.js'
import { mergeSteps, type Step } from './merge.js'
import type { ChainRule, PayloadNode, RuleStatement, ValueNode, VerdictStatement } from './nodes.js'
import { ProtocolContext, type Dependency } from './protocols.js'
import { RegisterFile } from './registers.js'
import { icmp, icmpv6 } from './headers.js'
import type { Loader } from './values.js'

/** Where a rule will be. */
export interface RuleContext {
  readonly family: Family
  readonly table: string
  /** Gives ids for the rule's own sets, each once in a transaction. */
  readonly nextSetId: () => number
  /** Gives ids for the rule's own chains, each once in a transaction. */
  readonly nextChainId: () => number
}

/** A chain that belongs to a rule, to be declared and filled before the rule. */
export interface OwnChain {
  readonly id: number
  readonly rules: readonly ChainRule[]
}

/** A rule as the kernel takes it. */
export interface CompiledRule {
  readonly expressions: readonly Expression[]
  /** To be declared, with their elements, before the rule and in its transaction. */
  readonly anonymousSets: readonly AnonymousSet[]
  /** To be declared, with their rules, before the rule and in its transaction. */
  readonly ownChains: readonly OwnChain[]
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
      return statement.target.kind === 'load' ? [statement.target, statement.value] : [statement.value]
    case 'proxy':
      return [statement.address, statement.port].filter((node) => node !== undefined)
    case 'queue':
      return [statement.number]
    case 'fwd':
    case 'dup':
      return [statement.device, statement.address].filter((node) => node !== undefined)
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

function icmpFields(node: ValueNode): readonly PayloadNode[] {
  if (node.kind === 'concatenation') return node.fields.flatMap(icmpFields)
  if (node.kind === 'bitwise') return icmpFields(node.operand)
  if (node.kind === 'map') return icmpFields(node.key)
  if (node.kind === 'hash') return node.input === undefined ? [] : icmpFields(node.input)
  return node.kind === 'payload' && node.icmpTypes !== undefined ? [node] : []
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
  readonly #ownChains: OwnChain[] = []
  readonly #nextChainId: () => number

  constructor({ family, table, nextSetId, nextChainId }: RuleContext) {
    this.#family = family
    this.#nextChainId = nextChainId
    this.#loader = { registers: new RegisterFile(), sets: new RuleSets(family, table, nextSetId) }
    this.#protocols = new ProtocolContext(family)
    this.#matches = new MatchCompiler(this.#loader, this.#protocols)
  }

  add(statement: RuleStatement): void {
    for (const node of valuesOf(statement)) {
      this.#steps.push(...this.#protocols.require(node).map(stepOf))
      for (const field of icmpFields(node)) this.#requireIcmp(field)
    }
    this.#steps.push(this.#compile(statement))
  }

  /** Fields of ICMP that only some messages have: their type is asked first, as nft does. */
  #requireIcmp({ header, icmpTypes = [] }: PayloadNode): void {
    if (!this.#protocols.requireIcmpTypes(icmpTypes)) return
    const left = (header === 'icmp' ? icmp : icmpv6).type.node
    this.#steps.push(
      this.#matches.lookup({
        kind: 'lookup',
        left,
        set: { kind: 'anonymous', elements: icmpTypes.map((key) => ({ key })) },
        isInverted: false
      })
    )
  }

  finish(): CompiledRule {
    return {
      expressions: mergeSteps([...this.#first, ...this.#steps]),
      anonymousSets: this.#loader.sets.anonymous,
      ownChains: this.#ownChains
    }
  }

  #compile(statement: RuleStatement): Step {
    if (statement.kind === 'match') return this.#matches.match(statement)
    if (statement.kind === 'lookup') return this.#matches.lookup(statement)
    if (statement.kind === 'vmap') return this.#matches.verdictMap(statement)
    return { kind: 'effect', expressions: this.#effect(statement) }
  }

  /** The id of the chain that the statement brings along. */
  #ownChain({ rules }: VerdictStatement): number | undefined {
    if (rules === undefined) return undefined
    const id = this.#nextChainId()
    this.#ownChains.push({ id, rules })
    return id
  }

  #effect(statement: Exclude<RuleStatement, { readonly kind: 'match' | 'lookup' | 'vmap' }>): Expression[] {
    switch (statement.kind) {
      case 'plain':
        return [statement.expression]
      case 'verdict':
        return [verdictExpression(statement, this.#ownChain(statement))]
      case 'assignment':
        return compileAssignment(statement, this.#loader)
      case 'object-map':
        return compileObjectMap(statement, this.#loader)
      case 'dynamic-set':
        return compileDynamicSet(statement, this.#loader)
      case 'translation':
        return compileTranslation(statement, this.#family, this.#loader)
      case 'proxy':
        return compileProxy(statement, this.#family, this.#protocols, this.#loader)
      case 'queue':
        return compileQueue(statement, this.#loader)
      case 'fwd':
      case 'dup':
        return compileForward(statement, this.#family, this.#loader)
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
