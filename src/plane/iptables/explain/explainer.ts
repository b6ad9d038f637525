/**
 * What becomes of the first packet of a connection, by the rules that the kernel holds.
 */
import type { IptablesRule } from '../../../iptables/index.js'
import type { Nftables } from '../../../nftables/index.js'
import { Trail, type Findings, type Question } from '../../core/explain/explain.js'
import type { ExplainedEndpoint, ExplainedTarget, ExplanationOutcome, RefusalReason, SourceReason } from '../../explanation.js'
import type { TrafficPolicy } from '../../model.js'
import { commentOf } from '../inspect/comments.js'
import { readKernel, type KernelState } from '../inspect/kernel.js'
import { holdsOurs } from '../inspect/ours.js'
import { missingRules, TO_SOURCES, toFrontends } from '../inspect/ways.js'
import { CHAIN, isChainOf } from '../layout/names.js'
import type { IptablesPlaneSettings } from '../options.js'
import { Chains, type Ended } from './chains.js'
import { probabilityOf, type Asked, type State } from './packet.js'
import { listsWith, type RecentFiles, type Remembering } from './remembered.js'

/** What is said of services in the comments of rules that refuse, behind their names. */
const ABOUT = / (?:has no (?:local )?endpoints|traffic not accepted by \S+|not allowed|denied)$/

/** Digits of a probability that say something: the kernel keeps 31 bits of each, and rules multiply. */
const PROBABILITY_DIGITS = 9

/** One packet. */
class Explaining {
  readonly #chains: Chains
  readonly #question: Question
  readonly #settings: IptablesPlaneSettings
  readonly #trail = new Trail()
  readonly #asked: Asked
  /** Chains that should have sent packets to an endpoint, and have not. */
  readonly #leaks = new Set<string>()
  /** Lists of clients that were asked, with the seconds for which they remember. */
  readonly lists = new Map<string, number | undefined>()
  /** Seconds for which clients are remembered, whether this one is, and for how long. */
  #affinity: { readonly seconds: number | undefined; readonly isKept: boolean; readonly leftMs: number | undefined } | undefined

  /** @param having Lists that have the client. */
  constructor(chains: Chains, question: Question, settings: IptablesPlaneSettings, having: Remembering) {
    this.#chains = chains
    this.#question = question
    this.#settings = settings
    const isRemembered = (list: string, seconds: number | undefined): boolean => {
      this.lists.set(list, seconds)
      const isKept = having.has(list)
      if (this.#affinity?.isKept !== true) this.#affinity = { seconds, isKept, leftMs: having.get(list) }
      return isKept
    }
    const leaked = (chain: string): void => void this.#leaks.add(chain)
    this.#asked = { question, trail: this.#trail, isRemembered, leaked }
  }

  async findings(): Promise<Findings> {
    return this.#trail.end(await this.#outcome())
  }

  async #outcome(): Promise<ExplanationOutcome> {
    const { address, port, direction } = this.#question
    const start: State = { probability: 1, address, port, isTranslated: false, mark: 0, path: [], markedBy: [] }
    this.#trail.add({ type: 'destination', is: await this.#destination(start) })
    const base = direction === 'outgoing' ? 'OUTPUT' : 'PREROUTING'
    const { ended } = await this.#chains.enter('nat', base, start, this.#asked)
    this.#noteLeaks()
    const translated = ended.filter(({ by }) => by === 'translated')
    if (translated.length > 0) return await this.#served(translated)
    // Rules of the plane drop nothing before it is translated.
    if (ended.some(({ by }) => by === 'dropped')) return { type: 'dropped', reason: 'foreignRule', service: undefined }
    const refused = await this.#refusal(start)
    if (refused !== undefined && refused.reason !== 'unservedPort') return refused
    await this.#noteJump(base, start)
    if (!this.#trail.isIncomplete) return refused ?? { type: 'untouched', reason: 'notOurs' }
    return refused === undefined ? { type: 'untouched', reason: 'incomplete' } : { ...refused, reason: 'incomplete' }
  }

  #noteLeaks(): void {
    const leaks = [...this.#leaks]
    const innermost = leaks.filter((chain) => isChainOf('endpoint', chain))
    // What comes back from the chain of an endpoint may come out of the one before it, too.
    const named = innermost.length > 0 ? innermost : leaks
    this.#trail.lacks(named.map((chain) => missingRules(this.#question.family, chain)))
  }

  /** Notes that nothing leads from a base chain to the frontend, though it is there. */
  async #noteJump(base: 'OUTPUT' | 'PREROUTING', start: State): Promise<void> {
    const missing = this.#chains.missing(toFrontends([base]))
    if (missing.length === 0) return
    const { ended } = await this.#chains.follow('nat', CHAIN.services, start, this.#asked)
    if (ended.some(({ by }) => by === 'translated')) this.#trail.lacks(missing)
  }

  /** Whose address it is, by the rules about addresses. */
  async #destination(start: State): Promise<'service' | 'node' | 'neither'> {
    const whole = `${start.address}/${this.#question.family === 'ip' ? 32 : 128}`
    const own = ({ destination }: IptablesRule): boolean => destination === whole
    const services = await this.#chains.rules('nat', CHAIN.services)
    const places = [
      ['filter', CHAIN.services] as const,
      ['filter', CHAIN.externalServices] as const,
      ['filter', CHAIN.clusterAddresses] as const
    ]
    if (services.some((rule) => own(rule) && !leadsToNodePorts(rule))) return 'service'
    for (const [table, chain] of places) if ((await this.#chains.rules(table, chain)).some(own)) return 'service'
    return services.some((rule) => leadsToNodePorts(rule) && probabilityOf(rule, start, this.#asked) > 0) ? 'node' : 'neither'
  }

  /** What the filter table does with a packet; undefined: it passes. */
  async #refusal(state: State): Promise<Exclude<ExplanationOutcome, { readonly type: 'served' | 'untouched' }> | undefined> {
    const { direction, isOwn } = this.#question
    const base = direction === 'outgoing' ? 'OUTPUT' : isOwn(state.address) ? 'INPUT' : 'FORWARD'
    const { ended } = await this.#chains.enter('filter', base, state, this.#asked)
    const found = ended.find(({ by }) => by === 'refused' || by === 'dropped')
    if (found === undefined) return undefined
    const reason = reasonOf(found)
    const service = reason === 'unservedPort' || reason === 'unservedAddress' ? undefined : this.#nameIn(found.rule, found.state)
    return { type: found.by === 'refused' ? 'refused' : 'dropped', reason, service }
  }

  /** The service that a rule is about: in full where the plane knows the name that the comment shortens. */
  #nameIn(rule: IptablesRule, { path }: Pick<State, 'path'>): string | undefined {
    const said = commentOf(rule)?.replace(ABOUT, '')
    const owner = this.#question.ownerOf(path.includes(CHAIN.nodePorts) ? 'node' : 'address') ?? this.#question.ownerOf('node')
    return said !== undefined && owner?.startsWith(said) === true ? owner : said
  }

  async #served(ended: readonly Ended[]): Promise<ExplanationOutcome> {
    const [first] = ended as readonly [Ended]
    const service = this.#nameIn(first.rule, first.state)
    this.#describeFrontend(first.state, service)
    this.#trail.lacks(this.#chains.missing([TO_SOURCES]))
    const together = new Map<string, Ended & { probability: number }>()
    for (const one of ended) {
      const key = `${one.state.address} ${one.state.port}`
      const known = together.get(key)
      if (known === undefined) together.set(key, { ...one, probability: one.state.probability })
      else known.probability += one.state.probability
    }
    const endpoints: ExplainedEndpoint[] = []
    for (const { state, probability } of together.values()) {
      const { address, port } = state
      const refusal = await this.#refusal(state)
      const source = await this.#source(state)
      const share = { address, port, probability: Number(probability.toFixed(PROBABILITY_DIGITS)) }
      endpoints.push({ ...share, ...source, ...(refusal && { refusal: { type: refusal.type, reason: refusal.reason } }) })
    }
    this.#describeChoice(endpoints)
    return { type: 'served', service, endpoints }
  }

  #describeFrontend({ path }: State, service: string | undefined): void {
    const balancing = path.findLast((chain) => /^KUBE-SV[CL]-/.test(chain))
    const trafficPolicy: TrafficPolicy | undefined = balancing === undefined ? undefined : policyOf(balancing)
    const scope = path.includes(CHAIN.nodePorts) ? 'node' : 'address'
    const object = `chain ${this.#question.family} nat ${balancing ?? path.at(-1) ?? ''}`
    this.#trail.add({ type: 'frontend', service, scope, clients: 'all', trafficPolicy, object })
  }

  #describeChoice(endpoints: readonly ExplainedEndpoint[]): void {
    const { seconds, isKept, leftMs } = this.#affinity ?? {}
    const kept = isKept === true ? endpoints[0] : undefined
    if (this.#affinity !== undefined && this.#question.from === undefined) this.#trail.misses('from')
    if (this.#affinity !== undefined)
      this.#trail.add({
        type: 'affinity',
        ...(kept && { endpoint: { address: kept.address, port: kept.port }, leftMs }),
        timeoutMs: seconds === undefined ? undefined : seconds * 1000
      })
    if (kept === undefined)
      this.#trail.add({
        type: 'choice',
        scheduler: 'random',
        endpoints: endpoints.map(({ address, port, probability }) => ({ address, port, probability }))
      })
    for (const reason of new Set(endpoints.map((endpoint) => endpoint.reason))) {
      const same = endpoints.filter((endpoint) => endpoint.reason === reason)
      const targets: ExplainedTarget[] = same.map(({ address, port }) => ({ address, port }))
      this.#trail.add({ type: 'source', source: same[0]!.source, reason, endpoints: targets })
    }
  }

  /** Whose address an endpoint sees. */
  async #source(state: State): Promise<Pick<ExplainedEndpoint, 'source' | 'reason'>> {
    const { direction, isOwn } = this.#question
    // A packet that comes in for this node itself leaves it by no link.
    if (direction === 'incoming' && isOwn(state.address)) return { source: 'client', reason: 'delivered' }
    const { ended } = await this.#chains.enter('nat', 'POSTROUTING', state, this.#asked)
    if (ended.some(({ by }) => by === 'masqueraded')) return { source: 'node', reason: this.#markedBecause(state) }
    if (state.markedBy.length === 0) return { source: 'client', reason: this.#keptBecause(state) }
    // What was to be marked, and is not masqueraded, has met a chain of which rules are gone.
    if (this.#chains.missing([TO_SOURCES]).length === 0)
      this.#trail.lacks([missingRules(this.#question.family, state.mark === 0 ? CHAIN.mark : CHAIN.postrouting)])
    return { source: 'client', reason: 'unmasked' }
  }

  #markedBecause({ markedBy }: State): SourceReason {
    if (markedBy.some(({ chain }) => isChainOf('endpoint', chain))) return 'hairpin'
    const [first] = markedBy
    if (first?.chain.startsWith('KUBE-EX') === true) return first.comment?.startsWith('masquerade LOCAL ') === true ? 'node' : 'external'
    return this.#settings.layout.masquerade === 'all' ? 'all' : 'notLocal'
  }

  #keptBecause({ path }: State): SourceReason {
    if (path.some((chain) => policyOf(chain) === 'local')) return 'policyLocal'
    return this.#settings.layout.masquerade === 'never' ? 'never' : 'local'
  }
}

const policyOf = (chain: string): TrafficPolicy => (isChainOf('local', chain) ? 'local' : 'cluster')

const leadsToNodePorts = ({ target }: IptablesRule): boolean =>
  typeof target === 'object' && 'jump' in target && target.jump === CHAIN.nodePorts

/** Why a rule of the filter table ends a packet's way, by where it stands. */
function reasonOf({ chain, rule, by }: Ended): RefusalReason {
  if (chain === CHAIN.clusterAddresses) return 'unservedPort'
  if (chain === CHAIN.firewall || isChainOf('sources', chain)) return 'sourceRanges'
  if (rule.protocol === undefined) return 'unservedAddress'
  return by === 'refused' ? 'noEndpoint' : 'noLocalEndpoint'
}

/** How often is read again what another process changed meanwhile. */
const MAX_TRIES = 8

/** Explains packets. */
export class Explainer {
  readonly #nft: Nftables
  readonly #settings: IptablesPlaneSettings
  readonly #files: RecentFiles
  /** What was read last: it is as it was for as long as the generation is the same. */
  #kernel: KernelState | undefined

  constructor(nft: Nftables, settings: IptablesPlaneSettings, files: RecentFiles) {
    this.#nft = nft
    this.#settings = settings
    this.#files = files
  }

  /** @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: chains of our names are not ours. */
  async explain(question: Question): Promise<Findings> {
    let generation = (await this.#nft.readGeneration()).id
    for (let tries = 1; ; tries++) {
      if (this.#kernel?.generation !== generation) this.#kernel = await readKernel(this.#nft)
      const findings = await this.#explainBy(this.#kernel, question)
      generation = (await this.#nft.readGeneration()).id
      if (tries === MAX_TRIES || generation === this.#kernel.generation) return findings
    }
  }

  async #explainBy(kernel: KernelState, question: Question): Promise<Findings> {
    if (!holdsOurs(kernel, this.#settings.takeOver)) return new Trail().end({ type: 'untouched', reason: 'nothing' })
    const chains = new Chains(kernel, question.family)
    const first = new Explaining(chains, question, this.#settings, new Map())
    const findings = await first.findings()
    // Which lists there are to ask is known once the packet's way is.
    const having = await listsWith(question.from, first.lists, this.#files)
    return having.size === 0 ? findings : await new Explaining(chains, question, this.#settings, having).findings()
  }
}
