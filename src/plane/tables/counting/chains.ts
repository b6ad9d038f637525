/**
 * Where new connections are counted: after they were translated, so that it does not matter how an endpoint was chosen.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { ChainForm } from '../../../nftables/compare.js'
import { concat } from '../../../nftables/rule/selector.js'
import { ct, meta } from '../../../nftables/rule/selectors.js'
import { addElement, counter, jump } from '../../../nftables/rule/statements.js'
import type { LayoutSet } from '../layout/declarations.js'
import { byProtocol } from '../layout/drafts.js'
import { PREFIX, SCOPES, type Scope } from '../layout/sets.js'
import { ADDRESS, ADDRESS_SETS, compileAll, ORIGINAL, ORIGINAL_FRONTEND } from '../layout/words.js'

/** The most that a table of buckets of 2 MiB, and of 8 MiB, has room for (nft_hash_buckets). */
const MAX_FRONTENDS = 196_608
const MAX_PAIRS = 786_432

/** What is counted of one scope. */
export interface CountingSets {
  /** By frontend. */
  readonly frontends: LayoutSet & { readonly size: number }
  /** By frontend and endpoint. */
  readonly endpoints: LayoutSet & { readonly size: number }
}

/** The sets whose elements count. Packets put them there. */
export function countingSets(family: AddressFamily, scope: Scope): CountingSets {
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  const frontend = scope === 'address' ? ([type, 'inet_proto', 'inet_service'] as const) : (['inet_proto', 'inet_service'] as const)
  const flags = ['eval'] as const
  return {
    frontends: { name: `${PREFIX[scope]}frontend-connections`, key: frontend, flags, size: MAX_FRONTENDS },
    endpoints: { name: `${PREFIX[scope]}endpoint-connections`, key: [...frontend, type, 'inet_service'], flags, size: MAX_PAIRS }
  }
}

/** The key of a frontend and the endpoint to which a connection went. */
function pairKey(family: AddressFamily, scope: Scope) {
  const { daddr } = ADDRESS[family]
  return scope === 'address'
    ? concat(ORIGINAL[family], meta.l4proto, ct.original.protoDst, daddr, ct.reply.protoSrc)
    : concat(meta.l4proto, ct.original.protoDst, daddr, ct.reply.protoSrc)
}

/** Before others give connections another source: a connection that has one meets no further NAT chain. */
const BEFORE_SRCNAT = 99

/** The chains that count. NAT chains see the first packet of a connection alone; connections to this node itself end with hook input. */
export function countingChains(family: AddressFamily, table: string): ChainForm[] {
  const counting = { statements: [counter()] }
  const chainOf = (scope: Scope): string => `${PREFIX[scope]}count`
  const isTranslated = ct.status.anyOf('dnat')
  const toScopes = SCOPES.flatMap((scope) =>
    ADDRESS_SETS[scope].map((set) => [isTranslated, ORIGINAL[family].in(set), jump(chainOf(scope))])
  )
  const base = (hook: 'postrouting' | 'input'): ChainForm => ({
    chain: { name: `count-${hook}`, type: 'nat', hook, priority: BEFORE_SRCNAT, policy: 'accept' },
    rules: compileAll(family, table, toScopes)
  })
  return [
    ...SCOPES.map((scope) => {
      const { frontends, endpoints } = countingSets(family, scope)
      const rules = byProtocol(
        [addElement(frontends, ORIGINAL_FRONTEND[family][scope], counting)],
        [addElement(endpoints, pairKey(family, scope), counting)]
      )
      return { chain: { name: chainOf(scope) }, rules: compileAll(family, table, rules) }
    }),
    base('postrouting'),
    base('input')
  ]
}
