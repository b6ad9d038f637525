import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cases, closeServed, compareInAllCases, openServedByThem, outcomesAt, type Served } from './kube-proxy/compare.js'
import { DIFFERENCES } from './kube-proxy/differences.js'
import { MODES } from './kube-proxy/sides.js'

it('finds the differences that docs/proxy.md names', () => {
  const page = readFileSync(new URL('../../../docs/proxy.md', import.meta.url), 'utf8').replaceAll(/ +/g, ' ')
  const [table = ''] = page.split('| what | modes | why |')[1]?.split('\n\n') ?? []
  const rows = table.split('\n').slice(2)
  expect(rows).toEqual(DIFFERENCES.map(({ name, modes, reason }) => `| ${name} | ${modes.join(', ')} | ${reason} |`))
})

// IPVS is in few kernels, and needs a file of its own.
for (const mode of MODES) compareInAllCases(mode)

/** A part of kube-proxy's rules, a case that has it, and what comes of one of its probes without it. */
const PARTS = [
  {
    part: 'masquerade',
    name: 'nodeport',
    rules: /^ *meta mark set meta mark \| .*$/gm,
    probe: 'nodeport: outside to node tcp 10.250.0.11 30080',
    without: /^far-c sees client, pod-a sees client, pod-b sees client$/
  },
  {
    part: 'masquerade of pods that meet themselves',
    name: 'external-ips',
    rules: /^ *ct status dnat .* masquerade.*$/gm,
    probe: 'external-ips: itself to cluster tcp 10.96.1.9 80',
    // Others may have answered before.
    without: /\bsilence$/
  },
  {
    part: 'source ranges',
    name: 'lb-source-ranges',
    rules: /^ *ct state new jump firewall-check$/gm,
    probe: 'lb-source-ranges: outside, another address to load balancer tcp 203.0.113.10 80',
    without: /^far-c sees node, pod-a sees node, pod-b sees node$/
  },
  {
    part: 'affinity',
    name: 'affinity',
    rules: /^ *ip saddr @affinity-\S+ goto .*$/gm,
    probe: 'affinity: many outside to cluster tcp 10.96.1.8 80',
    without: /, clients do not keep theirs,/
  },
  {
    part: 'ports that cluster addresses do not have',
    name: 'clusterip-dual',
    rules: /^ *ip6? daddr @cluster-ips reject$/gm,
    probe: 'clusterip-dual: pod elsewhere to cluster tcp 10.96.1.1 81',
    without: /^silence$/
  }
] as const

describe('what is compared tells', () => {
  let theirs: Served | undefined
  beforeAll(async () => {
    theirs = await openServedByThem('nftables')
  })
  afterAll(() => closeServed(theirs))

  it.each(PARTS.map((one) => [one.part, one] as const))('that kube-proxy lacks %s', async (_, { name, rules, probe, without }) => {
    const whole = cases.find((one) => one.name === name)!
    const lacking = { ...whole, nftables: whole.nftables.replaceAll(rules, '') }
    expect(lacking.nftables).not.toBe(whole.nftables)
    expect((await outcomesAt(theirs!, whole)).get(probe)).not.toMatch(without)
    expect((await outcomesAt(theirs!, lacking)).get(probe)).toMatch(without)
  })
})
