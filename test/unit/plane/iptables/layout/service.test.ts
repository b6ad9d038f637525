import { describe, expect, it } from 'vitest'
import { requireRanges } from '../../../../../src/plane/core/ranges.js'
import { serviceChain } from '../../../../../src/plane/iptables/layout/names.js'
import { serviceRules } from '../../../../../src/plane/iptables/layout/service.js'
import type { LayoutSettings } from '../../../../../src/plane/iptables/layout/settings.js'
import type { Endpoint, Frontend, Service } from '../../../../../src/plane/model.js'
import { EVERYWHERE, linesFrom, linesIn, PLAIN } from '../../../../support/iptables-layout.js'

const HERE: Endpoint = { address: '10.1.0.1', port: 8080, local: true }
const THERE: Endpoint = { address: '10.1.1.2', port: 8080 }
const CLUSTER: Frontend = { kind: 'cluster', address: '10.96.0.1', port: 80 }
const EXTERNAL: Frontend = { kind: 'external', address: '203.0.113.1', port: 80 }
const BALANCER: Frontend = { kind: 'loadBalancer', address: '203.0.113.2', port: 80 }
const NODE: Frontend = { kind: 'node', port: 30_080, family: 'ip' }

const serviceOf = (more: Partial<Service> = {}): Service => ({
  name: 'shop/web:http',
  protocol: 'tcp',
  frontends: [CLUSTER],
  endpoints: [HERE, THERE],
  ...more
})
const local = <Of extends Frontend>(frontend: Of): Of => ({ ...frontend, trafficPolicy: 'local' })
const [svc, svl, ext, exl, fw] = (['cluster', 'local', 'external', 'externalLocal', 'sources'] as const).map((kind) =>
  serviceChain(kind, serviceOf())
) as [string, string, string, string, string]
const sep = (text: string): string => serviceChain('endpoint', serviceOf(), text)

const layout = (more: Partial<Service> = {}, settings: Partial<LayoutSettings> = {}) => ({
  services: [serviceOf(more)],
  settings: { ...PLAIN, ...settings }
})
const prefixes = (...given: string[]): LayoutSettings['localSources'] => ({ by: 'prefixes', ranges: requireRanges('', given) })
const REJECT = '-j REJECT --reject-with icmp-port-unreachable'

/** Chains of the service that there are. */
const chainsOf = (given: ReturnType<typeof layout>): string[] =>
  serviceRules(given.services[0]!, given.settings, EVERYWHERE).flatMap(({ chains }) => chains.map(({ chain }) => chain))

describe('endpoints', () => {
  it('take parts of what those before them have left, by weight', () => {
    const endpoints = [
      { address: '10.1.0.3', port: 80, weight: 50 },
      { address: '10.1.0.1', port: 80, weight: 10 },
      { address: '10.1.0.2', port: 80, weight: 40 },
      { address: '10.1.0.4', port: 80, weight: 0 }
    ]
    expect(linesFrom(`nat -A ${svc}`, 'ip', layout({ endpoints }))).toEqual([
      `-m comment --comment "shop/web:http -> 10.1.0.1:80" -m statistic --mode random --probability 0.10000000009 -j ${sep('10.1.0.1:80')}`,
      `-m comment --comment "shop/web:http -> 10.1.0.2:80" -m statistic --mode random --probability 0.44444444450 -j ${sep('10.1.0.2:80')}`,
      `-m comment --comment "shop/web:http -> 10.1.0.3:80" -j ${sep('10.1.0.3:80')}`
    ])
  })

  it('have as much of all connections as their weights say', () => {
    const weights = [1, 16_000, 3, 17, 363]
    const endpoints = weights.map((weight, at) => ({ address: `10.1.0.${at + 1}`, port: 80, weight }))
    const chances = linesFrom(`nat -A ${svc}`, 'ip', layout({ endpoints })).map((line) =>
      Number(/--probability (\S+)/.exec(line)?.[1] ?? 1)
    )
    let left = 1
    const parts = chances.map((chance) => {
      const part = left * chance
      left -= part
      return part
    })
    weights.forEach((weight, at) => expect(parts[at]).toBeCloseTo(weight / 16_384, 8))
  })

  it('do not depend on the order in which they are given', () => {
    const endpoints = [THERE, HERE]
    expect(linesIn('ip', layout({ endpoints }))).toEqual(linesIn('ip', layout()))
  })

  it('that drain are gone, and those that serve take connections where none is ready', () => {
    const serving = { ...HERE, state: 'serving' as const }
    const draining = { ...THERE, state: 'draining' as const }
    expect(chainsOf(layout({ endpoints: [serving, draining] }))).toEqual([svc, sep('10.1.0.1:8080')])
    expect(chainsOf(layout({ endpoints: [serving, THERE] }))).toEqual([svc, sep('10.1.1.2:8080')])
  })

  it('are chosen under one policy alone where they say so', () => {
    const endpoints: Endpoint[] = [
      { ...HERE, side: 'local' },
      { address: '10.1.0.2', port: 8080, local: true, side: 'cluster' }
    ]
    const frontends = [CLUSTER, local({ ...CLUSTER, port: 81 })]
    const chains = [svc, svl].map((chain) => linesFrom(`nat -A ${chain}`, 'ip', layout({ endpoints, frontends })).join())
    expect(chains[0]).toContain('10.1.0.2:8080')
    expect(chains[0]).not.toContain('10.1.0.1:8080')
    expect(chains[1]).toContain('10.1.0.1:8080')
    expect(chains[1]).not.toContain('10.1.0.2:8080')
  })

  it('remember their clients, for policy local too', () => {
    const endpoints = [HERE]
    const frontends = [CLUSTER, local({ ...CLUSTER, port: 81 })]
    const given = layout({ endpoints, frontends, affinity: { timeoutSeconds: 600 } })
    const name = sep('10.1.0.1:8080')
    const known = `-m comment --comment "shop/web:http -> 10.1.0.1:8080" -m recent --rcheck --seconds 600 --reap --name ${name} --mask 255.255.255.255 --rsource -j ${name}`
    const chosen = `-m comment --comment "shop/web:http -> 10.1.0.1:8080" -j ${name}`
    expect(linesFrom(`nat -A ${svc}`, 'ip', given)).toEqual([known, chosen])
    expect(linesFrom(`nat -A ${svl}`, 'ip', given)).toEqual([known, chosen])
    expect(linesFrom(`nat -A ${name}`, 'ip', given)).toEqual([
      '-s 10.1.0.1/32 -m comment --comment "shop/web:http" -j KUBE-MARK-MASQ',
      `-p tcp -m comment --comment "shop/web:http" -m recent --set --name ${name} --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.1.0.1:8080`
    ])
  })
})

describe('whose clients at cluster addresses come back to this node', () => {
  const marked = (settings: Partial<LayoutSettings>, more: Partial<Service> = {}): string[] =>
    linesFrom(`nat -A ${svc}`, 'ip', layout(more, settings)).filter((line) => !line.includes('->'))
  const to = '-d 10.96.0.1/32 -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80'

  it.each<[string, Partial<LayoutSettings>, string[]]>([
    ['of nobody', { masquerade: 'never', localSources: prefixes('10.1.0.0/16') }, []],
    ['of everybody', { masquerade: 'all', localSources: prefixes('10.1.0.0/16') }, [`${to} -j KUBE-MARK-MASQ`]],
    ['those of no local client, where nobody is one', { masquerade: 'nonLocal' }, [`${to} -j KUBE-MARK-MASQ`]],
    [
      'those from outside of a prefix',
      { masquerade: 'nonLocal', localSources: prefixes('10.1.0.0/16') },
      [`! -s 10.1.0.0/16 ${to} -j KUBE-MARK-MASQ`]
    ],
    [
      'those from outside of prefixes',
      { masquerade: 'nonLocal', localSources: prefixes('10.1.0.0/16', '10.3.0.0/16') },
      [`${to} -j KUBE-MARK-NONLOCAL`]
    ],
    [
      'those from outside, where the prefixes are of the other family',
      { masquerade: 'nonLocal', localSources: prefixes('fd00::/64') },
      [`${to} -j KUBE-MARK-MASQ`]
    ],
    ['those from outside, where nobody is', { masquerade: 'nonLocal', localSources: prefixes('0.0.0.0/0') }, []],
    [
      'those that come by another link',
      { masquerade: 'nonLocal', localSources: { by: 'interface', name: 'cni0', isPrefix: false } },
      [`${to.replace('-p', '! -i cni0 -p')} -j KUBE-MARK-MASQ`]
    ],
    [
      'those that come by links of another name',
      { masquerade: 'nonLocal', localSources: { by: 'interface', name: 'cali', isPrefix: true } },
      [`${to.replace('-p', '! -i cali+ -p')} -j KUBE-MARK-MASQ`]
    ]
  ])('%s', (_, settings, lines) => {
    expect(marked(settings)).toEqual(lines)
  })

  it('those of each address, but not of those with policy local', () => {
    const frontends: Frontend[] = [CLUSTER, { ...CLUSTER, port: 81 }, local({ ...CLUSTER, port: 82 }), EXTERNAL]
    expect(marked({ masquerade: 'all' }, { frontends }).map((line) => /--dport (\d+)/.exec(line)?.[1])).toEqual(['80', '81'])
    expect(linesFrom(`nat -A ${svl}`, 'ip', layout({ frontends }, { masquerade: 'all' })).join()).not.toContain('KUBE-MARK-MASQ')
  })
})

describe('frontends of kind cluster', () => {
  it.each<[string, Partial<Service>, string[], string[]]>([
    ['lead to all endpoints', {}, [`"shop/web:http cluster IP" -m tcp --dport 80 -j ${svc}`], []],
    ['lead to those of this node', { frontends: [local(CLUSTER)] }, [`"shop/web:http cluster IP" -m tcp --dport 80 -j ${svl}`], []],
    [
      'drop where none is on this node',
      { frontends: [local(CLUSTER)], endpoints: [THERE] },
      [],
      ['"shop/web:http has no local endpoints" -m tcp --dport 80 -j DROP']
    ],
    ['refuse where there is none', { endpoints: [] }, [], [`"shop/web:http has no endpoints" -m tcp --dport 80 ${REJECT}`]],
    [
      'refuse where there is none, with policy local, too',
      { frontends: [local(CLUSTER)], endpoints: [] },
      [],
      [`"shop/web:http has no endpoints" -m tcp --dport 80 ${REJECT}`]
    ]
  ])('%s', (_, more, nat, filter) => {
    const to = '-d 10.96.0.1/32 -p tcp -m comment --comment '
    const of = (table: string): string[] =>
      linesFrom(`${table} -A KUBE-SERVICES`, 'ip', layout(more)).filter((line) => line.includes('shop/web'))
    expect(of('nat')).toEqual(nat.map((line) => to + line))
    expect(of('filter')).toEqual(filter.map((line) => to + line))
  })

  it('refuse their other ports, once for each address', () => {
    const frontends: Frontend[] = [CLUSTER, { ...CLUSTER, port: 81 }, { ...CLUSTER, address: 'fd00:96::1' }]
    expect(linesFrom('filter -A KUBE-CLUSTER-IPS', 'ip', layout({ frontends }))).toEqual([
      `-d 10.96.0.1/32 -m comment --comment "shop/web:http cluster IP, other ports" ${REJECT}`
    ])
    expect(linesFrom('filter -A KUBE-CLUSTER-IPS', 'ip6', layout({ frontends }))).toEqual([
      '-d fd00:96::1/128 -m comment --comment "shop/web:http cluster IP, other ports" -j REJECT --reject-with icmp6-port-unreachable'
    ])
  })
})

describe('frontends that clients from outside may ask', () => {
  const localSources = prefixes('10.1.0.0/16', '10.3.0.0/24')
  const from = (chain: string, more: Partial<Service>, settings: Partial<LayoutSettings> = {}): string[] =>
    linesFrom(`nat -A ${chain}`, 'ip', layout(more, { localSources, ...settings }))
  const refusals = (more: Partial<Service>): string[] => linesFrom('filter -A KUBE-EXTERNAL-SERVICES', 'ip', layout(more, { localSources }))
  const circuit = [
    `-s 10.1.0.0/16 -m comment --comment "pod traffic for shop/web:http external destinations" -j ${svc}`,
    `-s 10.3.0.0/24 -m comment --comment "pod traffic for shop/web:http external destinations" -j ${svc}`,
    '-m comment --comment "masquerade LOCAL traffic for shop/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ',
    `-m comment --comment "route LOCAL traffic for shop/web:http external destinations" -m addrtype --src-type LOCAL -j ${svc}`
  ]

  it('bring everybody back to this node under policy cluster', () => {
    expect(from(ext, { frontends: [EXTERNAL] }, { masquerade: 'never' })).toEqual([
      '-m comment --comment "masquerade traffic for shop/web:http external destinations" -j KUBE-MARK-MASQ',
      `-j ${svc}`
    ])
    expect(refusals({ frontends: [EXTERNAL] })).toEqual([])
  })

  it('lead those inside to all endpoints under policy local', () => {
    expect(from(ext, { frontends: [local(EXTERNAL)] })).toEqual([...circuit, `-j ${svl}`])
    expect(refusals({ frontends: [local(EXTERNAL)] })).toEqual([])
  })

  it('drop clients from outside where no endpoint is on this node', () => {
    const more = { frontends: [local(EXTERNAL)], endpoints: [THERE] }
    expect(from(ext, more)).toEqual(circuit)
    expect(refusals(more)).toEqual([
      '-d 203.0.113.1/32 -p tcp -m comment --comment "shop/web:http has no local endpoints" -m tcp --dport 80 -j DROP'
    ])
  })

  it('refuse those inside where all endpoints are for clients from outside', () => {
    const more: Partial<Service> = { frontends: [local(EXTERNAL)], endpoints: [{ ...HERE, side: 'local' }] }
    const about = '-m comment --comment "shop/web:http has no endpoints for clients inside"'
    expect(from(ext, more)).toEqual([
      `-s 10.1.0.0/16 ${about} -j RETURN`,
      `-s 10.3.0.0/24 ${about} -j RETURN`,
      `${about} -m addrtype --src-type LOCAL -j RETURN`,
      `-j ${svl}`
    ])
    expect(refusals(more)).toEqual([
      `-d 203.0.113.1/32 -p tcp -m comment --comment "shop/web:http has no endpoints" -m tcp --dport 80 ${REJECT}`
    ])
  })

  it('have a chain for each policy where they have different ones', () => {
    const more = { frontends: [EXTERNAL, local(BALANCER), local(NODE)] }
    expect(from(ext, more)).toEqual([expect.stringContaining('masquerade traffic'), `-j ${svc}`])
    expect(from(exl, more)).toEqual([...circuit, `-j ${svl}`])
    expect(from('KUBE-SERVICES', more).slice(0, 2)).toEqual([
      `-d 203.0.113.1/32 -p tcp -m comment --comment "shop/web:http external IP" -m tcp --dport 80 -j ${ext}`,
      `-d 203.0.113.2/32 -p tcp -m comment --comment "shop/web:http loadbalancer IP" -m tcp --dport 80 -j ${exl}`
    ])
    expect(from('KUBE-NODEPORTS', more)).toEqual([`-p tcp -m comment --comment "shop/web:http" -m tcp --dport 30080 -j ${exl}`])
  })

  it('leave packets as they are for good where their address may be one of this node, whose ports come after', () => {
    const ownAddresses = 'serve'
    const gone = { frontends: [local(EXTERNAL)], endpoints: [THERE] }
    expect(from(ext, gone, { ownAddresses })).toEqual([...circuit, '-m comment --comment "shop/web:http has no local endpoints" -j ACCEPT'])
    const to = '-d 203.0.113.1/32 -p tcp -m comment --comment "shop/web:http has no endpoints" -m tcp --dport 80'
    expect(from('KUBE-SERVICES', { frontends: [EXTERNAL], endpoints: [] }, { ownAddresses })).toContain(`${to} -j ACCEPT`)
    expect(from('KUBE-SERVICES', { frontends: [EXTERNAL], endpoints: [] }).join()).not.toContain('shop/web')
    const inside: Partial<Service> = { frontends: [local(EXTERNAL)], endpoints: [{ ...HERE, side: 'local' }] }
    expect(from(ext, inside, { ownAddresses }).filter((line) => line.endsWith('-j ACCEPT'))).toHaveLength(3)
  })
})

describe('frontends of kind node', () => {
  const of = (endpoints: readonly Endpoint[], node = EVERYWHERE, settings: Partial<LayoutSettings> = {}): string[] =>
    linesFrom('filter -A KUBE-EXTERNAL-SERVICES', 'ip', { ...layout({ frontends: [NODE], endpoints }, settings), node })

  it('are refused without endpoints at all addresses of this node but those of loopback', () => {
    const text = '-m comment --comment "shop/web:http has no endpoints"'
    const port = '-m tcp --dport 30080'
    expect(of([])).toEqual([`! -d 127.0.0.0/8 -p tcp ${text} -m addrtype --dst-type LOCAL ${port} ${REJECT}`])
    expect(of([], EVERYWHERE, { loopbackNodePorts: true })).toEqual([`-p tcp ${text} -m addrtype --dst-type LOCAL ${port} ${REJECT}`])
    expect(of([], { ip: ['192.0.2.1', '192.0.2.2'], ip6: [] })).toEqual([
      `-d 192.0.2.1/32 -p tcp ${text} ${port} ${REJECT}`,
      `-d 192.0.2.2/32 -p tcp ${text} ${port} ${REJECT}`
    ])
    expect(of([], { ip: [], ip6: ['fd00::1'] })).toEqual([])
  })

  it('of both families have rules in both', () => {
    const given = layout({ frontends: [{ kind: 'node', port: 30_080 }] })
    expect(serviceRules(given.services[0]!, given.settings, EVERYWHERE).map(({ family }) => family)).toEqual(['ip', 'ip6'])
    expect(linesFrom('nat -A KUBE-NODEPORTS', 'ip', given)).toHaveLength(1)
    expect(linesFrom('nat -A KUBE-NODEPORTS', 'ip6', given)).toEqual([])
    expect(linesFrom('filter -A KUBE-EXTERNAL-SERVICES', 'ip6', given)).toEqual([
      '! -d ::1/128 -p tcp -m comment --comment "shop/web:http has no endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j REJECT --reject-with icmp6-port-unreachable'
    ])
  })
})

describe('frontends that do not take everybody', () => {
  const ranged = (allow?: string[], deny?: string[]): Frontend => ({ ...BALANCER, sourceRanges: { allow, deny } })
  const lines = (chain: string, more: Partial<Service>, settings: Partial<LayoutSettings> = {}): string[] =>
    linesFrom(chain, 'ip', layout(more, settings))
  const DROPPED = `-d 203.0.113.2/32 -p tcp -m comment --comment "shop/web:http traffic not accepted by ${fw}" -m tcp --dport 80`

  it('deny some, and take others', () => {
    const frontends = [ranged(['192.0.2.0/24', '198.51.100.7'], ['192.0.2.8/29'])]
    expect(lines('nat -A KUBE-SERVICES', { frontends })[0]).toBe(
      `-d 203.0.113.2/32 -p tcp -m comment --comment "shop/web:http loadbalancer IP" -m tcp --dport 80 -j ${fw}`
    )
    expect(lines(`nat -A ${fw}`, { frontends })).toEqual([
      '-s 192.0.2.8/29 -m comment --comment "shop/web:http denied" -j RETURN',
      `-s 192.0.2.0/24 -m comment --comment "shop/web:http loadbalancer IP" -j ${ext}`,
      `-s 198.51.100.7/32 -m comment --comment "shop/web:http loadbalancer IP" -j ${ext}`,
      '-m comment --comment "other traffic to shop/web:http will be dropped by KUBE-PROXY-FIREWALL"'
    ])
    expect(lines('filter -A KUBE-PROXY-FIREWALL', { frontends })).toEqual([`${DROPPED} -j DROP`])
  })

  it('deny some, and take all others', () => {
    const frontends = [ranged(undefined, ['192.0.2.8/29'])]
    expect(lines(`nat -A ${fw}`, { frontends })).toEqual([
      '-s 192.0.2.8/29 -m comment --comment "shop/web:http denied" -j RETURN',
      `-m comment --comment "shop/web:http loadbalancer IP" -j ${ext}`
    ])
  })

  it('that deny nobody take everybody', () => {
    const frontends = [ranged(undefined, [])]
    expect(lines('nat -A KUBE-SERVICES', { frontends })[0]).toContain(`-j ${ext}`)
    expect(lines('filter -A KUBE-PROXY-FIREWALL', { frontends })).toEqual([])
  })

  it('drop others and refuse those that they take, where there is no endpoint', () => {
    const more = { frontends: [ranged(['192.0.2.0/24'], ['192.0.2.8/29'])], endpoints: [] }
    expect(lines(`nat -A ${fw}`, more)).toEqual([])
    expect(lines('filter -A KUBE-PROXY-FIREWALL', more)).toEqual([`${DROPPED} -j ${fw}`])
    expect(lines(`filter -A ${fw}`, more)).toEqual([
      '-s 192.0.2.8/29 -m comment --comment "shop/web:http denied" -j DROP',
      '-s 192.0.2.0/24 -m comment --comment "shop/web:http loadbalancer IP" -j RETURN',
      '-m comment --comment "shop/web:http not allowed" -j DROP'
    ])
    expect(lines('filter -A KUBE-EXTERNAL-SERVICES', more)).toEqual([
      `-d 203.0.113.2/32 -p tcp -m comment --comment "shop/web:http has no endpoints" -m tcp --dport 80 ${REJECT}`
    ])
  })

  it('leave packets as they are for good where their address may be one of this node', () => {
    const frontends = [ranged(['192.0.2.0/24'], ['192.0.2.8/29'])]
    const targets = lines(`nat -A ${fw}`, { frontends }, { ownAddresses: 'serve' }).map((line) => line.replace(/.* -j /, ''))
    expect(targets).toEqual(['ACCEPT', ext, 'ACCEPT'])
  })

  it('have a chain each where they do not take the same clients', () => {
    const same: Frontend = { ...BALANCER, port: 81, sourceRanges: { allow: ['192.0.2.0/24'] } }
    const other: Frontend = { ...BALANCER, port: 82, sourceRanges: { allow: ['198.51.100.0/24'] } }
    const chainsBy = (...frontends: Frontend[]): string[] =>
      lines('nat -A KUBE-SERVICES', { frontends }).flatMap((line) => /-j (KUBE-FW-\S+)/.exec(line)?.[1] ?? [])
    expect(chainsBy(ranged(['192.0.2.0/24']), same)).toEqual([fw, fw])
    const [first, second, third] = chainsBy(ranged(['192.0.2.0/24']), same, other)
    expect(second).toBe(first)
    expect(new Set([fw, first, third]).size).toBe(3)
    expect(chainsBy(ranged(['192.0.2.0/24']), local(same))[0]).not.toBe(fw)
  })
})

describe('names', () => {
  it('are cut where a comment has no room for them, between characters', () => {
    const name = `shop/${'ä'.repeat(125)}`
    const texts = linesIn('ip', layout({ name, frontends: [EXTERNAL] })).flatMap((line) => /--comment "([^"]*)"/.exec(line)?.[1] ?? [])
    const longest = Math.max(...texts.map((text) => Buffer.byteLength(text)))
    expect(longest).toBeGreaterThan(253)
    expect(longest).toBeLessThanOrEqual(255)
    expect(texts.some((text) => text.includes('\ufffd'))).toBe(false)
  })
})

it.each(['tcp', 'udp', 'sctp'] as const)('protocol %s is asked for wherever ports are', (protocol) => {
  const lines = linesIn('ip', layout({ protocol, frontends: [CLUSTER, EXTERNAL, BALANCER, NODE] })).filter(
    (line) => line.includes('shop/web') && line.includes('--dport')
  )
  expect(lines.length).toBeGreaterThan(3)
  expect(lines.every((line) => line.includes(`-p ${protocol} `) && line.includes(`-m ${protocol} --dport`))).toBe(true)
})

it('families have endpoints of their own', () => {
  const frontends: Frontend[] = [CLUSTER, { kind: 'cluster', address: 'fd00:96::1', port: 80 }]
  const endpoints: Endpoint[] = [HERE, { address: 'FD00:1::0:1', port: 8080 }]
  const given = layout({ frontends, endpoints })
  expect(linesFrom(`nat -A ${svc}`, 'ip6', given)).toEqual([
    `-m comment --comment "shop/web:http -> [fd00:1::1]:8080" -j ${sep('[fd00:1::1]:8080')}`
  ])
  expect(linesFrom(`nat -A ${sep('[fd00:1::1]:8080')}`, 'ip6', given)).toEqual([
    '-s fd00:1::1/128 -m comment --comment "shop/web:http" -j KUBE-MARK-MASQ',
    '-p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination [fd00:1::1]:8080'
  ])
  expect(linesFrom(`nat -A ${svc}`, 'ip', given).join()).not.toContain('fd00')
})
