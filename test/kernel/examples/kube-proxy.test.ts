import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cases, closeServed, compareInAllCases, openServedByThem, outcomesAt, type Served } from './kube-proxy/compare.js'
import { MODES } from './kube-proxy/sides.js'

// IPVS is in few kernels, and needs a file of its own.
for (const mode of MODES) compareInAllCases(mode)

/** A part of kube-proxy's rules, a case that has it, and one thing that comes without it. */
const PARTS = [
  [
    'masquerade',
    'nodeport',
    /^ *meta mark set meta mark \| .*$/gm,
    'nodeport: outside to node tcp 10.250.0.11 30080',
    'far-c sees client, pod-a sees client, pod-b sees client'
  ],
  [
    'masquerade of pods that meet themselves',
    'external-ips',
    /^ *ct status dnat .* masquerade.*$/gm,
    'external-ips: itself to cluster tcp 10.96.1.9 80',
    'silence'
  ],
  [
    'source ranges',
    'lb-source-ranges',
    /^ *ct state new jump firewall-check$/gm,
    'lb-source-ranges: outside, another address to load balancer tcp 203.0.113.10 80',
    'far-c sees node, pod-a sees node, pod-b sees node'
  ],
  [
    'affinity',
    'affinity',
    /^ *ip saddr @affinity-\S+ goto .*$/gm,
    'affinity: many outside to cluster tcp 10.96.1.8 80',
    'far-c sees node, pod-a sees node, pod-b sees node, clients do not keep theirs, not as at the cluster address'
  ],
  [
    'unused ports',
    'clusterip-dual',
    /^ *ip6? daddr @cluster-ips reject$/gm,
    'clusterip-dual: pod elsewhere to cluster tcp 10.96.1.1 81',
    'silence'
  ]
] as const

describe('what is compared tells', () => {
  let theirs: Served | undefined
  beforeAll(async () => {
    theirs = await openServedByThem('nftables')
  })
  afterAll(() => closeServed(theirs))

  it.each(PARTS)('that %s is missing', async (_, name, part, probe, without) => {
    const whole = cases.find((one) => one.name === name)!
    const lacking = { ...whole, nftables: whole.nftables.replaceAll(part, '') }
    expect(lacking.nftables).not.toBe(whole.nftables)
    expect((await outcomesAt(theirs!, whole)).get(probe)).not.toBe(without)
    expect((await outcomesAt(theirs!, lacking)).get(probe)).toBe(without)
  })
})
