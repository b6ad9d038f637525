/**
 * The target TRACE: the packet's way through the rules is told. iptables-nft writes `meta nftrace set 1` in its place; this is the kernel's own, in the table raw only.
 * net/netfilter/xt_TRACE.c, iptables-extensions(8).
 */
import { extension } from '../extension.js'
import { emptyCodec } from './codec.js'

/** TRACE has no options. */
export type TraceOptions = object

/** Its one revision, without a structure. */
export const TRACE = [
  extension<TraceOptions, TraceOptions, 'TRACE'>({
    kind: 'target',
    name: 'TRACE',
    revision: 0,
    families: ['ip', 'ip6'],
    module: 'xt_TRACE',
    ...emptyCodec,
    print: () => [],
    draft: () => ({}),
    options: {},
    finish: () => ({})
  })
] as const
