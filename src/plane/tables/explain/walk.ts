/**
 * The way of a connection's first packet through our table.
 */
import type { Nftables } from '../../../nftables/index.js'
import { Trail, type Findings, type Question } from '../../core/explain/explain.js'
import { Lookups, type ElementReader, type Key } from '../../core/explain/lookups.js'
import type { NodeAddressList } from '../../core/node/addresses.js'
import type { ExplainedShare, ExplanationOutcome } from '../../explanation.js'
import { balancingName, MAX_EXACT } from '../layout/balancing.js'
import { declarationOf, nodeAddressesSet } from '../layout/declarations.js'
import { readTables, type KernelTables } from '../reading/inspect.js'
import {
  missingAddress,
  missingBefore,
  missingIn,
  missingMember,
  missingSources,
  missingTo,
  nothingLost,
  type LostParts
} from '../reading/ways.js'
import type { TableOptions } from '../layout/table.js'
import { FIXED_SETS, setsOf, type Audience, type ElementSet, type Scope, type SlotClass } from '../layout/sets.js'
import { choose } from './choice.js'
import { isInRanges, policyOf, remembered } from './frontend.js'
import { filter, type Refused } from './refusal.js'
import { served } from './served.js'
import {
  Client,
  frontendKey,
  isNodeAddress,
  serviceOf,
  serviceSetsWith,
  type Destination,
  type LayoutLookups,
  type Scene
} from './scene.js'

/** What the chains that translate lead to. */
export type Dispatched =
  /** Where the probabilities do not add up to 1, the rest goes on untranslated. */
  | { readonly type: 'balanced'; readonly service: string | undefined; readonly endpoints: readonly ExplainedShare[] }
  | Refused
  /** It goes on untranslated. */
  | undefined

const CLIENTS = { direct: 'all', indirect: 'all', outside: 'outside' } as const

/** Follows the chain from which the packets of an audience are sent on. */
export type Balance = (scene: Scene, scope: Scope, audience: Audience, isInside: boolean, destination: Destination) => Promise<Dispatched>

/** Whose connections an audience is. */
export function clientsOf(audience: Audience, isInside: boolean): 'all' | 'inside' | 'outside' {
  return isInside ? 'inside' : CLIENTS[audience]
}

/** A chain that asks one class after the other whether the frontend is in it. */
async function balanceBySlots(
  scene: Scene,
  scope: Scope,
  audience: Audience,
  isInside: boolean,
  destination: Destination
): Promise<Dispatched> {
  const { question, objects, lookups, trail, lost } = scene
  const key: Key = frontendKey(scene, scope, destination)
  const isAsked = (slotClass: SlotClass): boolean => slotClass.scope === scope && slotClass.audience === audience
  for (const slotClass of [...objects.classes[question.family].keys(), ...lost.classes.keys()].filter(isAsked)) {
    const { members } = setsOf(question.family, slotClass)
    const element = await lookups.find(members, key)
    if (element === undefined) continue
    const missing = [...missingTo(lost, scope, audience), ...missingIn(lost, slotClass)]
    if (trail.lacks(missing) && !isPartOf(lost, slotClass, missing)) return undefined
    const service = serviceOf(scene, scope, element)
    const clients = clientsOf(audience, isInside)
    const trafficPolicy = await policyOf(scene, scope, destination)
    trail.add({ type: 'frontend', service, scope, clients, trafficPolicy, object: `set ${members.name}` })
    const kept = slotClass.isSticky ? await remembered(scene, scope, destination) : undefined
    const endpoints = kept === undefined ? await choose(scene, slotClass, destination) : [kept]
    return endpoints.length === 0 ? undefined : { type: 'balanced', service, endpoints }
  }
  return undefined
}

/** Whether all that is missing are some of the rules that choose an endpoint: others are left to do so. */
function isPartOf(lost: LostParts, slotClass: SlotClass, { length }: readonly string[]): boolean {
  const fault = lost.chains.get(balancingName(slotClass))
  return length === 1 && fault?.isThere === true && slotClass.slots > MAX_EXACT
}

/** Notes that a frontend is in no set that rules ask, though its slots are there. */
async function noteMember(scene: Scene, scope: Scope): Promise<void> {
  const { question, objects, lookups, trail, lost } = scene
  const key = [...frontendKey(scene, scope, question), 0]
  for (const slotClass of objects.classes[question.family].keys()) {
    if (slotClass.scope !== scope) continue
    if (await lookups.has(setsOf(question.family, slotClass).endpoints, key)) trail.lacks([missingMember(lost, slotClass)])
  }
}

/** Notes that the address is in no set that rules ask, though it has the frontend. */
async function noteAddress(scene: Scene): Promise<void> {
  const { question, objects, lookups, trail, lost } = scene
  const key = frontendKey(scene, 'address', question)
  for (const slotClass of objects.classes[question.family].keys()) {
    if (slotClass.scope !== 'address') continue
    if (await lookups.has(setsOf(question.family, slotClass).members, key)) trail.lacks([missingAddress(lost)])
  }
}

/** The service that a frontend belongs to which was not looked up yet. */
async function nameOf(scene: Scene, scope: Scope, destination: Destination): Promise<string | undefined> {
  const { question, objects, lookups, options } = scene
  const { marks, relays } = FIXED_SETS[question.family]
  const classes = [...objects.classes[question.family].keys()].filter((slotClass) => slotClass.scope === scope)
  const members = classes.map((slotClass) => setsOf(question.family, slotClass).members)
  const ofRelays = options.relays === undefined ? [] : Object.values(relays[scope])
  const named = [...members, ...ofRelays, marks[scope].refused, marks[scope].dropped]
  for (const set of named) {
    const element = await lookups.find(set, frontendKey(scene, scope, destination))
    if (element !== undefined) return serviceOf(scene, scope, element)
  }
  return undefined
}

/** Chains `dispatch` and `node-dispatch`. */
async function dispatch(scene: Scene, scope: Scope, destination: Destination, balance: Balance): Promise<Dispatched> {
  const { question, lookups, client } = scene
  const fixed = FIXED_SETS[question.family]
  const key = frontendKey(scene, scope, destination)
  const direct = await balance(scene, scope, 'direct', false, destination)
  if (direct !== undefined) return direct
  if (scope === 'address' && (await lookups.has(fixed.ranged, key)) && !(await isInRanges(scene, key)))
    return { type: 'dropped', reason: 'sourceRanges', service: await nameOf(scene, scope, destination) }
  if (!(await lookups.has(fixed.marks[scope]['external-local'], key))) return await balance(scene, scope, 'indirect', false, destination)
  const isInside = await client.isInside()
  return await balance(scene, scope, isInside ? 'indirect' : 'outside', isInside, destination)
}

/** The hooks that the packet passes, one after the other. */
async function walkTables(scene: Scene, hasTable: boolean, balance: Balance): Promise<ExplanationOutcome> {
  if (!hasTable) return { type: 'untouched', reason: 'nothing' }
  const { question, trail, lost } = scene
  const hook = question.direction === 'outgoing' ? 'output' : 'prerouting'
  const sets = await serviceSetsWith(scene, question.address)
  const isService = sets.length > 0
  const isNode = await isNodeAddress(scene, question.address)
  trail.add({ type: 'destination', is: isService ? 'service' : isNode ? 'node' : 'neither' })
  for (const [scope, asked] of [
    ['address', sets],
    ['node', isNode ? [nodeAddressesSet(question.family).name] : []]
  ] as const) {
    if (asked.length === 0) continue
    const missing = missingBefore(lost, scope, [hook], asked)
    if (missing.length > 0) {
      // Unless it would have found a frontend, nothing is missing for it.
      if ((await dispatch({ ...scene, trail: new Trail() }, scope, question, balance)) !== undefined) trail.lacks(missing)
      continue
    }
    const found = await dispatch(scene, scope, question, balance)
    if (found?.type === 'balanced') {
      trail.lacks(missingSources(lost))
      return await served(scene, found.service, found.endpoints, filter)
    }
    if (found !== undefined) return found
  }
  const refused = await filter(scene, question)
  if (refused !== undefined && refused.reason !== 'unservedPort') return refused
  if (!trail.isIncomplete && isService) await noteMember(scene, 'address')
  else if (!trail.isIncomplete) await noteAddress(scene)
  if (!trail.isIncomplete && isNode) await noteMember(scene, 'node')
  if (!trail.isIncomplete) return refused ?? { type: 'untouched', reason: 'notOurs' }
  return refused === undefined ? { type: 'untouched', reason: 'incomplete' } : { ...refused, reason: 'incomplete' }
}

/** Follows a packet through our tables, and what belongs to them. */
export type TableWalk = (scene: Scene, hasTable: boolean) => Promise<ExplanationOutcome>

/** Follows packets through the tables, where these lead on otherwise than to slots. */
export function walkWith(balance: Balance): TableWalk {
  return (scene, hasTable) => walkTables(scene, hasTable, balance)
}

async function explainWith(kernel: KernelTables, nft: ElementReader, question: Question, walk: TableWalk): Promise<Findings> {
  const { options, objects, present, faults } = kernel
  const { family } = question
  const trail = new Trail()
  if (faults.length > 0 && present.size > 0) trail.add({ type: 'drift', objects: faults })
  const lookups: LayoutLookups = new Lookups(nft, {
    family: question.family,
    name: options.name,
    declare: (set) => ('kind' in set ? declarationOf(set, objects.nameOf(set)) : set)
  })
  const client = new Client(question, options, lookups, trail)
  const lost = kernel.lost.get(family) ?? nothingLost(family, options.name)
  const scene = { question, options, objects, lookups, trail, client, lost, mapOf: (set: ElementSet) => objects.nameOf(set) }
  return trail.end(await walk(scene, present.has(family)))
}

/** How often is read again what another process changed meanwhile. */
const MAX_TRIES = 8

/** Explains packets by our tables. */
export class TableExplainer {
  readonly #nft: Nftables
  readonly #options: TableOptions
  readonly #walk: TableWalk
  /** What was read last: it is as it was for as long as the generation is the same. */
  #kernel: KernelTables | undefined

  constructor(nft: Nftables, options: TableOptions, walk: TableWalk = walkWith(balanceBySlots)) {
    this.#nft = nft
    this.#options = options
    this.#walk = walk
  }

  /** Explains what the tables do with a packet, as they are at one generation if that can be had. */
  async explain(question: Question, nodeAddresses: NodeAddressList): Promise<Findings> {
    let generation = (await this.#nft.readGeneration()).id
    for (let tries = 1; ; tries++) {
      if (this.#kernel?.generation !== generation)
        this.#kernel = await readTables(this.#nft, this.#options, nodeAddresses, { withElements: false })
      const findings = await explainWith(this.#kernel, this.#nft, question, this.#walk)
      generation = (await this.#nft.readGeneration()).id
      if (tries === MAX_TRIES || generation === this.#kernel.generation) return findings
    }
  }
}
