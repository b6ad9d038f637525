/**
 * What restoring a file does, step by step.
 */
import { requireFlag, requireOptions, toList } from '../../core/checks.js'
import { locate } from '../../core/errors.js'
import type { AttributeBuffer } from '../../nftables/wire/buffer.js'
import { requireChainName, requireCounters } from '../rule/convert.js'
import { NO_COUNTERS } from '../rule/form.js'
import type { IptablesRule } from '../rule/model.js'
import { baseChain, requireFamily, requireTable } from '../tables.js'
import type { SavedChain, SavedCommand, SavedTable } from '../text/saved.js'
import type { IptablesFamily } from '../types.js'
import {
  checkRule,
  queueRule,
  requireBaseChain,
  requireFreeName,
  requirePolicy,
  requirePosition,
  requireUserChain,
  type IptablesTableReference,
  type Step
} from './operations.js'

/** How a file is restored. */
export interface RestoreOptions {
  /** Whether all rules and chains go before that a table of the file has, and policies that the file does not set become ACCEPT; default true. With false (`--noflush`) only the chains of the user that the file declares are emptied. */
  readonly flush?: boolean | undefined
  /** Whether rules and policies begin with the counters of the file; default false: with zero (`--counters`). */
  readonly counters?: boolean | undefined
}

/** A step and where it came from. */
export interface RestoreStep {
  readonly step: Step
  readonly object: unknown
  readonly line: number | undefined
}

interface Restoring extends IptablesTableReference {
  readonly withCounters: boolean
  /** Where the bytes of rules go. */
  readonly out: AttributeBuffer
}

function chainStep({ family, table, withCounters }: Restoring, { name, policy, counters }: SavedChain): Step {
  const place = { family, table, chain: requireChainName('name', name) }
  if (baseChain(table, name) === undefined) return { verb: 'newChain', place: requireFreeName('name', place), ensure: true }
  requirePolicy('policy', policy ?? 'ACCEPT')
  return { verb: 'policy', place, policy, counters: withCounters ? requireCounters('counters', counters) : 'zero' }
}

/** A rule with the counters that it begins with. */
function counted(rule: IptablesRule, { withCounters }: Restoring): IptablesRule {
  // What is not there at all is refused elsewhere.
  if (withCounters || (rule as IptablesRule | undefined)?.counters === undefined) return rule
  requireCounters('rule.counters', rule.counters)
  return { ...rule, counters: NO_COUNTERS }
}

function commandStep(restoring: Restoring, given: SavedCommand): Step {
  const { family, table } = restoring
  const reference = { family, table }
  if (given.command === 'flush' || given.command === 'zero') {
    const place = given.chain === undefined ? reference : { ...reference, chain: requireChainName('chain', given.chain) }
    return given.command === 'flush' ? { verb: 'flush', place } : { verb: 'zero', place, position: given.position }
  }
  if (given.command === 'deleteChain' && given.chain === undefined) return { verb: 'deleteChains', place: reference }
  const place = { ...reference, chain: requireChainName('chain', given.chain) }
  switch (given.command) {
    case 'append':
      return { verb: 'append', place, rule: queueRule(counted(given.rule, restoring), place, restoring.out) }
    case 'insert':
    case 'replace':
      return {
        verb: given.command,
        place,
        rule: queueRule(counted(given.rule, restoring), place, restoring.out),
        position: requirePosition('position', given.position)
      }
    case 'delete':
      return { verb: 'delete', place, which: typeof given.which === 'number' ? given.which : checkRule(given.which, place) }
    case 'newChain':
      return { verb: 'newChain', place: requireFreeName('chain', place) }
    case 'deleteChain':
      return { verb: 'deleteChain', place: requireUserChain('chain', place) }
    case 'renameChain': {
      const to = requireFreeName('to', { ...place, chain: requireChainName('to', given.to) }).chain
      return { verb: 'renameChain', place: requireUserChain('chain', place), to }
    }
    case 'policy':
      requireBaseChain('chain', place)
      return { verb: 'policy', place, policy: requirePolicy('policy', given.policy), counters: undefined }
  }
}

function tableSteps(
  family: IptablesFamily,
  saved: SavedTable,
  { flush = true, counters }: RestoreOptions,
  out: AttributeBuffer
): RestoreStep[] {
  const table = requireTable('name', saved.name)
  const restoring: Restoring = { family, table, withCounters: counters === true, out }
  const chains = toList('chains', saved.chains)
  const keep = new Set(chains.map(({ name }) => name))
  const located = (path: string, make: () => Step): Step => {
    try {
      return make()
    } catch (error) {
      throw locate(error, `${path}.`)
    }
  }
  return [
    ...(flush ? [{ step: { verb: 'clear' as const, place: { family, table }, keep }, object: saved, line: undefined }] : []),
    ...chains.map((chain, index) => ({
      step: located(`chains[${index}]`, () => chainStep(restoring, chain)),
      object: chain,
      line: chain.line
    })),
    ...toList('commands', saved.commands).map((command, index) => ({
      step: located(`commands[${index}]`, () => commandStep(restoring, command)),
      object: command,
      line: command.line
    }))
  ]
}

/** The steps of a file. @param out Where the bytes of rules go. @throws {ValidationError} Something in it is malformed. */
export function restoreSteps(
  family: IptablesFamily,
  tables: readonly SavedTable[],
  options: RestoreOptions,
  out: AttributeBuffer
): RestoreStep[] {
  requireFamily('family', family)
  requireOptions(options as RestoreOptions & { readonly signal?: unknown })
  requireFlag('options.flush', options.flush)
  requireFlag('options.counters', options.counters)
  return toList('tables', tables).flatMap((table, index) => {
    try {
      return tableSteps(family, table, options, out)
    } catch (error) {
      throw locate(error, `tables[${index}].`)
    }
  })
}
