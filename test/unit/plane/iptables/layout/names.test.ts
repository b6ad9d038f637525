import { expect, it } from 'vitest'
import { CHAIN, endpointText, isServiceChain, serviceChain } from '../../../../../src/plane/iptables/layout/names.js'

const service = { name: 'gold/dual:http', protocol: 'tcp' } as const

it('names chains as kube-proxy does', () => {
  expect(serviceChain('cluster', service)).toBe('KUBE-SVC-K5NHKNO7ZO5DWX6H')
  expect(serviceChain('endpoint', service, '10.244.0.11:8080')).toBe('KUBE-SEP-IRXKP3RSMVPDDUBD')
  expect(serviceChain('cluster', { name: 'gold/dual:dns', protocol: 'udp' })).toBe('KUBE-SVC-XINBQ7YZGK2P6VYR')
})

it('has a name for each kind, protocol and addition', () => {
  const kinds = ['cluster', 'local', 'external', 'externalLocal', 'sources', 'endpoint'] as const
  const names = kinds.flatMap((kind) => [
    serviceChain(kind, service),
    serviceChain(kind, { ...service, protocol: 'udp' }),
    serviceChain(kind, service, 'more')
  ])
  expect(new Set(names).size).toBe(18)
  expect(names.every((name) => isServiceChain('nat', name) && name.length <= 28)).toBe(true)
})

it('writes endpoints in one way, however their addresses are spelt', () => {
  expect(endpointText({ address: '10.1.0.7', port: 80 })).toBe('10.1.0.7:80')
  expect(endpointText({ address: 'FD00:0::7', port: 80 })).toBe('[fd00::7]:80')
})

it.each([
  ['nat', 'KUBE-SERVICES', true],
  ['nat', 'KUBE-MARK-NONLOCAL', true],
  ['filter', 'KUBE-MARK-NONLOCAL', false],
  ['filter', 'KUBE-LOCALNET', true],
  ['nat', 'KUBE-NETPLANE', true],
  ['filter', 'KUBE-NETPLANE', true],
  ['mangle', 'KUBE-NETPLANE', false],
  ['nat', 'KUBE-SVC-K5NHKNO7ZO5DWX6H', true],
  ['nat', 'KUBE-SVC-K5NHKNO7ZO5DWX61', false],
  ['nat', 'KUBE-SVC-K5NHKNO7ZO5DWX6HA', false],
  ['nat', 'MY-KUBE-SVC-K5NHKNO7ZO5DWX6H', false],
  ['filter', 'KUBE-FIREWALL', false],
  ['nat', 'KUBE-MARK-DROP', false],
  ['nat', 'KUBE-KUBELET-CANARY', false],
  ['mangle', 'KUBE-IPTABLES-HINT', false],
  ['nat', 'PREROUTING', false]
] as const)('table %s, chain %s: one of services %s', (table, name, isOne) => {
  expect(isServiceChain(table, name)).toBe(isOne)
})

it('has every fixed chain in some table', () => {
  for (const name of Object.values(CHAIN)) expect(isServiceChain('nat', name) || isServiceChain('filter', name), name).toBe(true)
})
