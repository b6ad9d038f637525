import { expect, it } from 'vitest'
import { checkUserspaceOptions } from '../../../../src/plane/userspace/options.js'
import { serviceOfRelay } from '../../../../src/plane/userspace/places.js'

it.each([
  ['netns', '/run/netns/none', 'the network namespace of this process'],
  ['netns', 1_000_000_000, 'relays listen there'],
  ['schedulerFallback', 'consistent', "'random', 'hash'"],
  ['loopbackNodePorts', 1, 'true or false'],
  ['proxyProtocol', 'v2', 'true or false'],
  ['drainSeconds', -1, 'an integer from 0'],
  ['drainSeconds', 0.5, 'an integer from 0'],
  ['relays', [], 'an object'],
  ['relays', null, 'an object'],
  ['tableOwner', true, "'temporary', 'persistent'"],
  ['name', 'a-name-of-22-characters', '1 to 21 letters'],
  ['masquerade', 'all', 'no'],
  ['affinityClients', 2048, 'no']
])('refuses %s: %j', (name, value, allowed) => {
  const check = (): unknown => checkUserspaceOptions({ [name]: value })
  expect(check).toThrow(expect.objectContaining({ name: 'ValidationError', path: name, value }) as Error)
  expect(check).toThrow(allowed)
})

it.each([
  ['maxConnections', 0],
  ['udpIdleSeconds', '120'],
  ['udpUnansweredSeconds', Infinity],
  ['logsConnections', 'yes'],
  ['workers', 2]
])('refuses relays.%s: %j', (name, value) => {
  const check = (): unknown => checkUserspaceOptions({ relays: { [name]: value } })
  expect(check).toThrow(expect.objectContaining({ name: 'ValidationError', path: `relays.${name}`, value }) as Error)
})

it('takes the namespace of this process by its path, and serves ports at loopback addresses of both families', () => {
  const settings = checkUserspaceOptions({ netns: `/proc/${process.pid}/ns/net` })
  expect(settings).toMatchObject({ loopback: ['ip', 'ip6'], table: { name: 'netplane-userspace' }, places: { proxyProtocol: false } })
  expect(checkUserspaceOptions({ loopbackNodePorts: false }).loopback).toEqual([])
})

it.each([
  ['default/web:http tcp ip cluster', 'default/web:http'],
  ['a tcp ip local udp ip6 local (3)', 'a tcp ip local'],
  ['web tcp ip6 local [fd00::1]:80', 'web'],
  ['web tcp ip cluster node:30080 (2)', 'web']
])('reads the service of %s', (id, service) => {
  expect(serviceOfRelay(id)).toBe(service)
})
