import { expect, it } from 'vitest'
import { VirtualServices } from '../../../../src/plane/ipvs/compile.js'
import { DrainChoice } from '../../../../src/plane/ipvs/drain-choice.js'
import { Marks } from '../../../../src/plane/ipvs/marks.js'
import type { Service } from '../../../../src/plane/model.js'

it('virtual services are the same objects for the same service, so that the client need not look at them again', () => {
  const service: Service = Object.freeze({
    name: 'web',
    protocol: 'tcp',
    frontends: [{ kind: 'cluster' as const, address: '10.96.0.1', port: 80 }],
    endpoints: [{ address: '10.1.0.1', port: 8080 }]
  })
  let scheduler = 'wrr'
  const virtual = new VirtualServices({ of: () => scheduler }, new Marks(), new DrainChoice(undefined))
  const made = virtual.of(service)
  expect(made).toMatchObject([{ address: '10.96.0.1', scheduler: 'wrr' }])
  expect(virtual.of(service)).toBe(made)
  expect(virtual.of({ ...service })).not.toBe(made)
  scheduler = 'mh'
  expect(virtual.of(service)).toMatchObject([{ address: '10.96.0.1', scheduler: 'mh', flags: ['mh-fallback'] }])
})
