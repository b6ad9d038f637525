/**
 * The objects that carry services in nf_tables: few and fixed; services are elements in them. docs/nftables-plane.md has the picture.
 */
import type { AddressFamily } from '../../../core/address.js'
import { Slices } from '../../../core/slices.js'
import type { ChainForm } from '../../../nftables/compare.js'
import type { Expression } from '../../../nftables/expressions.js'
import type { OwnTables } from '../../../nftables/own-tables.js'
import type { RuleStatement } from '../../../nftables/rule/nodes.js'
import { concat } from '../../../nftables/rule/selector.js'
import { th } from '../../../nftables/rule/headers.js'
import { ct, meta } from '../../../nftables/rule/selectors.js'
import { drop, goto, jump, masquerade, reject, returns, snat } from '../../../nftables/rule/statements.js'
import { FAMILIES } from '../../core/frontend.js'
import type { LocalSources } from '../../core/local-sources.js'
import type { TrafficSettings } from '../../core/traffic-options.js'
import { balancingChain, dispatchChain, type PlacedClass } from './balancing.js'
import {
  fromServiceAddress,
  ipvsHooks,
  markingDispatch,
  rememberingChains,
  toUnserved,
  translatedByIpvs,
  unservedChain
} from './by-ipvs.js'
import { NO_RELAYS, redirectingDispatch, relayPostrouting, relayRules } from './by-relays.js'
import { countingChains } from '../counting/chains.js'
import { base, byProtocol, compiled, plain, PRIORITY, type Draft } from './drafts.js'
import type { FlowOffload } from './flow-offload.js'
import type { CompileOptions } from '../elements/frontends.js'
import { optionalChains } from './optional-chains.js'
import type { TableOwner } from './owner.js'
import { PREFIX, SCOPES, type Mark, type Scope } from './sets.js'
import {
  ADDRESS,
  ADDRESS_SETS,
  CLIENT,
  FROM_NODE,
  fromLocalClient,
  FRONTEND,
  notFromLocalClient,
  ORIGINAL,
  ORIGINAL_FRONTEND
} from './words.js'

/** How our tables are made, but for the services. */
export interface TableOptions extends Omit<TrafficSettings, 'nodeAddresses' | 'ownAddresses'>, CompileOptions {
  readonly name: string
  /** Whether ports of this node are served at its loopback addresses, of IPv4. */
  readonly loopbackNodePorts: boolean
  readonly tableOwner: TableOwner | undefined
  /** The bit that marks forwarded packets of services, as a mask. */
  readonly forwardedMark: number | undefined
  readonly flowOffload: FlowOffload | undefined
  /** How many clients each map of clients remembers, at most. */
  readonly affinityClients: number
  /** Whether new connections are counted. */
  readonly counters: boolean
  /** Milliseconds that a transaction is to keep others waiting at most. */
  readonly transactionMs: number
  /** The mode of the plane for which these tables carry some services. It refuses what addresses of services do not serve, as it alone knows all that they do. Absent: the tables are a plane's own. */
  readonly carrierOf?: string | undefined
}

/** What the comment of every table begins with that a plane of this kind has made, and the version of the rules of today. */
const COMMENTS = {
  tables: { prefix: 'netplane services ', version: 2 },
  ipvs: { prefix: 'netplane ipvs ', version: 3 },
  relays: { prefix: 'netplane relays ', version: 1 }
} as const

/** Who balances, and for whom. */
type Balancing = Pick<TableOptions, 'marks' | 'relays' | 'carrierOf'>

/** What the comment of a table of a carrier begins with, whatever the mode of its plane: a plane of another mode takes it over. */
const CARRIER_PREFIX = 'netplane carrier of '

/** The same, by the mode of its plane. */
export const carrierPrefix = (mode: string): string => `${CARRIER_PREFIX}${mode} `

function commentOf({ marks, relays, carrierOf }: Balancing): { readonly prefix: string; readonly version: number } {
  const comment = COMMENTS[marks !== undefined ? 'ipvs' : relays !== undefined ? 'relays' : 'tables']
  return carrierOf === undefined ? comment : { ...comment, prefix: carrierPrefix(carrierOf) }
}

/** The comment of a table with the rules of this version. */
export function tableComment(options: Balancing): string {
  const { prefix, version } = commentOf(options)
  return `${prefix}${version}`
}

/** The tables by which we know what is ours, of any version; a table of our name without that comment is somebody else's. */
export function ownTables(options: Balancing & Pick<TableOptions, 'name'>): OwnTables {
  const prefix = options.carrierOf === undefined ? commentOf(options).prefix : CARRIER_PREFIX
  return { name: options.name, isOurs: (comment) => comment?.startsWith(prefix) === true, otherwise: `does not begin with '${prefix}'` }
}

/** Rules for packets to what a scope is about. */
function ifToScope(family: AddressFamily, scope: Scope, ...then: RuleStatement[]): RuleStatement[][] {
  return ADDRESS_SETS[scope].map((set) => [ADDRESS[family].daddr.in(set), ...then])
}

/** Rules for the packets of those who are inside: local clients, and this node itself. */
function ifInside(family: AddressFamily, sources: LocalSources | undefined, then: RuleStatement): Draft['rules'] {
  const local = fromLocalClient(family, sources)
  return [...(local === undefined ? [] : [[local, then]]), [FROM_NODE, then]]
}

/** Name of a chain, or set, of a scope. */
const nameOf = (scope: Scope, name: string): string => `${PREFIX[scope]}${name}`

/** Where new connections go, before they are translated. */
function dispatch(family: AddressFamily, scope: Scope, { localSources: sources, marks }: TableOptions): Draft[] {
  const key = FRONTEND[family][scope]
  const ranges = scope === 'address' && marks === undefined ? [[key.in('ranged'), jump('ranges')]] : []
  const external = nameOf(scope, 'external')
  return [
    plain(external, [...ifInside(family, sources, goto(dispatchChain(scope, 'indirect'))), [goto(dispatchChain(scope, 'outside'))]]),
    plain(nameOf(scope, 'dispatch'), [
      [jump(dispatchChain(scope, 'direct'))],
      ...ranges,
      [key.in(nameOf(scope, 'external-local')), goto(external)],
      [goto(dispatchChain(scope, 'indirect'))]
    ])
  ]
}

/** Which clients a frontend takes: those that are not come no further. */
function ranges(family: AddressFamily): Draft {
  return plain('ranges', [
    [CLIENT[family].address.in('denied'), drop()],
    [FRONTEND[family].address.in('restricted'), CLIENT[family].address.notIn('allowed'), drop()]
  ])
}

/** What becomes of new connections that were not translated. */
function refusal(family: AddressFamily, scope: Scope, { localSources: sources, marks }: TableOptions): Draft[] {
  const isByIpvs = marks !== undefined
  const key = FRONTEND[family][scope]
  const isIn = (mark: Mark): RuleStatement => key.in(nameOf(scope, mark))
  const [inside, outside] = [nameOf(scope, 'refuse-inside'), nameOf(scope, 'drop-outside')]
  return [
    plain(inside, ifInside(family, sources, reject())),
    plain(outside, [...ifInside(family, sources, returns()), [drop()]]),
    plain(nameOf(scope, 'refusals'), [
      // Where IPVS balances, clients that a frontend does not take have not been dropped before.
      ...(isByIpvs && scope === 'address' ? [[key.in('ranged'), jump('ranges')]] : []),
      [isIn('refused'), reject()],
      [isIn('dropped'), drop()],
      [isIn('refused-inside'), goto(inside)],
      [isIn('dropped-outside'), goto(outside)]
    ])
  ]
}

type FilterHook = 'input' | 'forward' | 'output'

/** The rules of filter chains. Ports that a cluster address does not serve are refused where packets would leave this node for it. */
function filters(family: AddressFamily, { serviceRanges, marks, relays, carrierOf }: TableOptions): Draft[] {
  const isNew = ct.state.anyOf('new')
  const daddr = ADDRESS[family].daddr
  const check = (scope: Scope) => ifToScope(family, scope, jump(nameOf(scope, 'refusals')))
  const isByIpvs = marks !== undefined
  const ofNoService = isByIpvs ? [daddr.notIn('cluster-ips'), daddr.notIn('external-ips')] : []
  const unservedAddresses = serviceRanges === undefined ? [] : [[daddr.in('service-ranges'), ...ofNoService, drop()]]
  const leaving = carrierOf === undefined ? [[daddr.in('cluster-ips'), reject()], ...unservedAddresses] : []
  const unserved = isByIpvs ? toUnserved(family) : []
  // Whatever else passes this node pays for one rule, and for no look-up.
  const filter = (hook: FilterHook, rules: readonly (readonly RuleStatement[])[]): Draft[] => [
    plain(`new-${hook}`, rules),
    base(`filter-${hook}`, 'filter', hook, isByIpvs && hook === 'output' ? PRIORITY.mangle : PRIORITY.filter, [
      [isNew, goto(`new-${hook}`)]
    ])
  ]
  const { decided, atRelays } = relays === undefined ? NO_RELAYS : relayRules()
  return [
    ...(isByIpvs ? [unservedChain(family)] : []),
    ...decided,
    ...filter('input', [...atRelays.input, ...SCOPES.flatMap(check), ...unserved]),
    ...filter('forward', [...check('address'), ...leaving]),
    // IPVS takes what goes out to addresses of services, and nothing has been translated before it.
    ...filter('output', [...atRelays.output, ...SCOPES.flatMap(check), ...(isByIpvs ? [...unserved, ...unservedAddresses] : leaving)])
  ]
}

/** What gives a connection a source address of this node. */
function maskingStatements(family: AddressFamily, { masqueradeAddress, masqueradeMark }: TableOptions): readonly RuleStatement[] {
  const address = masqueradeAddress[family]
  const flags = ['fully-random'] as const
  return [
    ...(masqueradeMark === undefined ? [] : [meta.mark.set(meta.mark.or(masqueradeMark))]),
    address === undefined ? masquerade({ flags }) : snat(address, { flags })
  ]
}

/** Which translated connections get a source address of this node. */
function postrouting(family: AddressFamily, options: TableOptions): Draft[] {
  const { masquerade: which, localSources, marks } = options
  const isByIpvs = marks !== undefined
  const mask = goto('masquerading')
  const { saddr, daddr } = ADDRESS[family]
  const original = ORIGINAL_FRONTEND[family]
  const notLocal = localSources === undefined || which === 'all' ? [] : [notFromLocalClient(family, localSources)]
  const marked = (scope: Scope): readonly (readonly RuleStatement[])[] =>
    byProtocol(
      [original[scope].in(nameOf(scope, 'masqueraded')), mask],
      [original[scope].in(nameOf(scope, 'masqueraded-own')), FROM_NODE, mask]
    )
  // An address asks for the rules that are about it alone: each look-up is one for every new connection.
  const ifTo = (set: string, chain: string): readonly RuleStatement[] => [ORIGINAL[family].in(set), jump(chain)]
  return [
    plain('masquerading', [maskingStatements(family, options)]),
    plain('translated-cluster', [...byProtocol([original.address.in('unmasqueraded'), returns()]), [...notLocal, mask]]),
    plain('translated-external', marked('address')),
    plain('translated-node', marked('node')),
    plain('translated', [
      [concat(saddr, daddr, meta.l4proto, th.dport).in('hairpin'), mask],
      ...(isByIpvs ? fromServiceAddress(family, mask) : []),
      ...(which === 'never' ? [] : [ifTo('cluster-ips', 'translated-cluster')]),
      ifTo('external-ips', 'translated-external'),
      ifTo('node-addresses', 'translated-node')
    ]),
    // What IPVS does is no DNAT as far as connection tracking can tell.
    base(
      'nat-postrouting',
      'nat',
      'postrouting',
      PRIORITY.srcnat,
      isByIpvs ? translatedByIpvs(family) : [[ct.status.anyOf('dnat'), jump('translated')]]
    )
  ]
}

/** The chains in which clients are remembered; there are none where no service asks for it. */
export function learningChains(family: AddressFamily, { name: table, marks, localSources }: TableOptions): ChainForm[] {
  if (marks !== undefined) return compiled(family, table, rememberingChains(family, localSources))
  const isFirst = [ct.state.anyOf('new'), ct.status.anyOf('dnat'), jump('learn')]
  return compiled(family, table, [
    base('learn-postrouting', 'filter', 'postrouting', PRIORITY.beforeSrcnat, [isFirst]),
    base('learn-input', 'filter', 'input', PRIORITY.filter, [isFirst])
  ])
}

const made = new WeakMap<TableOptions, Partial<Record<AddressFamily, readonly ChainForm[]>>>()

/** All chains, those that are gone to before those that go, but for those of single classes and of clients that are remembered. They are put together once. */
export function fixedChains(family: AddressFamily, options: TableOptions): readonly ChainForm[] {
  const chains = made.get(options) ?? {}
  made.set(options, chains)
  return (chains[family] ??= makeFixedChains(family, options))
}

/** Puts together what {@link fixedChains} gives before it is asked for: code that runs for the first time takes long, and a first sync is not to wait for it. */
export async function compileAhead(options: TableOptions): Promise<void> {
  const slices = new Slices()
  for (const family of FAMILIES) {
    fixedChains(family, options)
    await slices.turn()
  }
}

/** Where rules of classes come to stand. */
function emptyDispatch(): Draft[] {
  const audiences = ['direct', 'indirect', 'outside'] as const
  return SCOPES.flatMap((scope) => audiences.map((audience) => plain(dispatchChain(scope, audience), [])))
}

function translatingHooks(family: AddressFamily): Draft[] {
  const toServices = SCOPES.flatMap((scope) => ifToScope(family, scope, jump(nameOf(scope, 'dispatch'))))
  return [
    base('nat-prerouting', 'nat', 'prerouting', PRIORITY.dstnat, toServices),
    base('nat-output', 'nat', 'output', PRIORITY.dstnat, toServices)
  ]
}

function makeFixedChains(family: AddressFamily, options: TableOptions): ChainForm[] {
  const isByIpvs = options.marks !== undefined
  const isByRelays = options.relays !== undefined
  const chains = compiled(family, options.name, [
    ...(isByRelays ? [] : [plain('learn', [])]),
    ...(isByIpvs ? markingDispatch(family) : isByRelays ? redirectingDispatch(family) : emptyDispatch()),
    ranges(family),
    ...SCOPES.flatMap((scope) => [...dispatch(family, scope, options), ...refusal(family, scope, options)]),
    ...(isByRelays ? relayPostrouting(family) : postrouting(family, options)),
    ...(isByIpvs ? ipvsHooks(family) : translatingHooks(family)),
    ...filters(family, options),
    ...optionalChains(family, options)
  ])
  return options.counters ? [...chains, ...countingChains(family, options.name)] : chains
}

/** All chains of a table in which there are some classes. */
export function layoutChains(
  family: AddressFamily,
  options: TableOptions,
  classes: readonly PlacedClass[],
  hasSticky: boolean
): ChainForm[] {
  return [
    ...classes.map((placedClass) => balancingChain(family, options.name, placedClass)),
    ...fixedChains(family, options),
    ...(hasSticky ? learningChains(family, options) : [])
  ]
}

/** Whether a rule looks a set up. */
export function looksUp(expressions: readonly Expression[], set: string): boolean {
  return expressions.some(
    (expression) => (expression.type === 'lookup' || expression.type === 'dynset') && 'set' in expression && expression.set === set
  )
}
