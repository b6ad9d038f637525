/**
 * What rules are that packets meet: their place, their words, and whose they are.
 */
import type { IptablesRule } from '../../iptables/index.js'
import { printRule } from '../../iptables/text/print.js'
import { isTableName } from '../../iptables/tables.js'
import type { Hook, ListedChain, ListedRule, Nftables, TraceStep } from '../../nftables/index.js'
import { commentOf, listedRule } from '../../plane/iptables/inspect/comments.js'
import { isOurChain } from '../../plane/iptables/inspect/ours.js'
import { checkIpvsOptions } from '../../plane/ipvs/options.js'
import { checkUserspaceOptions } from '../../plane/userspace/options.js'
import { checkNftablesOptions } from '../../plane/nftables/options.js'
import type { KernelMode } from '../options.js'
import { purposeOf } from './purposes.js'

/** A rule that a packet met. */
export interface TracedRule {
  readonly handle: string
  /** Its place among the rules of its chain, from 1. Absent: it is gone already. */
  readonly position?: number
  readonly comment?: string
  /** What it does with packets beside its verdict: `dnat`, `masquerade`, `reject` and others. */
  readonly action?: string
  /** The rule as iptables-save prints it, where it is one of iptables. */
  readonly text?: string
}

/** Where a packet is. */
export interface TracedPlace {
  readonly hook?: Hook
  /** The mode of the plane whose chain it is. Absent: the chain is another program's. */
  readonly mode?: KernelMode
  /** What the chain is for, where it is a plane's. */
  readonly purpose?: string
  readonly rule?: TracedRule
}

interface ReadTable {
  readonly chains: ReadonlyMap<string, ListedChain>
  readonly rules: ReadonlyMap<bigint, TracedRule>
}

/** Expressions that decide more than their verdict says; a rule has one of them at most. */
const ACTIONS: Readonly<Record<string, string>> = {
  ...{ masq: 'masquerade', redir: 'redirect', reject: 'reject', notrack: 'notrack' },
  ...{ tproxy: 'tproxy', synproxy: 'synproxy', dup: 'dup', fwd: 'fwd' }
}

function actionOf({ expressions }: ListedRule, known: IptablesRule | undefined): string | undefined {
  const target = known?.target
  if (typeof target === 'object' && 'target' in target) return target.target.toLowerCase()
  for (const expression of expressions) {
    if (expression.type === 'nat') return typeof expression.nat === 'string' ? expression.nat : 'nat'
    const action = ACTIONS[expression.type]
    if (action !== undefined) return action
  }
  return undefined
}

function describeRule(rule: ListedRule, position: number): TracedRule {
  const { family, table, handle, comment } = rule
  const known = listedRule(rule)
  const said = comment ?? commentOf(known)
  const action = actionOf(rule, known)
  const isPrinted = known !== undefined && (family === 'ip' || family === 'ip6') && isTableName(table)
  return {
    handle: String(handle),
    position,
    ...(said === undefined ? {} : { comment: said }),
    ...(action === undefined ? {} : { action }),
    ...(isPrinted ? { text: printRule(known, { family, table }) } : {})
  }
}

function describeRules(rules: readonly ListedRule[]): Map<bigint, TracedRule> {
  const positions = new Map<string, number>()
  return new Map(
    rules.map((rule) => {
      const position = (positions.get(rule.chain) ?? 0) + 1
      positions.set(rule.chain, position)
      return [rule.handle, describeRule(rule, position)]
    })
  )
}

/** Reads tables when a packet first meets them, and again when it meets a rule that is new. */
export class RuleBook {
  readonly #nft: Nftables
  readonly #modes: ReadonlyMap<string, KernelMode>
  readonly #tables = new Map<string, ReadTable>()
  readonly #unknown = new Set<string>()

  /** @param name Of the tables, or of the dummy device, of planes; undefined: the usual one. */
  constructor(nft: Nftables, name: string | undefined) {
    this.#nft = nft
    this.#modes = new Map<string, KernelMode>([
      [checkNftablesOptions({ name }).table.name, 'nftables'],
      [checkIpvsOptions({ name }).table.name, 'ipvs'],
      [checkUserspaceOptions({ name }).table.name, 'userspace']
    ])
  }

  /** Where a step happened. */
  async find(step: TraceStep): Promise<TracedPlace> {
    const { chain, ruleHandle } = step
    const table = await this.#tableOf(step)
    const mode = this.#modeOf(step)
    const hook = table.chains.get(chain)?.hook
    const purpose = mode === undefined ? undefined : purposeOf(mode, chain)
    return {
      ...(hook === undefined ? {} : { hook }),
      ...(mode === undefined ? {} : { mode }),
      ...(purpose === undefined ? {} : { purpose }),
      ...(ruleHandle === undefined ? {} : { rule: table.rules.get(ruleHandle) ?? { handle: String(ruleHandle) } })
    }
  }

  #modeOf({ family, table, chain }: TraceStep): KernelMode | undefined {
    if (family !== 'ip' && family !== 'ip6') return undefined
    if (isTableName(table) && isOurChain(table, chain)) return 'iptables'
    return this.#modes.get(table)
  }

  async #tableOf({ family, table: name, ruleHandle }: TraceStep): Promise<ReadTable> {
    const key = `${family} ${name}`
    const known = this.#tables.get(key)
    const rule = `${key} ${ruleHandle}`
    if (known !== undefined && (ruleHandle === undefined || known.rules.has(ruleHandle) || this.#unknown.has(rule))) return known
    const read = await this.#read({ family, table: name })
    this.#tables.set(key, read)
    if (ruleHandle !== undefined && !read.rules.has(ruleHandle)) this.#unknown.add(rule)
    return read
  }

  /** A table that is gone already has no rules. */
  async #read(table: Pick<TraceStep, 'family' | 'table'>): Promise<ReadTable> {
    try {
      const chains = await this.#nft.listChains(table)
      return { chains: new Map(chains.map((chain) => [chain.name, chain])), rules: describeRules(await this.#nft.listRules(table)) }
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== 'ENOENT') throw error
      return { chains: new Map(), rules: new Map() }
    }
  }
}
