import { expect, it } from 'vitest'
import { frontendIdentities } from '../../../../src/plane/core/frontend.js'
import type { Frontend } from '../../../../src/index.js'

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const

it('frontends that are not the same have different identities, at the ends of their ranges too', () => {
  const frontends: Frontend[] = [1, 2, 65_535].flatMap((port): Frontend[] => [
    ...['0.0.0.1', '0.0.1.0', '10.96.0.1', '255.255.255.254', 'fd00::1', '::1:0:0'].map((address): Frontend => ({
      kind: 'cluster',
      address,
      port
    })),
    { kind: 'node', port }
  ])
  const keys = PROTOCOLS.flatMap((protocol) => frontends.flatMap((frontend) => frontendIdentities(protocol, frontend)))
  expect(keys).toHaveLength(3 * 3 * (6 + 2))
  expect(new Set(keys).size).toBe(keys.length)
  expect(keys.every((key) => typeof key === 'string' || Number.isSafeInteger(key))).toBe(true)
})

it('an address has one identity in all spellings, of whatever kind its frontend is', () => {
  const of = (address: string) => frontendIdentities('udp', { kind: 'external', address, port: 53 })
  expect(of('FD00:0:0::0:1')).toEqual(of('fd00::1'))
  expect(of('10.0.0.1')).toEqual(frontendIdentities('udp', { kind: 'cluster', address: '10.0.0.1', port: 53 }))
})

it('a port of this node has an identity in each family that it serves', () => {
  const both = frontendIdentities('tcp', { kind: 'node', port: 30_080 })
  expect(both).toEqual((['ip', 'ip6'] as const).flatMap((family) => frontendIdentities('tcp', { kind: 'node', port: 30_080, family })))
})
