/**
 * What the chains of planes are for (docs/nftables-plane.md, docs/iptables-plane.md, docs/userspace-plane.md).
 */
import type { KernelMode } from '../options.js'

type Purpose = readonly [chain: RegExp, purpose: string]

const TABLES: readonly Purpose[] = [
  [/^nat-(?:prerouting|output)$/, 'finds out whether the destination is an address of a service, or of this node'],
  [/^(?:node-)?dispatch$/, 'looks for the frontend'],
  [/^(?:node-)?services(?:-indirect|-outside)?$/, 'looks for the frontend'],
  [/^ranges$/, 'looks whether the source ranges of the frontend have the client'],
  [/^(?:node-)?external$/, 'finds out whether the client is a local one'],
  [/^lb-/, 'chooses an endpoint'],
  [/^filter-(?:input|forward|output)$/, 'lets all but new connections pass'],
  [/^new-(?:input|forward|output)$/, 'finds out whether nobody serves the destination'],
  [/^(?:node-)?(?:refusals|refuse-inside|drop-outside)$/, 'refuses or drops what nobody serves'],
  [/^learn/, 'remembers the client and its endpoint'],
  [/^nat-postrouting$/, 'passes over what was not translated'],
  [/^translated/, 'finds out whether the endpoint is to see an address of this node'],
  [/^masquerading$/, 'gives the connection an address of this node']
]

const IPTABLES: readonly Purpose[] = [
  [/^KUBE-(?:SERVICES|NODEPORTS)$/, 'looks for the frontend'],
  [/^KUBE-(?:EXT|EXL|FW)-/, 'finds out whether the client may ask, and whether it is a local one'],
  [/^KUBE-(?:SVC|SVL)-/, 'chooses an endpoint'],
  [/^KUBE-SEP-/, 'leads to the endpoint'],
  [/^KUBE-MARK-(?:MASQ|NONLOCAL)$/, 'marks the packet, so that the endpoint sees an address of this node'],
  [/^KUBE-POSTROUTING$/, 'gives marked connections an address of this node']
]

const PURPOSES: Readonly<Record<KernelMode, readonly Purpose[]>> = { nftables: TABLES, ipvs: TABLES, userspace: TABLES, iptables: IPTABLES }

/** What a plane's chain is for; undefined where that cannot be said in a few words. */
export function purposeOf(mode: KernelMode, chain: string): string | undefined {
  return PURPOSES[mode].find(([pattern]) => pattern.test(chain))?.[1]
}
