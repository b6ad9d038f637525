import { expect, it } from 'vitest'
import { VirtualServices } from '../../../../src/plane/ipvs/compile.js'
import type { Service } from '../../../../src/plane/model.js'

it('virtual services are the same objects for the same service, so that the client need not look at them again', () => {
  const service: Service = Object.freeze({
    name: 'web',
    protocol: 'tcp',
    frontends: [{ kind: 'cluster' as const, address: '10.96.0.1', port: 80 }],
    endpoints: [{ address: '10.1.0.1', port: 8080 }]
  })
  const virtual = new VirtualServices({ random: 'wrr', hash: 'mh', consistent: 'mh' })
  const made = virtual.of(service)
  expect(made).toMatchObject([{ address: '10.96.0.1', scheduler: 'wrr' }])
  expect(virtual.of(service)).toBe(made)
  expect(virtual.of({ ...service })).not.toBe(made)
})
