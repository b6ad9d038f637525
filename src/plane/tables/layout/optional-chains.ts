/**
 * Chains that are there only where options ask for them.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { RuleStatement } from '../../../nftables/rule/nodes.js'
import { concat } from '../../../nftables/rule/selector.js'
import { ip, th } from '../../../nftables/rule/headers.js'
import { ct, meta } from '../../../nftables/rule/selectors.js'
import { drop, flowAdd, goto, jump } from '../../../nftables/rule/statements.js'
import { base, byProtocol, plain, PRIORITY, type Draft } from './drafts.js'
import { FLOWTABLE, type FlowOffload } from './flow-offload.js'
import type { TableOptions } from './table.js'
import { PREFIX, type Mark, type Scope } from './sets.js'
import { ADDRESS, FRONTEND, ORIGINAL, ORIGINAL_FRONTEND } from './words.js'

/** What may be in a set that is named. */
interface AskedOfSet {
  in(set: string): RuleStatement
}

/** Where a packet goes, or where its connection went at first. */
interface Target {
  readonly daddr: AskedOfSet
  readonly frontend: Readonly<Record<Scope, AskedOfSet>>
}

/** Of these a served frontend stands in one, whatever its policy, if it is no cluster address. */
const SERVED: readonly Mark[] = ['masqueraded', 'masqueraded-own']

/** Rules for all that goes to frontends of services. */
function ifToServices(
  { daddr, frontend }: Target,
  then: RuleStatement
): { readonly cluster: Draft['rules']; readonly others: Draft['rules'] } {
  return {
    cluster: [[daddr.in('cluster-ips'), then]],
    others: [
      ...SERVED.map((mark) => [frontend.address.in(mark), then]),
      ...SERVED.map((mark) => [daddr.in('node-addresses'), frontend.node.in(`${PREFIX.node}${mark}`), then])
    ]
  }
}

/** The same of packets by where their connection went at first. */
function ifOfServices(family: AddressFamily, then: RuleStatement): Draft['rules'] {
  const { cluster, others } = ifToServices({ daddr: ORIGINAL[family], frontend: ORIGINAL_FRONTEND[family] }, then)
  return [...cluster, ...byProtocol(...others)]
}

/**
 * Drops what connection tracking calls invalid. Such a packet belongs to no connection, so that nothing translates it: what is left is to ask where it goes and where it comes from. Before it is routed,
 * because it may be forwarded, or be for this node itself.
 */
function invalidChains(family: AddressFamily): Draft[] {
  const { saddr, daddr } = ADDRESS[family]
  const check = [[ct.state.anyOf('invalid'), jump('invalid')]]
  const { cluster, others } = ifToServices({ daddr, frontend: FRONTEND[family] }, drop())
  return [
    plain('invalid', [...cluster, ...others, [concat(saddr, meta.l4proto, th.sport).in('all-endpoints'), drop()]]),
    base('invalid-prerouting', 'filter', 'prerouting', PRIORITY.mangle, check),
    base('invalid-output', 'filter', 'output', PRIORITY.mangle, check)
  ]
}

const LOOPBACK = '127.0.0.0/8'

/**
 * Keeps from others what the kernel keeps from them unless `route_localnet` is on: packets to and from loopback addresses that come by another link. They are looked at as they come, before connection
 * tracking: answers to connections of ours, which are translated to loopback addresses after that, have other addresses still.
 */
function loopbackChains(): Draft[] {
  const fromElsewhere = meta.iifname.neq('lo')
  const rules = [
    [ip.daddr.eq(LOOPBACK), fromElsewhere, drop()],
    [ip.saddr.eq(LOOPBACK), fromElsewhere, drop()]
  ]
  return [base('loopback-prerouting', 'filter', 'prerouting', PRIORITY.raw, rules)]
}

/**
 * Marks forwarded packets of services, in both directions, so that rules of others can tell them. They are known by where their connection went at first.
 *
 * To accept them here would not help: a verdict `accept` ends the chains of this table alone, and any other chain of the hook may still drop the packet (nft(8), verdict statements).
 */
function forwardedChains(family: AddressFamily, mark: number): Draft[] {
  return [
    plain('forwarded', [[meta.mark.set(meta.mark.or(mark))]]),
    plain('if-forwarded', ifOfServices(family, goto('forwarded'))),
    base('mark-forward', 'filter', 'forward', PRIORITY.mangle, [[ct.status.anyOf('dnat'), jump('if-forwarded')]])
  ]
}

/**
 * Hands established connections of services over to the flowtable: after all other chains of the hook, so that whatever drops their packets has done so. What is no TCP or UDP stays
 * (nft_flow_offload_eval).
 */
function offloadChains(family: AddressFamily, { afterPackets }: FlowOffload): Draft[] {
  const enough = afterPackets === 0 ? [] : [ct.packets.gt(afterPackets)]
  return [
    plain('offload', [[flowAdd(FLOWTABLE)]]),
    plain('if-offloaded', ifOfServices(family, goto('offload'))),
    base('offload-forward', 'filter', 'forward', PRIORITY.last, [
      [ct.status.anyOf('dnat'), ct.state.anyOf('established'), ...enough, jump('if-offloaded')]
    ])
  ]
}

/** The chains that options ask for, those that are gone to before those that go. */
export function optionalChains(
  family: AddressFamily,
  { dropInvalid, loopbackNodePorts, forwardedMark, flowOffload }: TableOptions
): Draft[] {
  return [
    ...(dropInvalid ? invalidChains(family) : []),
    ...(loopbackNodePorts && family === 'ip' ? loopbackChains() : []),
    ...(forwardedMark === undefined ? [] : forwardedChains(family, forwardedMark)),
    ...(flowOffload === undefined ? [] : offloadChains(family, flowOffload))
  ]
}
