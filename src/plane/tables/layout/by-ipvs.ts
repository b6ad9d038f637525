/**
 * The chains beside IPVS: they mark what it cannot tell by address and port, refuse before it takes a packet, and take the marks off behind it.
 *
 * IPVS takes packets in hook input at 99 and in hook output at -98, and sends them out through hooks output and postrouting (ip_vs_ops4 in net/netfilter/ipvs/ip_vs_core.c).
 */
import type { AddressFamily } from '../../../core/address.js'
import type { RuleStatement } from '../../../nftables/rule/nodes.js'
import { ct, meta } from '../../../nftables/rule/selectors.js'
import { dnat, goto, jump, reject, returns } from '../../../nftables/rule/statements.js'
import type { LocalSources } from '../../core/local-sources.js'
import { affinityMap, dispatchChain } from './balancing.js'
import { declarationOf } from './declarations.js'
import { base, byProtocol, plain, PRIORITY, type Draft } from './drafts.js'
import { fwmarkSetOf, PREFIX, SCOPES, type Audience, type Scope } from './sets.js'
import { ADDRESS, CLIENT, FROM_NODE, fromLocalClient, FRONTEND, ORIGINAL } from './words.js'

/** What every mark that leads to a virtual service begins with: `n`. */
export const MARK_PREFIX = 0x6e00_0000
/** The bits that {@link MARK_PREFIX} is about. */
const PREFIX_BITS = 0xff00_0000

/** Before IPVS takes a packet of hook input, and behind the chains that refuse. */
const BEFORE_INPUT = 50
/** Before IPVS takes a packet of hook output, and behind translations. */
const BEFORE_OUTPUT = -99
/** Behind IPVS in hook input. */
const AFTER_INPUT = 101

/** The address sets of a scope whose frontends may have marks. */
const MARKED: Readonly<Record<Scope, string>> = { address: 'external-ips', node: 'node-addresses' }
const AUDIENCES: readonly Audience[] = ['direct', 'indirect', 'outside']

/** Marks the packets of an audience. Ports of this node that all may use are marked where others are. */
function markRules(family: AddressFamily, scope: Scope, audience: Audience): Draft['rules'] {
  const set = audience === 'direct' ? undefined : fwmarkSetOf(family, scope, audience === 'outside')
  return set === undefined ? [] : [[meta.mark.set(FRONTEND[family][scope].map({ ...declarationOf(set), name: set.name }))]]
}

/** The chains from which packets are sent to balancing chains elsewhere. */
export function markingDispatch(family: AddressFamily): Draft[] {
  return SCOPES.flatMap((scope) => AUDIENCES.map((audience) => plain(dispatchChain(scope, audience), markRules(family, scope, audience))))
}

/**
 * IPVS schedules what it has forgotten: connections that are not new too, where there is no handshake. It would schedule answers to this node as well, where this node itself asked from a port that is a port of the node.
 */
function markingHooks(family: AddressFamily): Draft[] {
  const rules = [
    [ct.state.anyOf('new'), goto('marking')],
    [meta.l4proto.eq('udp'), ct.direction.eq('original'), goto('marking')]
  ]
  const jumps = SCOPES.map((scope) => [ADDRESS[family].daddr.in(MARKED[scope]), jump(`${PREFIX[scope]}dispatch`)])
  return [
    plain('marking', jumps),
    base('mark-input', 'filter', 'input', BEFORE_INPUT, rules),
    base('mark-output', 'filter', 'output', BEFORE_OUTPUT, rules)
  ]
}

/** Nobody else is to take the marks for his own: they go where packets leave IPVS. */
function unmarkingHooks(): Draft[] {
  const rules = [[meta.mark.and(PREFIX_BITS).eq(MARK_PREFIX), meta.mark.set(0)]]
  return [
    base('unmark-input', 'filter', 'input', AFTER_INPUT, rules),
    base('unmark-output', 'filter', 'output', PRIORITY.raw, rules),
    base('unmark-postrouting', 'filter', 'postrouting', PRIORITY.mangle, rules)
  ]
}

/** Chains that hooks lead to where IPVS balances. */
export function ipvsHooks(family: AddressFamily): Draft[] {
  return [...markingHooks(family), ...unmarkingHooks()]
}

/**
 * Refuses what goes to an address of services and no service has. The addresses are this node's own as far as the kernel can tell: a program that listens there must not get it. An address that the node
 * has besides keeps its other ports.
 */
export function unservedChain(family: AddressFamily): Draft {
  return plain('unserved', byProtocol([FRONTEND[family].address.notIn('served'), reject()]))
}

/** Rules that lead to it. */
export function toUnserved(family: AddressFamily): RuleStatement[][] {
  const { daddr } = ADDRESS[family]
  const isOther = daddr.notIn('node-addresses')
  return [
    [daddr.in('cluster-ips'), jump('unserved')],
    [daddr.in('external-ips'), isOther, jump('unserved')]
  ]
}

/** Rules that find new connections to services, by where they went before IPVS took them. */
export function translatedByIpvs(family: AddressFamily): Draft['rules'] {
  return ['cluster-ips', 'external-ips', 'node-addresses'].map((set) => [ORIGINAL[family].in(set), jump('translated')])
}

/** The route to an address of a service takes that very address as the source of this node's own connections. */
export function fromServiceAddress(family: AddressFamily, mask: RuleStatement): Draft['rules'] {
  return ['cluster-ips', 'external-ips'].map((set) => [ADDRESS[family].saddr.in(set), mask])
}

/** Leads clients that are remembered to their endpoints, past IPVS, which remembers those of addresses alone. */
function rememberedChains(family: AddressFamily, sources: LocalSources | undefined): Draft[] {
  const local = fromLocalClient(family, sources)
  const chain = (scope: Scope): Draft => {
    const { address } = FRONTEND[family]
    const translate = [dnat(CLIENT[family][scope].map(affinityMap(family, scope)))]
    if (scope === 'node') return plain('node-remembered', [translate])
    return plain('remembered', [
      [address.in('ranged'), jump('ranges')],
      ...(local === undefined ? [] : [[local, returns()]]),
      [FROM_NODE, returns()],
      translate
    ])
  }
  const jumps = SCOPES.map((scope) => [ADDRESS[family].daddr.in(MARKED[scope]), jump(`${PREFIX[scope]}remembered`)])
  return [
    ...SCOPES.map(chain),
    base('nat-prerouting', 'nat', 'prerouting', PRIORITY.dstnat, jumps),
    base('nat-output', 'nat', 'output', PRIORITY.dstnat, jumps)
  ]
}

/** What there is where clients are remembered. */
export function rememberingChains(family: AddressFamily, sources: LocalSources | undefined): Draft[] {
  const isFirst = [[ct.state.anyOf('new'), jump('learn')]]
  return [
    ...rememberedChains(family, sources),
    base('learn-postrouting', 'filter', 'postrouting', PRIORITY.beforeSrcnat, isFirst),
    base('learn-input', 'filter', 'input', AFTER_INPUT, isFirst)
  ]
}
