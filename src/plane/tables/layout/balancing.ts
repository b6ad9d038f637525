/**
 * The chains that balance over slots, and the rules that lead to them. There is one for each class of frontends that is in use.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { ChainForm } from '../../../nftables/compare.js'
import type { Expression } from '../../../nftables/expressions.js'
import type { RuleStatement } from '../../../nftables/rule/nodes.js'
import { jhash, numgen } from '../../../nftables/rule/numbers.js'
import { concat, type Selector } from '../../../nftables/rule/selector.js'
import { th } from '../../../nftables/rule/headers.js'
import { ct, meta } from '../../../nftables/rule/selectors.js'
import { dnat, goto, updateElement } from '../../../nftables/rule/statements.js'
import { declarationOf, type LayoutSet } from './declarations.js'
import { mapNames, PREFIX, setsOf, type Audience, type ElementSet, type Scope, type SlotClass, type Stickiness } from './sets.js'
import { ADDRESS, CLIENT, compileAll, FRONTEND, ORIGINAL_CLIENT, ORIGINAL_FRONTEND } from './words.js'

/** Seed of the client hash: any number, but always the same one, so that a client keeps its endpoint when the process restarts. Further tries count up from it. */
export const HASH_SEED = 0x6e65_7470

/** Classes up to this many slots have all of them in use. */
export const MAX_EXACT = 4

/**
 * How often a slot is chosen before the choice is among the first half of them, which are always in use. At least one slot more than half is, so that one try misses with a probability below 1/2: the
 * last choice is made for fewer than 1 in 1,000 connections, and the shares of endpoints differ by less than that.
 */
export const TRIES = 10

/** A slot class whose objects are in the kernel. */
export interface PlacedClass {
  readonly slotClass: SlotClass
  /** What its endpoints map is called in the kernel: one of {@link mapNames}. */
  readonly map: string
}

/** A class with its objects as they are called when they are new. */
export function placed(slotClass: SlotClass): PlacedClass {
  return { slotClass, map: mapNames(slotClass)[0] }
}

/** Name of the balancing chain of a class. */
export function balancingName({ name }: SlotClass): string {
  return `lb-${name}`
}

/** The map from clients to the endpoints that they keep, but for its size. */
export function affinityMap(family: AddressFamily, scope: Scope): LayoutSet {
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  const frontend = scope === 'address' ? ([type, 'inet_proto', 'inet_service'] as const) : (['inet_proto', 'inet_service'] as const)
  return {
    name: `${PREFIX[scope]}affinity`,
    key: [type, ...frontend],
    data: [type, 'inet_service'],
    flags: ['timeout', 'eval']
  }
}

function slotKey(family: AddressFamily, scope: Scope, slot: Selector<number>) {
  if (scope === 'node') return concat(meta.l4proto, th.dport, slot)
  return concat(ADDRESS[family].daddr, meta.l4proto, th.dport, slot)
}

/** Chooses one of `count` slots. */
function chooseSlot(family: AddressFamily, { choice }: SlotClass, count: number, attempt: number): Selector<number> {
  return choice === 'random' ? numgen.random(count) : jhash(ADDRESS[family].saddr, count, { seed: HASH_SEED + attempt })
}

function balancingRules(family: AddressFamily, table: string, { slotClass, map }: PlacedClass): (readonly Expression[])[] {
  const { scope, choice, slots, isSticky } = slotClass
  const endpoints = declarationOf(setsOf(family, slotClass).endpoints, map)
  const choose = (count: number, attempt: number): readonly RuleStatement[] => [
    dnat(slotKey(family, scope, chooseSlot(family, slotClass, count, attempt)).map(endpoints))
  ]
  const remembered = isSticky ? [[dnat(CLIENT[family][scope].map(affinityMap(family, scope)))]] : []
  const compiled = (rules: readonly (readonly RuleStatement[])[]): Expression[][] => compileAll(family, table, rules)
  if (slots <= MAX_EXACT) return compiled([...remembered, choose(slots, 0)])
  // Each try has a hash of its own; of random numbers there is a new one each time.
  const different = choice === 'random' ? 1 : TRIES
  const tries = compiled(Array.from({ length: different }, (_, attempt) => choose(slots, attempt)))
  return [
    ...compiled(remembered),
    ...Array.from({ length: TRIES }, (_, attempt) => tries[attempt % different]!),
    ...compiled([choose(slots / 2, TRIES)])
  ]
}

/** By family and map: they are the same in every table. */
const chains = new Map<string, ChainForm>()

/** The chain that balances over the slots of one class. It is put together once. */
export function balancingChain(family: AddressFamily, table: string, placedClass: PlacedClass): ChainForm {
  const key = `${family} ${placedClass.map}`
  let chain = chains.get(key)
  if (chain === undefined) {
    chain = { chain: { name: balancingName(placedClass.slotClass) }, rules: balancingRules(family, table, placedClass) }
    chains.set(key, chain)
  }
  return chain
}

/** The chains from which packets are sent to balancing chains, by whose packets they are. */
export function dispatchChain(scope: Scope, audience: Audience): string {
  return `${PREFIX[scope]}services${audience === 'direct' ? '' : `-${audience}`}`
}

/** The chain in which the rule of a set stands that is made with it. */
export function ruleChain({ kind, scope, slotClass }: ElementSet): string {
  return kind === 'sticky' ? 'learn' : dispatchChain(scope, slotClass!.audience)
}

const rules = new WeakMap<ElementSet, readonly Expression[]>()

/** The rule that asks a set of frontends: one that sends a class to its balancing chain, or one that remembers clients. It is put together once, and is the same in every table. */
export function ruleFor(set: ElementSet, table: string): readonly Expression[] {
  let rule = rules.get(set)
  if (rule === undefined) rules.set(set, (rule = makeRule(set, table)))
  return rule
}

function makeRule(set: ElementSet, table: string): Expression[] {
  const { family, scope, name, slotClass, stickiness } = set
  const statements =
    slotClass === undefined ? learn(family, scope, name, stickiness!) : [FRONTEND[family][scope].in(name), goto(balancingName(slotClass))]
  return compileAll(family, table, [statements])[0]!
}

/** After DNAT, of the first packet of a connection alone: else a connection of before would bring a removed endpoint back. */
function learn(family: AddressFamily, scope: Scope, set: string, { protocol, timeoutSeconds }: Stickiness): RuleStatement[] {
  return [
    meta.l4proto.eq(protocol),
    ORIGINAL_FRONTEND[family][scope].in(set),
    updateElement(affinityMap(family, scope), ORIGINAL_CLIENT[family][scope], {
      timeoutMs: timeoutSeconds * 1000,
      data: concat(ADDRESS[family].daddr, ct.reply.protoSrc)
    })
  ]
}
