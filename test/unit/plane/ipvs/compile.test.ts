import { expect, it } from 'vitest'
import { VirtualServices } from '../../../../src/plane/ipvs/compile.js'
import { DrainChoice } from '../../../../src/plane/ipvs/drain-choice.js'
import { Marks } from '../../../../src/plane/ipvs/marks.js'
import type { Service } from '../../../../src/plane/model.js'
import { FakeIpvsKernel } from '../../../../src/testing.js'

const virtualOf = (of: () => string): VirtualServices => new VirtualServices({ of }, new Marks(), new DrainChoice(undefined))

it('virtual services are the same objects for the same service, so that the client need not look at them again', () => {
  const service: Service = Object.freeze({
    name: 'web',
    protocol: 'tcp',
    frontends: [{ kind: 'cluster' as const, address: '10.96.0.1', port: 80 }],
    endpoints: [{ address: '10.1.0.1', port: 8080 }]
  })
  let scheduler = 'wrr'
  const virtual = virtualOf(() => scheduler)
  const made = virtual.of(service)
  expect(made).toMatchObject([{ address: '10.96.0.1', scheduler: 'wrr' }])
  expect(virtual.of(service)).toBe(made)
  expect(virtual.of({ ...service })).not.toBe(made)
  scheduler = 'mh'
  expect(virtual.of(service)).toMatchObject([{ address: '10.96.0.1', scheduler: 'mh', flags: ['mh-fallback'] }])
})

it('real servers are written into columns: those of the family, with weight 0 where they are not chosen, and no object for any', async () => {
  const service: Service = {
    name: 'web',
    protocol: 'tcp',
    frontends: [
      { kind: 'cluster', address: '10.96.0.1', port: 80 },
      { kind: 'cluster', address: 'fd00:96::1', port: 80, trafficPolicy: 'local' },
      { kind: 'node', port: 30_080, family: 'ip', trafficPolicy: 'local' }
    ],
    endpoints: [
      { address: 'fd00:1:0::1', port: 8081, weight: 3, local: true },
      { address: '10.1.0.1', port: 8080 },
      { address: 'fd00:1::2', port: 8081 },
      { address: '10.1.0.2', port: 8080, state: 'draining', weight: 7 },
      { address: '10.1.0.3', port: 8080, weight: 65_535, local: true }
    ]
  }
  const made = virtualOf(() => 'wrr').of(service)
  expect(made).toHaveLength(4)
  for (const virtual of made) expect(virtual).not.toHaveProperty('realServers')
  const kernel = new FakeIpvsKernel()
  await using ipvs = await kernel.open()
  const { realServers } = await ipvs.sync(made)
  expect(realServers.added).toBe(11)
  expect(kernel.dump()).toMatchInlineSnapshot(`
    "fwmark 1845523840 scheduler wrr
      10.1.0.1:8080 weight 1
      10.1.0.2:8080 weight 0
      10.1.0.3:8080 weight 65535
    fwmark 1845785984 scheduler wrr
      10.1.0.1:8080 weight 0
      10.1.0.2:8080 weight 0
      10.1.0.3:8080 weight 65535
    tcp 10.96.0.1:80 scheduler wrr
      10.1.0.1:8080 weight 1
      10.1.0.2:8080 weight 0
      10.1.0.3:8080 weight 65535
    tcp [fd00:96::1]:80 scheduler wrr
      [fd00:1::1]:8081 weight 3
      [fd00:1::2]:8081 weight 0"
  `)
  // What is there is as it is wanted.
  expect((await ipvs.plan(made)).isEmpty).toBe(true)
})
