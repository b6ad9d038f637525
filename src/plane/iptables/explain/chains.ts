/**
 * The way of packets through chains.
 */
import { Slices } from '../../../core/slices.js'
import type { IptablesFamily, IptablesRule, IptablesTableName, IptablesTarget } from '../../../iptables/index.js'
import { tableKey } from '../../../iptables/state/snapshot.js'
import { commentOf, listedRule } from '../inspect/comments.js'
import type { KernelState } from '../inspect/kernel.js'
import { isOurJump } from '../inspect/ours.js'
import { isBalancing, missingJumps, type BaseJump } from '../inspect/ways.js'
import { CHAIN } from '../layout/names.js'
import { probabilityOf, type Asked, type State } from './packet.js'

/** What ends the way of a packet. */
export interface Ended {
  readonly state: State
  readonly chain: string
  readonly rule: IptablesRule
  readonly by: 'accepted' | 'dropped' | 'refused' | 'translated' | 'masqueraded'
}

/** What became of packets in a chain. */
interface Walked {
  readonly ended: Ended[]
  /** Those that come out of its end. */
  readonly left: State[]
}

const ENDS: Readonly<Record<string, Ended['by']>> = {
  ACCEPT: 'accepted',
  DROP: 'dropped',
  REJECT: 'refused',
  DNAT: 'translated',
  MASQUERADE: 'masqueraded',
  SNAT: 'masqueraded'
}

const endOf = (target: IptablesTarget | undefined): Ended['by'] | undefined => {
  if (target === undefined) return undefined
  if (typeof target === 'string') return ENDS[target]
  return 'target' in target ? ENDS[target.target] : undefined
}

const calledBy = (target: IptablesTarget | undefined): string | undefined => {
  if (typeof target !== 'object') return undefined
  if ('jump' in target) return target.jump
  return 'goto' in target ? target.goto : undefined
}

/** The endpoint that a packet is sent to. */
function translated(state: State, target: IptablesTarget | undefined): State {
  if (typeof target !== 'object' || !('target' in target) || target.target !== 'DNAT' || 'opaque' in target) return state
  const { addresses, ports } = target.to as { readonly addresses?: string | readonly string[]; readonly ports?: number | readonly number[] }
  const address = typeof addresses === 'string' ? addresses : (addresses?.[0] ?? state.address)
  const port = typeof ports === 'number' ? ports : (ports?.[0] ?? state.port)
  return { ...state, address, port, isTranslated: true }
}

/** Packets that meet a rule do what it says, and go on. */
function marked(state: State, target: IptablesTarget | undefined): State {
  if (typeof target !== 'object' || !('target' in target) || target.target !== 'MARK' || 'opaque' in target) return state
  const { value, mask = 0xffff_ffff } = target
  // --set-xmark: what the mask has is cleared, then the value is flipped.
  return { ...state, mark: ((state.mark & ~mask) ^ value) >>> 0 }
}

/** The chains of one family. */
export class Chains {
  readonly #kernel: KernelState
  readonly #family: IptablesFamily
  readonly #rules = new Map<string, readonly IptablesRule[]>()
  readonly #slices = new Slices()

  constructor(kernel: KernelState, family: IptablesFamily) {
    this.#kernel = kernel
    this.#family = family
  }

  /** The rules of a chain; none where it is missing. */
  async rules(table: IptablesTableName, chain: string): Promise<readonly IptablesRule[]> {
    const key = `${table} ${chain}`
    const known = this.#rules.get(key)
    if (known !== undefined) return known
    const rules: IptablesRule[] = []
    for (const listed of this.#kernel.tables.get(tableKey(this.#family, table))?.chains.get(chain)?.rules ?? []) {
      const rule = listedRule(listed)
      if (rule !== undefined) rules.push(rule)
      if (this.#slices.isOver) await this.#slices.turn()
    }
    this.#rules.set(key, rules)
    return rules
  }

  /** What is missing of rules of base chains. */
  missing(jumps: readonly BaseJump[]): readonly string[] {
    return missingJumps(this.#kernel, this.#family, jumps)
  }

  /** What becomes of a packet in a chain of services. */
  async follow(table: IptablesTableName, chain: string, state: State, asked: Asked): Promise<Walked> {
    return await this.#walk(table, chain, await this.rules(table, chain), [state], asked)
  }

  /** What becomes of a packet in a base chain, by those of its rules that lead to services. */
  async enter(table: IptablesTableName, base: string, state: State, asked: Asked): Promise<Walked> {
    const jumps = (await this.rules(table, base)).filter((rule) => this.#isMet(table, base, rule))
    return await this.#walk(table, base, jumps, [state], asked)
  }

  /** Whether a rule of a base chain leads to services, and its chain is asked at all. */
  #isMet(table: IptablesTableName, base: string, { target }: IptablesRule): boolean {
    const to = calledBy(target)
    return to !== undefined && isOurJump(table, to) && this.missing([{ table, base, to }]).length === 0
  }

  async #walk(
    table: IptablesTableName,
    chain: string,
    rules: readonly IptablesRule[],
    entering: readonly State[],
    asked: Asked
  ): Promise<Walked> {
    const ended: Ended[] = []
    const returned: State[] = []
    let states = [...entering]
    for (const rule of rules) {
      if (states.length === 0) break
      if (this.#slices.isOver) await this.#slices.turn()
      const { matched, rest } = split(states, rule, asked)
      if (matched.length === 0) continue
      const by = endOf(rule.target)
      const called = calledBy(rule.target)
      states = rest
      if (by !== undefined) ended.push(...matched.map((state) => ({ state: translated(state, rule.target), chain, rule, by })))
      else if (rule.target === 'RETURN') returned.push(...matched)
      else if (called === undefined) states.push(...matched.map((state) => marked(state, rule.target)))
      else {
        const inside = await this.#walk(table, called, await this.rules(table, called), matched.map(entered(chain, called, rule)), asked)
        ended.push(...inside.ended)
        const isGoto = typeof rule.target === 'object' && 'goto' in rule.target
        if (isGoto) returned.push(...inside.left)
        else states.push(...inside.left)
      }
    }
    if (states.length > 0 && isBalancing(chain)) asked.leaked?.(chain)
    return { ended, left: [...states, ...returned] }
  }
}

/** A packet that goes on in another chain. */
function entered(chain: string, called: string, rule: IptablesRule): (state: State) => State {
  const by = { chain, comment: commentOf(rule) }
  return (state) => ({
    ...state,
    path: [...state.path, called],
    markedBy: called === CHAIN.mark ? [...state.markedBy, by] : state.markedBy
  })
}

function split(states: readonly State[], rule: IptablesRule, asked: Asked): { readonly matched: State[]; readonly rest: State[] } {
  const matched: State[] = []
  const rest: State[] = []
  for (const state of states) {
    const probability = probabilityOf(rule, state, asked)
    if (probability > 0) matched.push(probability === 1 ? state : { ...state, probability: state.probability * probability })
    if (probability < 1) rest.push(probability === 0 ? state : { ...state, probability: state.probability * (1 - probability) })
  }
  return { matched, rest }
}
