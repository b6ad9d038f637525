import { describe, expect, it } from 'vitest'
import type { IptablesFamily } from '../../../../../src/iptables/index.js'
import type { LayoutSettings } from '../../../../../src/plane/iptables/layout/settings.js'
import { FAMILIES } from '../../../../../src/plane/core/frontend.js'
import { requireRanges } from '../../../../../src/plane/core/ranges.js'
import { chainsOf, EVERYWHERE, linesOf, PLAIN } from '../../../../support/iptables-layout.js'
import { readSeenInIptables, SEEN_IN_IPTABLES, type SeenInIptables } from '../../../../support/kube-proxy-iptables.js'

const nothing = readSeenInIptables('nothing')
const cases = SEEN_IN_IPTABLES.map((name) => ({ name, ...readSeenInIptables(name) }))

/** That kube-proxy's: `--cluster-cidr` for both families, the rest as it is by default. */
const settings: LayoutSettings = {
  ...PLAIN,
  localSources: { by: 'prefixes', ranges: requireRanges('', ['10.244.0.0/16', 'fd00:10:244::/56']) },
  masquerade: 'nonLocal',
  dropInvalid: true,
  healthCheckPorts: [{ from: 32_104, to: 32_104 }],
  loopbackNodePorts: true
}

/** Lines that only one of the two has, or has otherwise. */
interface Difference {
  readonly reason: string
  /** Of kube-proxy, left out. */
  readonly theirs?: RegExp
  /** Of ours, left out. */
  readonly ours?: RegExp
  /** Of kube-proxy, written otherwise. */
  readonly instead?: readonly [what: RegExp, by: string]
}

const DIFFERENCES: Readonly<Record<string, Difference>> = {
  'no canary': {
    reason: 'The generation of the ruleset tells of every change, so that no chain need be watched.',
    theirs: /KUBE-PROXY-CANARY/
  },
  'a chain that says whose the others are': {
    reason: 'A plane that is started again adopts its chains, and leaves those of a kube-proxy alone.',
    ours: /KUBE-NETPLANE/
  },
  'nothing in chains of the kubelet': {
    reason:
      "KUBE-FIREWALL is the kubelet's as well. The guard there lets packets of others through that go to loopback addresses and are translated; KUBE-LOCALNET does not.",
    theirs: /KUBE-FIREWALL/,
    ours: /KUBE-LOCALNET/
  },
  'no accounting of dropped packets': {
    reason: 'Few kernels have nfacct.',
    instead: [/ -m nfacct --nfacct-name +ct_state_invalid_dropped_pkts/, '']
  },
  'no accounting of loopback addresses': {
    reason: 'The rule is there to count alone: the next one does the same.',
    theirs: /-m nfacct --nfacct-name +localhost_nps_accepted_pkts/
  },
  'ports that cluster addresses do not have': {
    reason: 'They are refused by the model. kube-proxy refuses them in nftables mode alone.',
    ours: /KUBE-CLUSTER-IPS/
  },
  'this node at external addresses without endpoints': {
    reason: 'The model refuses everybody. With kube-proxy packets of this node go where routes lead.',
    ours: /^filter -A OUTPUT .* -j KUBE-EXTERNAL-SERVICES$/
  },
  'ports that health checks ask are options': {
    reason: 'The model has no health checks.',
    instead: [/"\S+ health check node port"/, '"health check node port"']
  },
  'clients of policy local are not masqueraded': {
    reason: 'An endpoint of this node answers through this node.',
    theirs: /^nat -A KUBE-SVL-\S+ .* -j KUBE-MARK-MASQ$/
  }
}
const ALL = Object.values(DIFFERENCES)

/** Base chains are there whoever has written them; what is in them is compared. */
const BASE = /^\S+ :(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/
/** In these chains the order of services means nothing. */
const SHARED = /KUBE-(SERVICES|NODEPORTS|EXTERNAL-SERVICES|PROXY-FIREWALL)$/

/** Lines by chain: chains that are there, and rules in their order. */
function byChain(lines: readonly string[]): Record<string, readonly string[]> {
  const chains: Record<string, string[]> = {}
  for (const line of lines) {
    const [, table, chain] = /^(\S+) (?:-A |:)(\S+)/.exec(line)!
    const rules = (chains[`${table} ${chain}`] ??= [])
    if (line.includes(' -A ')) rules.push(line)
  }
  return Object.fromEntries(Object.entries(chains).map(([key, rules]) => [key, SHARED.test(key) ? rules.toSorted() : rules]))
}

/** What was seen besides what is always there. */
const more = (seen: SeenInIptables): SeenInIptables | undefined => (seen.about === nothing.about ? undefined : seen)

/** kube-proxy's lines. */
function theirLines(seen: SeenInIptables, family: IptablesFamily): readonly string[] {
  return [...nothing.rules[family], ...(more(seen)?.rules[family] ?? [])].filter((line) => !BASE.test(line))
}

/** Our lines for the same services. */
function ourLines(seen: SeenInIptables, family: IptablesFamily): readonly string[] {
  const services = [...nothing.services, ...(more(seen)?.services ?? [])]
  const healthCheckPorts = seen.rules[family].some((line) => line.includes('--dport 32104')) ? settings.healthCheckPorts : []
  const chains = chainsOf(family, { services, settings: { ...settings, healthCheckPorts }, node: EVERYWHERE })
  const lines = chains.flatMap((chain) => [
    `${chain.table} :${chain.chain}`,
    ...linesOf(family, chain).map((line) => `${chain.table} ${line}`)
  ])
  return lines.filter((line) => !BASE.test(line))
}

function likeOurs(lines: readonly string[]): readonly string[] {
  return lines
    .filter((line) => !ALL.some(({ theirs }) => theirs?.test(line)))
    .map((line) => ALL.reduce((text, { instead }) => (instead === undefined ? text : text.replace(...instead)), line))
}

describe('rules are those of kube-proxy, but for differences that are named', () => {
  it.each(cases.flatMap((seen) => FAMILIES.map((family) => ({ ...seen, family }))))('$name, $family', ({ family, ...seen }) => {
    const ours = ourLines(seen, family).filter((line) => !ALL.some((difference) => difference.ours?.test(line)))
    expect(byChain(ours)).toEqual(byChain(likeOurs(theirLines(seen, family))))
  })

  it.each(Object.entries(DIFFERENCES))('%s: the difference is there', (_, { theirs, ours, instead }) => {
    const all = cases.flatMap((seen) => FAMILIES.map((family) => [theirLines(seen, family), ourLines(seen, family)] as const))
    if (ours !== undefined) expect(all.some(([, lines]) => lines.some((line) => ours.test(line)))).toBe(true)
    for (const what of [theirs, instead?.[0]])
      if (what !== undefined) expect(all.some(([lines]) => lines.some((line) => what.test(line)))).toBe(true)
  })
})
