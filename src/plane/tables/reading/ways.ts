/**
 * What is gone of the ways that packets take through a table of ours, as far as it is there whatever the options are.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { ChainFault } from '../../../nftables/compare.js'
import type { Expression } from '../../../nftables/expressions.js'
import { balancingName, dispatchChain, MAX_EXACT } from '../layout/balancing.js'
import { looksUp } from '../layout/table.js'
import { PREFIX, type Audience, type Scope, type SlotClass } from '../layout/sets.js'

/** What is gone of one table. */
export interface LostParts {
  /** `ip netplane`. */
  readonly place: string
  /** A dormant table has no hooks. */
  readonly isDormant: boolean
  /** Chains that are not as they should be, by name. */
  readonly chains: ReadonlyMap<string, ChainFault>
  /** Classes whose frontends are there, though nothing leads to them, with the names of their maps. */
  readonly classes: ReadonlyMap<SlotClass, string>
}

/** How a packet gets to chains that see it first. */
export type Hook = 'prerouting' | 'output' | 'input' | 'forward'

/** A rule that leads on: the chain that it stands in, the chain that it leads to, and the set that it asks. */
interface Lead {
  readonly chain: string
  readonly to?: string
  readonly asks?: string
}

/** A table of which nothing is gone. */
export function nothingLost(family: AddressFamily, name: string): LostParts {
  return { place: `${family} ${name}`, isDormant: false, chains: new Map(), classes: new Map() }
}

function leadsTo(rule: readonly Expression[], chain: string): boolean {
  return rule.some((expression) => expression.type === 'immediate' && 'chain' in expression.data && expression.data.chain === chain)
}

/** What is missing of a lead, in words. */
function missing({ place, chains }: LostParts, { chain, to, asks }: Lead): string[] {
  const fault = chains.get(chain)
  if (fault === undefined) return []
  if (!fault.isThere) return [`${fault.words.startsWith('missing') ? '' : 'the hook of '}chain ${place} ${chain}`]
  const isLost = fault.lost.some((rule) => (to === undefined || leadsTo(rule, to)) && (asks === undefined || looksUp(rule, asks)))
  return isLost ? [`a rule of chain ${place} ${chain}${to === undefined ? '' : ` that leads to ${to}`}`] : []
}

function missingOf(lost: LostParts, leads: readonly Lead[]): string[] {
  return [
    ...new Set([
      ...(lost.isDormant ? [`the hooks of table ${lost.place}, which is dormant`] : []),
      ...leads.flatMap((lead) => missing(lost, lead))
    ])
  ]
}

/** What leads packets from a hook to the frontends of a scope. @param sets Sets of addresses of which one has the packet's. */
function toScope(scope: Scope, hooks: readonly Hook[], sets: readonly string[]): Lead[] {
  return hooks.flatMap((hook) => sets.map((asks) => ({ chain: `nat-${hook}`, to: `${PREFIX[scope]}dispatch`, asks })))
}

/** What is missing before packets are asked for their frontends. */
export function missingBefore(lost: LostParts, scope: Scope, hooks: readonly Hook[], sets: readonly string[]): string[] {
  return missingOf(lost, toScope(scope, hooks, sets))
}

/** What is missing between the hooks and the endpoints of an audience, and behind these what gives connections their sources. */
export function missingTo(lost: LostParts, scope: Scope, audience: Audience): string[] {
  const [dispatch, services] = [`${PREFIX[scope]}dispatch`, dispatchChain(scope, audience)]
  const external = `${PREFIX[scope]}external`
  if (audience !== 'outside') return missingOf(lost, [{ chain: dispatch, to: services }])
  return missingOf(lost, [
    { chain: dispatch, to: external },
    { chain: external, to: services }
  ])
}

/** What is missing of the rules that lead an audience to relays. @param map That has their ports. */
export function missingRedirect(lost: LostParts, scope: Scope, audience: Audience, map: string): string[] {
  return missingOf(lost, [{ chain: dispatchChain(scope, audience), asks: map }])
}

/** What is missing of a class itself. */
export function missingIn(lost: LostParts, slotClass: SlotClass): string[] {
  const chain = balancingName(slotClass)
  if (!lost.classes.has(slotClass)) return missingOf(lost, [{ chain }])
  return [`the rules of table ${lost.place} that lead to frontends in set ${slotClass.name}`]
}

/** What is missing of that which gives connections a source address of this node. */
export function missingSources(lost: LostParts): string[] {
  return missingOf(lost, [{ chain: 'nat-postrouting', to: 'translated' }])
}

/** How a connection gets to what gives it a source address of this node: by a chain for one kind of addresses, and by a rule that asks a set. */
export interface Masking {
  readonly through?: 'translated-cluster' | 'translated-external' | 'translated-node' | undefined
  readonly asks?: string | undefined
}

/** What is missing before a connection gets a source address of this node. */
export function missingMasking(lost: LostParts, { through, asks }: Masking): string[] {
  const asking = asks === undefined ? {} : { asks }
  const leads: readonly Lead[] =
    through === undefined
      ? [{ chain: 'translated', to: 'masquerading', ...asking }]
      : [
          { chain: 'translated', to: through },
          { chain: through, to: 'masquerading', ...asking }
        ]
  return [...missingSources(lost), ...missingOf(lost, [...leads, { chain: 'masquerading' }])]
}

/** What is missing before a hook's chains of this table filter anything. */
export function missingFilter(lost: LostParts, hook: Hook): string[] {
  const next = `new-${hook}`
  const isThere = lost.chains.get(next)?.isThere !== false
  return missingOf(lost, [{ chain: `filter-${hook}`, to: next }, ...(isThere ? [] : [{ chain: next }])])
}

/** Slots of a frontend that packets choose and in which there is nothing, in words. @param slots How many are in use, and the last one of them. */
export function missingSlots(
  { place }: Pick<LostParts, 'place'>,
  map: string,
  { slots: most }: Pick<SlotClass, 'slots'>,
  { count, last }: { readonly count: number; readonly last: number }
): string[] {
  // Of a large class the second half need not be in use.
  const least = most <= MAX_EXACT ? most : Math.max(most / 2 + 1, last + 1)
  return count < least ? [`${least - count} of ${least} elements of map ${place} ${map}`] : []
}

/** Says that the set of a class lacks a frontend whose slots are there. */
export function missingMember({ place }: Pick<LostParts, 'place'>, { name }: Pick<SlotClass, 'name'>): string {
  return `an element of set ${place} ${name}`
}

/** Says that no set of addresses has that of a frontend. */
export function missingAddress({ place }: Pick<LostParts, 'place'>): string {
  return `an element of set ${place} cluster-ips or external-ips`
}

/** What is missing before new connections are refused that were not translated. @param marks Sets of which one has the frontend. */
export function missingRefusals(lost: LostParts, scope: Scope, hooks: readonly Hook[], marks: readonly string[]): string[] {
  const refusals = `${PREFIX[scope]}refusals`
  return missingOf(lost, [
    ...hooks.flatMap((hook): Lead[] => [
      { chain: `filter-${hook}`, to: `new-${hook}` },
      { chain: `new-${hook}`, to: refusals }
    ]),
    ...marks.map((asks) => ({ chain: refusals, asks }))
  ])
}
