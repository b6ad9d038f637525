import { expect, it } from 'vitest'
import type { Service } from '../../../../src/index.js'
import type { ServiceChange } from '../../../../src/plane/core/changes/change.js'
import type { ChangeListener } from '../../../../src/plane/core/listener.js'
import { withStandIns } from '../../../../src/plane/userspace/flows.js'

const dns = (endpoints: Service['endpoints']): Service => ({
  name: 'dns',
  protocol: 'udp',
  frontends: [
    { kind: 'cluster', address: '10.96.0.53', port: 53 },
    { kind: 'node', port: 30053, family: 'ip6' }
  ],
  endpoints
})

/** Of relays. */
const PORTS = { ip: { cluster: 41, local: 42 }, ip6: { cluster: 61, local: 62 } } as const

type Side = 'before' | 'after'

/** For whom flows of each port may lead, before and after, as a listener is told. */
async function seen(before: Service | undefined, after: Service | undefined): Promise<Record<Side, Record<number, string>>> {
  const told: ServiceChange[] = []
  const listener: ChangeListener = {
    before: () => Promise.resolve(),
    done: () => undefined,
    after: (changes) => void told.push(...changes),
    reset: (services) => void told.push(...[...services.values()].map((service) => ({ name: 'all', after: service }))),
    nodeAddressesChanged: () => undefined,
    status: () => undefined,
    close: () => Promise.resolve()
  }
  const standing = withStandIns(listener, { portOf: (_, __, family, policy) => PORTS[family][policy] })
  if (before === undefined && after !== undefined) standing.reset(new Map([[after.name, after]]), [])
  else standing.after([{ name: 'dns', before, after }])
  await Promise.resolve()
  const of = (side: Side): Record<number, string> =>
    Object.fromEntries(
      told.flatMap((change) =>
        (change[side]?.frontends ?? []).map(({ port }) => [
          port,
          change[side]!.endpoints.map((endpoint) => `${endpoint.address} ${endpoint.port}`).join()
        ])
      )
    )
  return { before: of('before'), after: of('after') }
}

const at = (address: string, more: Partial<Service['endpoints'][number]> = {}): Service['endpoints'][number] => ({
  address,
  port: 53,
  ...more
})

it('tells of relays in the place of endpoints, and so of nothing where other endpoints come', async () => {
  const both = { 53: '192.0.2.1 41', 30053: '2001:db8::1 61' }
  expect(await seen(dns([at('10.1.0.1'), at('fd00::1')]), dns([at('10.1.0.3'), at('fd00::2'), at('fd00::3')]))).toEqual({
    before: both,
    after: both
  })
})

it('tells of families that have no endpoint any more, and of services that are gone', async () => {
  const one = { 53: '192.0.2.1 41', 30053: '' }
  const none = { 53: '', 30053: '' }
  expect(await seen(dns([at('10.1.0.3')]), dns([at('10.1.0.3', { state: 'draining' })]))).toEqual({ before: one, after: none })
  expect(await seen(dns([at('10.1.0.3')]), undefined)).toEqual({ before: one, after: {} })
  expect(await seen(undefined, dns([at('10.1.0.3')]))).toEqual({ before: {}, after: one })
})

it('tells of frontends that lead to another relay, and not of the others', async () => {
  const service = (trafficPolicy: 'cluster' | 'local'): Service => ({
    ...dns([at('10.1.0.3', { local: true })]),
    frontends: [
      { kind: 'cluster', address: '10.96.0.53', port: 53 },
      { kind: 'cluster', address: '10.96.0.54', port: 54, trafficPolicy },
      { kind: 'node', port: 30053, family: 'ip', trafficPolicy }
    ]
  })
  expect(await seen(service('cluster'), service('local'))).toEqual({
    before: { 53: '192.0.2.1 41', 54: '192.0.2.1 41', 30053: '192.0.2.1 41' },
    after: { 53: '192.0.2.1 41', 54: '192.0.2.1 42', 30053: '192.0.2.1 41,192.0.2.1 42' }
  })
})
