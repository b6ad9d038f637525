/**
 * The chains before relays, which are sockets of a process on this node: connections to frontends are redirected to the ports of their relays, and whoever comes to such a port otherwise is refused.
 *
 * `redirect` leads packets of others to the first address of the link by which they come, and packets of this node to `127.0.0.1` or `::1` (net/netfilter/nf_nat_redirect.c).
 */
import type { AddressFamily } from '../../../core/address.js'
import type { RuleStatement } from '../../../nftables/rule/nodes.js'
import { concat } from '../../../nftables/rule/selector.js'
import { th } from '../../../nftables/rule/headers.js'
import { ct, meta } from '../../../nftables/rule/selectors.js'
import { goto, redirect, reject, returns, snat } from '../../../nftables/rule/statements.js'
import { dispatchChain } from './balancing.js'
import { declarationOf } from './declarations.js'
import { base, plain, PRIORITY, type Draft } from './drafts.js'
import { FIXED_SETS, SCOPES, type Audience } from './sets.js'
import { FRONTEND } from './words.js'

const AUDIENCES: readonly Audience[] = ['direct', 'indirect', 'outside']

/** The protocols that relays speak. A rule must say the protocol before it may say a port. */
const PROTOCOLS = ['tcp', 'udp'] as const

const LOOPBACK: Readonly<Record<AddressFamily, string>> = { ip: '127.0.0.1', ip6: '::1' }

const AT_RELAY = concat(meta.l4proto, th.dport).in('relay-ports')

/** The chains from which packets are sent to balancing chains elsewhere. */
export function redirectingDispatch(family: AddressFamily): Draft[] {
  return SCOPES.flatMap((scope) =>
    AUDIENCES.map((audience) => {
      const port = FRONTEND[family][scope].map(declarationOf(FIXED_SETS[family].relays[scope][audience]))
      return plain(
        dispatchChain(scope, audience),
        PROTOCOLS.map((protocol) => [meta.l4proto.eq(protocol), redirect({ port })])
      )
    })
  )
}

/** What stands before other rules of filter chains. */
interface RelayRules {
  readonly decided: readonly Draft[]
  readonly atRelays: { readonly input: Draft['rules']; readonly output: Draft['rules'] }
}

/** Where there are no relays. */
export const NO_RELAYS: RelayRules = { decided: [], atRelays: { input: [], output: [] } }

/**
 * What was redirected has been decided, whatever else its new address and port may stand for; connections that come to a relay's port by themselves are refused. What this node sends may be for the
 * same port of another host.
 */
export function relayRules(): RelayRules {
  const isRedirected = ct.status.anyOf('dnat')
  return {
    decided: [plain('at-relays', [[isRedirected, returns()], [reject()]])],
    atRelays: { input: [[AT_RELAY, goto('at-relays')]], output: [[isRedirected, AT_RELAY, returns()]] }
  }
}

/**
 * A relay's socket for UDP has no address of its own, so that the address by which the answer leaves is that of the route to the client: of an address of this node it would be that very address, and not the one
 * to which the datagram was redirected. What this node sends to itself gets an address for which both are the same.
 */
export function relayPostrouting(family: AddressFamily): Draft[] {
  const isDatagram: readonly RuleStatement[] = [ct.status.anyOf('dnat'), meta.oifname.eq('lo'), meta.l4proto.eq('udp'), AT_RELAY]
  return [base('nat-postrouting', 'nat', 'postrouting', PRIORITY.srcnat, [[...isDatagram, snat(LOOPBACK[family])]])]
}
