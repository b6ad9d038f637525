import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Catalog } from '../../../../examples/proxy/kubernetes/catalog.js'
import { findHealthChecks } from '../../../../examples/proxy/kubernetes/health-checks.js'
import { translate } from '../../../../examples/proxy/kubernetes/translate.js'
import type { EndpointSlice, KubernetesNode, KubernetesObject, KubernetesService } from '../../../../examples/proxy/kubernetes/types.js'

function service(name: string, address: string, healthCheckNodePort = 0): KubernetesService {
  const balanced = healthCheckNodePort === 0 ? {} : { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort }
  return { kind: 'Service', metadata: { name }, spec: { ...balanced, clusterIP: address, ports: [{ port: 80 }] } }
}

function slice(name: string, of: string, ...addresses: string[]): EndpointSlice {
  const endpoints = addresses.map((address) => ({
    addresses: [address],
    nodeName: 'here',
    hints: { forZones: [{ name: address.endsWith('1') ? 'a' : 'b' }] }
  }))
  return { kind: 'EndpointSlice', metadata: { name, labels: { 'kubernetes.io/service-name': of } }, ports: [{ port: 8080 }], endpoints }
}

function node(zone: string): KubernetesNode {
  return { kind: 'Node', metadata: { name: 'here', labels: { 'topology.kubernetes.io/zone': zone } } }
}

const keyOf = ({ kind, metadata }: KubernetesObject): string => `${kind} default/${metadata.name}`
const set = (object: KubernetesObject): { key: string; object: KubernetesObject } => ({ key: keyOf(object), object })

it('translates the services alone that a change concerns', () => {
  const catalog = new Catalog({ nodeName: 'here' })
  const names = ['a', 'b', 'c']
  const objects = names.flatMap((name, index) => [service(name, `10.96.0.${index + 1}`), slice(`${name}-1`, name, '10.1.0.1')])
  expect([...catalog.apply(objects.map(set))].sort()).toEqual(names.map((name) => `default/${name}:80`))
  const before = new Map(catalog.services)
  expect([...catalog.apply([set(slice('b-1', 'b', '10.1.0.2'))])]).toEqual(['default/b:80'])
  for (const name of ['default/a:80', 'default/c:80']) expect(catalog.services.get(name)).toBe(before.get(name))
  // The same content again is no change, and neither is another node.
  expect(catalog.apply([set(slice('b-1', 'b', '10.1.0.2'))]).size).toBe(0)
  expect(catalog.apply([set({ kind: 'Node', metadata: { name: 'there', labels: { 'topology.kubernetes.io/zone': 'a' } } })]).size).toBe(0)
  expect([...catalog.apply([{ key: 'Service default/a', object: undefined }])]).toEqual(['default/a:80'])
  expect([...catalog.services.keys()]).toEqual(['default/b:80', 'default/c:80'])
})

it('serves external addresses out of the allowed ranges alone, and knows the others until they are gone', () => {
  const withExternal = (...externalIPs: string[]): KubernetesService => {
    const { spec, ...rest } = service('a', '10.96.0.1')
    return { ...rest, spec: { ...spec, externalIPs } }
  }
  const served = (externalRanges: readonly string[] | undefined, ...externalIPs: string[]): unknown => {
    const catalog = new Catalog({ externalRanges })
    catalog.apply([set(withExternal(...externalIPs))])
    const external = catalog.services.get('default/a:80')!.frontends.slice(1)
    return [external.map((frontend) => 'address' in frontend && frontend.address), catalog.refusedAddresses.get('default/a')]
  }
  const all = ['203.0.113.7', 'FD00:0::7', '198.51.100.1', 'text', '10.96.0.1']
  // That of IPv6 is of no family of the service, and the last one is served as its cluster address.
  expect(served(undefined, ...all)).toEqual([['203.0.113.7', '198.51.100.1', 'text'], undefined])
  expect(served(['203.0.113.0/24'], ...all)).toEqual([['203.0.113.7', 'text'], ['198.51.100.1']])
  expect(served([], '203.0.113.7')).toEqual([[], ['203.0.113.7']])

  const catalog = new Catalog({ externalRanges: [] })
  const refused = (): number => catalog.refusedAddresses.size
  catalog.apply([set(withExternal('203.0.113.7'))])
  expect(refused()).toBe(1)
  catalog.apply([set(withExternal())])
  expect(refused()).toBe(0)
  catalog.apply([set(withExternal('203.0.113.7'))])
  catalog.apply([{ key: 'Service default/a', object: undefined }])
  expect(refused()).toBe(0)
})

it('finds the Service of Kubernetes that a service is a port of, as it is now', () => {
  const catalog = new Catalog({ nodeName: 'here' })
  const found = (name: string): unknown => catalog.serviceObject(name)
  catalog.apply([set(service('a', '10.96.0.1')), set(slice('b-1', 'b', '10.1.0.1'))])
  const changed = service('a', '10.96.0.2')
  catalog.apply([set(changed)])
  expect([found('default/a:80'), found('default/a')]).toEqual([changed, changed])
  expect([found('default/b:80'), found('default/c:80'), found('')]).toEqual([undefined, undefined, undefined])
  catalog.apply([{ key: 'Service default/a', object: undefined }])
  expect(found('default/a:80')).toBeUndefined()
})

it('translates all services anew where this node is in another zone', () => {
  const catalog = new Catalog({ nodeName: 'here' })
  catalog.apply([service('a', '10.96.0.1'), slice('a-1', 'a', '10.1.0.1', '10.1.0.2'), node('a')].map(set))
  const addresses = (): string[] => catalog.services.get('default/a:80')!.endpoints.map(({ address }) => address)
  const inA = JSON.stringify(catalog.services.get('default/a:80'))
  expect([...catalog.apply([set(node('b'))])]).toEqual(['default/a:80'])
  expect(JSON.stringify(catalog.services.get('default/a:80'))).not.toBe(inA)
  expect(addresses()).toContain('10.1.0.2')
})

it('holds after any changes what a translation of all objects gives, and names all that differ', () => {
  const address = fc.constantFrom('10.1.0.1', '10.1.0.2', '10.1.0.3')
  const name = fc.constantFrom('a', 'b', 'c')
  const made = fc.oneof(
    fc.tuple(name, fc.constantFrom('10.96.0.1', '10.96.0.2', 'None'), fc.constantFrom(0, 32_000)).map((of) => service(...of)),
    fc
      .tuple(fc.constantFrom('1', '2', '3'), name, fc.array(address, { maxLength: 3 }))
      .map(([which, of, list]) => slice(which, of, ...list)),
    fc.constantFrom('a', 'b').map(node),
    // Of a wrong shape.
    name.map((of) => ({ ...service(of, '10.96.0.1'), spec: { ports: 1 } }) as unknown as KubernetesService)
  )
  const change = fc.record({ object: made, isGone: fc.boolean() })
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 12 }), (batches) => {
      const catalog = new Catalog({ nodeName: 'here' })
      const objects = new Map<string, KubernetesObject>()
      let before = new Map(catalog.services)
      for (const batch of batches) {
        const changes = batch.map(({ object, isGone }) => ({ key: keyOf(object), object: isGone ? undefined : object }))
        for (const { key, object } of changes) {
          if (object === undefined) objects.delete(key)
          else objects.set(key, object)
        }
        const changed = catalog.apply(changes)
        const sorted = [...objects].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, object]) => object)
        const whole = translate(sorted, { nodeName: 'here' })
        expect(Object.fromEntries(catalog.services)).toEqual(Object.fromEntries(whole))
        const order = (checks: readonly { name: string }[]): unknown[] => [...checks].sort((one, other) => (one.name < other.name ? -1 : 1))
        expect(order(catalog.healthChecks)).toEqual(order(findHealthChecks(sorted, { nodeName: 'here' })))
        const differing = [...new Set([...before.keys(), ...whole.keys()])].filter((key) => before.get(key) !== catalog.services.get(key))
        expect([...changed].sort()).toEqual(differing.sort())
        before = new Map(catalog.services)
      }
    }),
    { numRuns: 200 }
  )
})
