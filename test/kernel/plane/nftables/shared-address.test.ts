import { describe, expect, it, onTestFinished } from 'vitest'
import { canonicalAddress } from '../../../../src/core/address.js'
import { openPlane, type PlaneOptions, type Service } from '../../../../src/index.js'
import { addressOf, ask, makeServingNetwork } from '../../../support/service-network.js'

const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }

type Traffic = Pick<Extract<PlaneOptions, { readonly mode: 'nftables' }>, 'masquerade' | 'localSources'>

/** A client from outside meets frontends of several kinds at one address. */
describe.each(['ip', 'ip6'] as const)('one address of several kinds of frontends, over %s', (family) => {
  const settings: [string, Traffic, cluster: 'client' | 'node'][] = [
    ['all', { masquerade: 'all' }, 'node'],
    ['of others than local clients', { localSources: [family === 'ip' ? '10.1.1.0/24' : 'fd00:1:1::/64'] }, 'node'],
    ['never', {}, 'client']
  ]

  it.each(settings)('masqueraded %s: each frontend as its own kind says', async (_, traffic, cluster) => {
    const network = await makeServingNetwork(1)
    const plane = await openPlane({ mode: 'nftables', netns: network.node.path, ...traffic })
    onTestFinished(() => plane.close())
    const endpoints = [{ address: addressOf[family](1), port: 8080, local: true }]
    const at = (name: string, frontend: Partial<Service['frontends'][number]>): Service => ({
      ...{ name, protocol: 'tcp', endpoints },
      frontends: [{ kind: 'external', address: VIP[family], port: 80, ...frontend }]
    })
    const services = [
      at('cluster', { kind: 'cluster' }),
      at('local', { port: 81, trafficPolicy: 'local' }),
      at('balancer', { kind: 'loadBalancer', port: 82 })
    ]
    await plane.sync(new Map(services.map((service) => [service.name, service])))
    const client = canonicalAddress(addressOf[family](0))
    const seen = async (port: number): Promise<string> => {
      const [answer] = await ask(network.client, 'tcp', VIP[family], port, 1)
      const source = answer!.split(' ')[1] === client ? 'client' : 'node'
      const { outcome } = await plane.explain({ protocol: 'tcp', address: VIP[family], port, from: client })
      expect(outcome).toMatchObject({ type: 'served', endpoints: [{ source }] })
      return source
    }
    expect([await seen(80), await seen(81), await seen(82)]).toEqual([cluster, 'client', 'node'])
  })
})
