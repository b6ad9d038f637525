import { expect } from 'vitest'
import type { Plane, Service } from '../../src/index.js'
import type { TestNamespace } from './namespace.js'
import { openedPlane } from './opened-plane.js'
import { addressOf, ask, tally, type ServiceNetwork } from './service-network.js'

export const VIP = { ip: '10.96.0.1', ip6: 'fd00:96::1' }
const protocols = ['tcp', 'udp'] as const
const families = ['ip', 'ip6'] as const

/** A plane of nftables that never looks by itself what others changed; it is closed when the test ends. */
export async function unwatchedPlane(namespace: TestNamespace): Promise<Plane> {
  return await openedPlane({ mode: 'nftables', netns: namespace.path, auditMs: 0 })
}

/** One service a protocol, over both families, with these servers behind. */
export function servicesOn(...servers: number[]): Map<string, Service> {
  return new Map(
    protocols.map((protocol) => [
      protocol,
      {
        name: protocol,
        protocol,
        frontends: families.map((family) => ({ kind: 'cluster', address: VIP[family], port: 80 })),
        endpoints: servers.flatMap((server) => families.map((family) => ({ address: addressOf[family](server), port: 8080 })))
      } satisfies Service
    ])
  )
}

/** Each protocol and each family once: programs take long to start in the lab. */
export const ways = [
  ['tcp', 'ip'],
  ['udp', 'ip6']
] as const

/** Who answers, by each of the ways. */
export async function answers({ client }: ServiceNetwork, count: number): Promise<string[][]> {
  const all: string[][] = []
  for (const [protocol, family] of ways) all.push(Object.keys(tally(await ask(client, protocol, VIP[family], 80, count))).sort())
  return all
}

export const everywhere = (...names: string[]): string[][] => ways.map(() => names)

/** A plane serves, changes and refuses, and its successor adopts what it left. @returns The successor, which holds the first server's services. */
export async function expectServing(network: ServiceNetwork, open: () => Promise<Plane>): Promise<Plane> {
  const first = await open()
  await first.sync(servicesOn(1, 2))
  expect(await answers(network, 30)).toEqual(everywhere('s1', 's2'))
  await first.update({ set: [...servicesOn(2).values()] })
  expect(await answers(network, 5)).toEqual(everywhere('s2'))
  await first.update({ set: [...servicesOn().values()] })
  expect(await answers(network, 1)).toEqual(everywhere('ConnectionRefusedError'))
  await first.update({ set: [...servicesOn(1).values()] })
  await first.close()
  const second = await open()
  expect((await second.plan(servicesOn(1))).isEmpty).toBe(true)
  return second
}
