import { describe, expect, it } from 'vitest'
import { readDefaultWays } from '../../../../../src/plane/core/node/default-routes.js'
import { NetlinkError } from '../../../../../src/core/errors.js'
import type { LookupOptions, RouteEntry } from '../../../../../src/index.js'

const entry: RouteEntry = {
  family: 'ip',
  type: 'unicast',
  destination: '0.0.0.0/0',
  table: 254,
  protocol: 3,
  scope: 'global',
  linkIndex: 3
}
const taken: RouteEntry = { ...entry, destination: '0.0.0.1/32', source: '192.0.2.5' }

/** Answers IPv4 with a route, or an errno, and says of IPv6 that it leads nowhere. */
function answering(answer: RouteEntry | number, more = taken) {
  const asked: string[] = []
  const lookup = (address: string, options: LookupOptions = {}): Promise<RouteEntry> => {
    asked.push(`${address} ${String(options.match === true)}`)
    const found = address.includes(':') ? 101 : options.match === true ? answer : more
    return typeof found === 'number'
      ? Promise.reject(new NetlinkError({ errno: found, operation: 'route.lookup' }))
      : Promise.resolve(found)
  }
  return { lookup, asked }
}

describe('default routes', () => {
  it('are asked for by two look-ups, or by one where there is none', async () => {
    const route = answering({ ...entry, source: '192.0.2.6' })
    expect(await readDefaultWays(route, [])).toEqual({ ip: { preferred: '192.0.2.6', linkIndex: 3, source: '192.0.2.5' }, ip6: undefined })
    expect(route.asked).toEqual(['0.0.0.1 true', '0.0.0.1 false', '4000::1 true'])
  })

  it('that have several ways, or a nexthop object alone, have the link of the first, or the one that is taken', async () => {
    const unlinked: RouteEntry = { ...entry, linkIndex: undefined as never }
    const hops = [
      { linkIndex: 8, weight: 1 },
      { linkIndex: 9, weight: 1 }
    ]
    expect((await readDefaultWays(answering({ ...unlinked, hops }), [])).ip).toMatchObject({ linkIndex: 8 })
    expect((await readDefaultWays(answering({ ...unlinked, nexthopId: 1 }, { ...taken, linkIndex: 7 }), [])).ip).toMatchObject({
      linkIndex: 7
    })
  })

  it.each<[string, RouteEntry | number]>([
    ['a part of the addresses', { ...entry, destination: '0.0.0.0/1' }],
    ['another table', { ...entry, table: 1000 }],
    ['an address of this machine', { ...entry, type: 'local' }],
    ['nothing', 101],
    ['an unreachable route', 113],
    ['a prohibition', 13],
    ['a black hole', 22],
    ['no such family', 95]
  ])('are not %s', async (_, answer) => {
    expect((await readDefaultWays(answering(answer), [])).ip).toBeUndefined()
  })

  it('are not unknown for none', async () => {
    await expect(readDefaultWays(answering(105), [])).rejects.toMatchObject({ code: 'ENOBUFS' })
  })
})
