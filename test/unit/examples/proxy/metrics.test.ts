import { expect, it } from 'vitest'
import { Metrics } from '../../../../examples/proxy/metrics.js'
import type { PlaneCounters, PlaneStatus } from '../../../../src/index.js'

const status = (details: PlaneStatus['details']): PlaneStatus => ({ services: 3, quarantined: [], drifts: 0, details })
const endpoint = {
  service: 'web',
  virtualService: 'tcp 10.96.0.1:80',
  address: '10.1.0.1',
  port: 8080,
  activeConnections: 1,
  inactiveConnections: 0,
  remainingMs: 1000
}

it('metrics show what the plane holds when they are asked for', async () => {
  let now = status({ mode: 'ipvs', draining: 1, drainingEndpoints: [endpoint], missingSchedulers: [] })
  const metrics = new Metrics(() => now, { services: () => new Map(), requests: () => [] })
  expect(await metrics.registry.metrics()).toMatch(/^netplane_draining_endpoints 1$/m)
  now = status({ mode: 'ipvs', draining: 0, drainingEndpoints: [], missingSchedulers: [] })
  expect(await metrics.registry.metrics()).toMatch(/^netplane_draining_endpoints 0$/m)
  now = status({ mode: 'nftables', generation: 1 })
  const text = await metrics.registry.metrics()
  expect(text).toMatch(/^netplane_draining_endpoints 0$/m)
  expect(text).toMatch(/^netplane_services 3$/m)
})

it('metrics show what the kernel has counted of services, as it is now, where that is asked for', async () => {
  let counted: readonly unknown[] | undefined = [
    { service: 'shop/web:http', connections: 7n, endpoints: [] },
    { service: 'shop/"quoted"', connections: 2n ** 40n, endpoints: [] }
  ]
  const read = (): Promise<PlaneCounters> =>
    counted === undefined ? Promise.reject(new Error('EPERM')) : Promise.resolve(counted as never)
  const sources = { services: () => new Map(), requests: () => [] }
  const metrics = new Metrics(() => status({ mode: 'nftables', generation: 1 }), { ...sources, counters: read })
  const text = await metrics.registry.metrics()
  expect(text).toMatch(/^netplane_service_connections_total\{service="shop\/web:http"\} 7$/m)
  expect(text).toMatch(/^netplane_service_connections_total\{service="shop\/\\"quoted\\""\} 1099511627776$/m)
  counted = [{ service: 'shop/web:http', connections: 1n, endpoints: [] }]
  const later = await metrics.registry.metrics()
  expect(later.match(/^netplane_service_connections_total\{.*$/gm)).toEqual([
    'netplane_service_connections_total{service="shop/web:http"} 1'
  ])
  counted = undefined
  const away = await metrics.registry.metrics()
  expect(away).not.toMatch(/^netplane_service_connections_total\{/m)
  expect(away).toMatch(/^netplane_services 3$/m)
  const without = new Metrics(() => status({ mode: 'nftables', generation: 1 }), sources)
  expect(await without.registry.metrics()).not.toContain('netplane_service_connections_total')
})
