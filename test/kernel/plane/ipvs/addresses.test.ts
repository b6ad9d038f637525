import { expect, it } from 'vitest'
import type { Service } from '../../../../src/index.js'
import { makeNamespace } from '../../../support/namespace.js'
import { openedPlane } from '../../../support/opened-plane.js'

const at = (name: string, ...addresses: string[]): Service => ({
  name,
  protocol: 'tcp',
  frontends: addresses.map((address) => ({ kind: 'cluster', address, port: 80 })),
  endpoints: []
})
const named = (...services: Service[]): Map<string, Service> => new Map(services.map((service) => [service.name, service]))

/** One test with one namespace, as programs take long to start in the lab. */
it('addresses of services are taken where IPv6 is switched off, are no source of other packets, and go but for those of others', async () => {
  const node = await makeNamespace()
  const files = ['all', 'default'].map((which) => `/proc/sys/net/ipv6/conf/${which}/disable_ipv6`)
  await node.run('sh', ['-ec', files.map((file) => `echo 1 >${file}`).join('\n')])
  const plane = await openedPlane({ mode: 'ipvs', netns: node.path, auditMs: 0, staleFlows: false, excludeCIDRs: ['10.99.0.0/16'] })
  const services = named(at('both', '10.96.0.1', 'fd00:1:96::1'), at('link', 'fe80::5'))
  expect((await plane.sync(services)).quarantined).toEqual([])
  expect((await plane.plan(services)).isEmpty).toBe(true)

  // A link without an address of IPv6 of its own. What the addresses of services have in common with the destination is more than what those of the node have.
  await node.run('sh', ['-ec', files.map((file) => `echo 0 >${file}`).join('\n')])
  await plane.sync(services)
  const commands = ['address add fd00:aaaa::1/128 dev lo', 'link add unnumbered type dummy', 'link set unnumbered up']
  await node.run('ip', ['-batch', '-'], { input: [...commands, 'route add fd00:1:2::/64 dev unnumbered'].join('\n') })
  expect(await node.ip('-6', 'route', 'get', 'fd00:1:2::2')).toContain(' src fd00:aaaa::1 ')
  expect(await node.ip('-6', 'route', 'get', 'fd00:1:96::1')).toContain(' src fd00:1:96::1 ')

  await node.ip('address', 'add', '10.99.0.5/32', 'dev', 'netplane')
  await plane.close({ cleanup: true })
  const left = (await node.ip('-oneline', 'address', 'show', 'dev', 'netplane')).split('\n').filter((line) => !line.includes('/64'))
  expect(left.join('').trim()).toMatch(/ 10\.99\.0\.5\/32 /)
})

it('addresses of services of another plane, on a device of whatever name, are none of the node', async () => {
  const node = await makeNamespace()
  const commands = ['link set lo up', 'link add uplink type dummy', 'address add 192.0.2.1/24 dev uplink', 'link set uplink up']
  await node.run('ip', ['-batch', '-'], { input: commands.join('\n') })
  const withPort = (name: string, address: string, port: number): Service => ({
    ...at(name, address),
    frontends: [
      { kind: 'cluster', address, port: 80 },
      { kind: 'node', port }
    ]
  })
  const options = { mode: 'ipvs', netns: node.path, auditMs: 0, staleFlows: false } as const
  const one = await openedPlane({ ...options, name: 'one' })
  await one.sync(named(withPort('one', '10.96.1.1', 30_081)))
  const two = await openedPlane({ ...options, name: 'two' })
  await two.sync(named(withPort('two', '10.96.2.1', 30_082)))
  expect([one.status().nodeAddresses, two.status().nodeAddresses]).toEqual([['192.0.2.1'], ['192.0.2.1']])
  await two.close()
  await node.ip('link', 'set', 'two', 'down')
  await node.ip('link', 'set', 'two', 'name', 'other')
  await node.ip('link', 'set', 'other', 'up')
  const three = await openedPlane({ mode: 'nftables', netns: node.path, auditMs: 0, staleFlows: false })
  await three.sync(named(withPort('three', '10.96.3.1', 30_083)))
  expect(three.status().nodeAddresses).toEqual(['192.0.2.1'])
})
