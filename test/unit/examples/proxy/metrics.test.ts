import { expect, it } from 'vitest'
import { Metrics } from '../../../../examples/proxy/metrics.js'
import type { PlaneStatus } from '../../../../src/index.js'

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
