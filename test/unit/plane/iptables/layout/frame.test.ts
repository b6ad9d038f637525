import { describe, expect, it } from 'vitest'
import { requireRanges } from '../../../../../src/plane/core/ranges.js'
import { frameOf } from '../../../../../src/plane/iptables/layout/frame.js'
import { isServiceChain } from '../../../../../src/plane/iptables/layout/names.js'
import type { LayoutSettings, NodePlaces } from '../../../../../src/plane/iptables/layout/settings.js'
import { EVERYWHERE, linesFrom, PLAIN } from '../../../../support/iptables-layout.js'

const lines = (
  chain: string,
  settings: Partial<LayoutSettings> = {},
  node: NodePlaces = EVERYWHERE,
  family: 'ip' | 'ip6' = 'ip'
): string[] => linesFrom(chain, family, { services: [], settings: { ...PLAIN, ...settings }, node })
const NODE_PORTS = '"kubernetes service nodeports; NOTE: this must be the last rule in this chain"'

describe('ports of this node', () => {
  it('are served at all its addresses but those of loopback', () => {
    expect(lines('nat -A KUBE-SERVICES')).toEqual([
      `! -d 127.0.0.0/8 -m comment --comment ${NODE_PORTS} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`
    ])
    expect(lines('nat -A KUBE-SERVICES', {}, EVERYWHERE, 'ip6')).toEqual([
      `! -d ::1/128 -m comment --comment ${NODE_PORTS} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`
    ])
  })

  it('are served at those that are named', () => {
    const node = { ip: ['192.0.2.1', '192.0.2.2'], ip6: [] }
    expect(lines('nat -A KUBE-SERVICES', {}, node)).toEqual([
      `-d 192.0.2.1/32 -m comment --comment ${NODE_PORTS} -j KUBE-NODEPORTS`,
      `-d 192.0.2.2/32 -m comment --comment ${NODE_PORTS} -j KUBE-NODEPORTS`
    ])
    expect(lines('nat -A KUBE-SERVICES', {}, node, 'ip6')).toEqual([])
  })

  it('are kept from others at loopback addresses', () => {
    const settings = { loopbackNodePorts: true }
    expect(lines('nat -A KUBE-SERVICES', settings)).toEqual([
      `-m comment --comment ${NODE_PORTS} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`
    ])
    expect(lines('filter -A KUBE-LOCALNET', settings)).toEqual([
      '-s 127.0.0.0/8 ! -i lo -j DROP',
      '-d 127.0.0.0/8 ! -i lo -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP',
      '! -i lo -m conntrack --ctorigdst 127.0.0.0/8 --ctdir ORIGINAL -j DROP'
    ])
    for (const chain of ['INPUT', 'FORWARD'])
      expect(lines(`filter -A ${chain}`, settings)[0]).toBe('-m comment --comment "block incoming localnet connections" -j KUBE-LOCALNET')
    expect(lines('filter -A KUBE-LOCALNET', settings, EVERYWHERE, 'ip6')).toEqual([])
    expect(lines('filter -A INPUT').join()).not.toContain('KUBE-LOCALNET')
  })
})

describe('a source address of this node', () => {
  it('is that of the link, or the one that is given', () => {
    const text = '-m comment --comment "kubernetes service traffic requiring SNAT"'
    const masqueradeAddress = { ip: '192.0.2.1' }
    expect(lines('nat -A KUBE-POSTROUTING').at(-1)).toBe(`${text} -j MASQUERADE --random-fully`)
    expect(lines('nat -A KUBE-POSTROUTING', { masqueradeAddress }).at(-1)).toBe(`${text} -j SNAT --to-source 192.0.2.1 --random-fully`)
    expect(lines('nat -A KUBE-POSTROUTING', { masqueradeAddress }, EVERYWHERE, 'ip6').at(-1)).toBe(`${text} -j MASQUERADE --random-fully`)
  })

  it('is for packets with the bit that is given', () => {
    const masqueradeMark = 0x8000_0000
    expect(lines('nat -A KUBE-MARK-MASQ', { masqueradeMark })).toEqual(['-j MARK --set-xmark 0x80000000/0x80000000'])
    expect(lines('nat -A KUBE-POSTROUTING', { masqueradeMark }).slice(0, 2)).toEqual([
      '-m mark ! --mark 0x80000000/0x80000000 -j RETURN',
      '-j MARK --set-xmark 0x80000000/0x0'
    ])
    expect(lines('filter -A KUBE-FORWARD', { masqueradeMark })[0]).toContain('--mark 0x80000000/0x80000000 -j ACCEPT')
  })

  it('is for clients from outside of several prefixes', () => {
    const localSources = {
      by: 'prefixes',
      ranges: requireRanges('', ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24', '10.9.0.0/16'])
    } as const
    expect(lines('nat -A KUBE-MARK-NONLOCAL', { masquerade: 'nonLocal', localSources })).toEqual([
      '-s 10.0.0.0/23 -j RETURN',
      '-s 10.0.2.0/24 -j RETURN',
      '-s 10.9.0.0/16 -j RETURN',
      '-j KUBE-MARK-MASQ'
    ])
    expect(lines('nat -A KUBE-MARK-NONLOCAL', { masquerade: 'all', localSources })).toEqual([])
  })
})

it('drops invalid packets where it is told to', () => {
  expect(lines('filter -A KUBE-FORWARD').join()).not.toContain('INVALID')
  expect(lines('filter -A KUBE-FORWARD', { dropInvalid: true })[0]).toBe('-m conntrack --ctstate INVALID -j DROP')
})

it('lets health checks in', () => {
  const healthCheckPorts = [
    { from: 31_000, to: 31_000 },
    { from: 32_000, to: 32_099 }
  ]
  const text = '-p tcp -m comment --comment "health check node port" -m tcp'
  expect(lines('filter -A KUBE-NODEPORTS', { healthCheckPorts })).toEqual([
    `${text} --dport 31000 -j ACCEPT`,
    `${text} --dport 32000:32099 -j ACCEPT`
  ])
  expect(lines('filter -A INPUT')).toContain('-m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS')
})

it('refuses ports that cluster addresses do not have before it drops the rest of their ranges', () => {
  const serviceRanges = requireRanges('', ['10.96.0.0/16', 'fd00:96::/112'])
  const isNot = '-m conntrack ! --ctstate DNAT'
  const others = `-m comment --comment "ports that cluster IPs do not have" ${isNot} -j KUBE-CLUSTER-IPS`
  expect(lines('filter -A KUBE-SERVICES')).toEqual([others])
  expect(lines('filter -A KUBE-SERVICES', { serviceRanges })).toEqual([
    others,
    `-d 10.96.0.0/16 -m comment --comment "no service has this address" ${isNot} -j DROP`
  ])
  expect(lines('filter -A KUBE-SERVICES', { serviceRanges }, EVERYWHERE, 'ip6').at(-1)).toContain('-d fd00:96::/112')
})

it('says in both tables whose the chains are', () => {
  for (const table of ['nat', 'filter'])
    expect(lines(`${table} -A KUBE-NETPLANE`)).toEqual(['-m comment --comment "netplane services, layout 1"'])
})

it('has every chain once, under a name by which it is known again, and jumps to none that it has not', () => {
  const settings: LayoutSettings = {
    ...PLAIN,
    masquerade: 'nonLocal',
    localSources: { by: 'prefixes', ranges: requireRanges('', ['10.0.0.0/24', '10.2.0.0/24']) },
    loopbackNodePorts: true
  }
  const { chains, shared, jumps } = frameOf('ip', settings, EVERYWHERE)
  const keys = [...chains, ...shared].map(({ table, chain }) => `${table} ${chain}`)
  expect(new Set(keys).size).toBe(keys.length)
  expect([...chains, ...shared].filter(({ table, chain }) => !isServiceChain(table, chain))).toEqual([])
  const targets = [...chains, ...shared, ...jumps].flatMap(({ table, rules }) =>
    rules.flatMap(({ target }) => (typeof target === 'object' && 'jump' in target ? [`${table} ${target.jump}`] : []))
  )
  expect(targets.filter((key) => !keys.includes(key))).toEqual([])
  expect(targets.length).toBeGreaterThan(15)
})
