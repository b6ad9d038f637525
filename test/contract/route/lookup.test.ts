import { describe, expect, it, vi } from 'vitest'
import { NetlinkError, ValidationError } from '../../../src/core/errors.js'
import type { RouteEvent } from '../../../src/route/watch.js'
import type { LookupOptions } from '../../../src/route/types.js'
import { kernelsHere } from '../../support/lab.js'
import { rejection } from '../../support/rejection.js'
import { routeRigs, type RouteRig } from '../../support/routes.js'

const nodad = { flags: ['nodad'] } as const

/** A rig with an address of each family on `d0`, `192.0.2.5/24` and `fd00::5/64`, and the link's index. */
async function withAddresses(make: () => Promise<RouteRig>): Promise<RouteRig & { readonly index: number }> {
  const rig = await make()
  await rig.route.addAddresses('d0', ['192.0.2.5/24', 'fd00::5/64'], nodad)
  // The kernel looks first whether an IPv6 address may be used, also where it need not: for a moment it is not there yet.
  await vi.waitFor(async () => expect(await rig.route.lookup('fd00::5')).toMatchObject({ type: 'local' }))
  return { ...rig, index: (await rig.route.getLink('d0'))!.index }
}

describe.each(kernelsHere(routeRigs))('look-ups of routes on $kernel', ({ make }) => {
  it('says the link and the source of what is on the link', async () => {
    const { route, index } = await withAddresses(make)
    const way = { type: 'unicast', scope: 'global', linkIndex: index, table: 254 }
    expect(await route.lookup('192.0.2.9')).toEqual({
      ...{ ...way, family: 'ip', destination: '192.0.2.9/32', protocol: 0, source: '192.0.2.5' }
    })
    expect(await route.lookup('fd00::9')).toEqual({
      ...{ ...way, family: 'ip6', destination: 'fd00::9/128', protocol: 2, source: 'fd00::5', metric: 256 }
    })
  })

  it('says the entry of the table that matches', async () => {
    const { route, addRoute, index } = await withAddresses(make)
    expect(await route.lookup('192.0.2.9', { match: true })).toEqual({
      ...{ family: 'ip', type: 'unicast', destination: '192.0.2.0/24', table: 254, protocol: 2, scope: 'link' },
      ...{ linkIndex: index, source: '192.0.2.5' }
    })
    expect(await route.lookup('fd00::9', { match: true })).toEqual({
      ...{ family: 'ip6', type: 'unicast', destination: 'fd00::/64', table: 254, protocol: 2, scope: 'global' },
      ...{ linkIndex: index, metric: 256 }
    })
    await addRoute({ destination: '0.0.0.0/0', gateway: '192.0.2.1', link: 'd0', source: '192.0.2.5', metric: 50 })
    await addRoute({ destination: '::/0', gateway: 'fd00::1', link: 'd0' })
    const common = { type: 'unicast', table: 254, protocol: 3, scope: 'global', linkIndex: index }
    expect(await route.lookup('1.1.1.1', { match: true })).toEqual({
      ...{ ...common, family: 'ip', destination: '0.0.0.0/0', gateway: '192.0.2.1', source: '192.0.2.5', metric: 50 }
    })
    expect(await route.lookup('2001:db8::1', { match: true })).toEqual({
      ...{ ...common, family: 'ip6', destination: '::/0', gateway: 'fd00::1', metric: 1024 }
    })
  })

  it('takes the longest prefix, then the lowest metric', async () => {
    const { route, addRoute, removeRoute } = await withAddresses(make)
    await route.addAddresses('d0', ['fd00::6/64'], nodad)
    for (const [destination, gateway, metric] of [
      ['0.0.0.0/0', '192.0.2.1', 20],
      ['0.0.0.0/0', '192.0.2.2', 10],
      ['10.0.0.0/8', '192.0.2.3', 900],
      ['::/0', 'fd00::1', 20],
      ['::/0', 'fd00::2', 10],
      ['2001:db8::/32', 'fd00::3', 900]
    ] as const)
      await addRoute({ destination, gateway, metric, link: 'd0' })
    const gatewayOf = async (address: string): Promise<string | undefined> => (await route.lookup(address)).gateway
    expect(await Promise.all(['1.1.1.1', '10.1.1.1', '2001::1', '2001:db8::1'].map(gatewayOf))).toEqual([
      '192.0.2.2',
      '192.0.2.3',
      'fd00::2',
      'fd00::3'
    ])
    for (const destination of ['0.0.0.0/0', '::/0']) await removeRoute({ destination, metric: 10 })
    expect(await gatewayOf('1.1.1.1')).toBe('192.0.2.1')
    expect(await gatewayOf('2001::1')).toBe('fd00::1')
  })

  it('takes the preferred source of a route, else an address beside its gateway', async () => {
    const { route, addRoute } = await withAddresses(make)
    await route.addAddresses('d0', ['198.51.100.5/24', 'fd01::5/64'], nodad)
    const sources = async (): Promise<(string | undefined)[]> =>
      [await route.lookup('1.1.1.1'), await route.lookup('2001::1')].map(({ source }) => source)
    await addRoute({ destination: '0.0.0.0/0', gateway: '198.51.100.1', link: 'd0' })
    await addRoute({ destination: '::/0', gateway: 'fd00::1', link: 'd0', source: 'fd01::5' })
    expect(await sources()).toEqual(['198.51.100.5', 'fd01::5'])
    await addRoute({ destination: '0.0.0.0/0', gateway: '198.51.100.1', link: 'd0', source: '192.0.2.5' })
    expect(await sources()).toEqual(['192.0.2.5', 'fd01::5'])
    // A route that prefers an address which is gone goes with it; IPv6 forgets the preference.
    await route.removeAddresses('d0', ['192.0.2.5/24', 'fd01::5/64'])
    expect(await rejection(route.lookup('1.1.1.1'))).toMatchObject({ code: 'ENETUNREACH' })
    expect(await route.lookup('2001::1')).toMatchObject({ source: 'fd00::5' })
  })

  it('finds addresses of this machine, and those of everybody', async () => {
    const { route, index } = await withAddresses(make)
    const own = { type: 'local', destination: '192.0.2.5/32', source: '192.0.2.5', table: 254 }
    expect(await route.lookup('192.0.2.5')).toMatchObject({ ...own, linkIndex: 1 })
    expect(await route.lookup('192.0.2.5', { match: true })).toMatchObject({ ...own, linkIndex: index, scope: 'host' })
    expect(await route.lookup('fd00::5')).toMatchObject({ type: 'local', source: 'fd00::5', table: 255, linkIndex: 1, metric: 0 })
    expect(await route.lookup('127.0.0.1')).toMatchObject({ type: 'local', source: '127.0.0.1', linkIndex: 1 })
    expect(await route.lookup('127.9.9.9')).toMatchObject({ type: 'local', destination: '127.9.9.9/32' })
    expect(await route.lookup('192.0.2.255')).toMatchObject({ type: 'broadcast', source: '192.0.2.5', linkIndex: index })
  })

  it.each(['10.1.2.3', 'fd77::1'])('names %s when no way leads there, and why', async (address) => {
    const { route, addRoute } = await withAddresses(make)
    const none = await rejection(route.lookup(address))
    expect(none).toBeInstanceOf(NetlinkError)
    expect(none).toMatchObject({ code: 'ENETUNREACH', errno: -101, operation: 'route.lookup', subject: `route to ${address}` })
    expect(none).toMatchObject({ hint: expect.stringContaining('no route leads there') as string })
    const destination = address.includes(':') ? 'fd77::/16' : '10.0.0.0/8'
    for (const [type, code] of [
      ['unreachable', 'EHOSTUNREACH'],
      ['prohibit', 'EACCES'],
      ['blackhole', 'EINVAL']
    ] as const) {
      await addRoute({ destination, type })
      for (const match of [false, true]) {
        const error = await rejection(route.lookup(address, { match }))
        expect(error, type).toMatchObject({ code, subject: `route to ${address}`, hint: expect.stringContaining(type) as string })
      }
    }
  })

  it('looks up for a source, and for a link', async () => {
    const { route, addRoute, index } = await withAddresses(make)
    await route.addAddresses('d0', ['192.0.2.6/32', 'fd00::6/128'], nodad)
    await route.addAddresses('d1', ['198.51.100.5/24'])
    await addRoute({ destination: '0.0.0.0/0', gateway: '192.0.2.1', link: 'd0' })
    // What was told is not repeated; IPv6 says it.
    expect(await route.lookup('192.0.2.9', { source: '192.0.2.6' })).not.toHaveProperty('source')
    expect(await route.lookup('fd00::9', { source: 'fd00::6' })).toMatchObject({ linkIndex: index })
    expect(await rejection(route.lookup('192.0.2.9', { source: '192.0.2.77' }))).toMatchObject({
      // Older kernels say EINVAL.
      code: expect.stringMatching(/^(ENETUNREACH|EINVAL)$/) as string
    })
    expect(await route.lookup('1.1.1.1', { outputLink: 'd0' })).toMatchObject({ linkIndex: index, gateway: '192.0.2.1' })
    // IPv4 takes a destination that no route of the link leads to for one on the link.
    expect(await route.lookup('1.1.1.1', { outputLink: 'd1' })).toMatchObject({
      linkIndex: expect.any(Number) as number,
      source: '198.51.100.5'
    })
    expect(await route.lookup('1.1.1.1', { outputLink: 'd1' })).not.toHaveProperty('gateway')
    expect(await rejection(route.lookup('1.1.1.1', { outputLink: 'd1', match: true }))).toMatchObject({ code: 'EHOSTUNREACH' })
    expect(await rejection(route.lookup('fd77::1', { outputLink: 'd1' }))).toMatchObject({ code: 'ENETUNREACH' })
    expect(await route.lookup('1.1.1.1', { mark: 7, userId: 0 })).toMatchObject({ gateway: '192.0.2.1' })
    await route.updateLink('d1', { up: false })
    expect(await rejection(route.lookup('1.1.1.1', { outputLink: 'd1' }))).toMatchObject({ code: 'ENETUNREACH' })
  })

  it('looks up for a packet that comes in', async () => {
    const { route, index } = await withAddresses(make)
    const arriving = { inputLink: 'd0', source: '192.0.2.9' }
    expect(await route.lookup('192.0.2.5', arriving)).toMatchObject({ type: 'local', linkIndex: 1 })
    expect(await route.lookup('fd00::5', { inputLink: index })).toMatchObject({ type: 'local' })
    expect(await rejection(route.lookup('192.0.2.77', arriving))).toMatchObject({ code: 'EHOSTUNREACH' })
  })

  it('names a link that there is not', async () => {
    const { route } = await make()
    for (const options of [{ outputLink: 'nope' }, { inputLink: 9999, source: '192.0.2.9' }])
      expect(await rejection(route.lookup('192.0.2.5', options))).toMatchObject({ code: 'ENODEV' })
  })

  it.each<[unknown, LookupOptions | undefined, string]>([
    ['10.0.0.0/8', undefined, 'destination'],
    ['fe80::1%d0', undefined, 'destination'],
    ['host', undefined, 'destination'],
    [undefined, undefined, 'destination'],
    ['10.0.0.1', { source: 'fd00::1' }, 'options.source'],
    ['10.0.0.1', { inputLink: 'd0' }, 'options.source'],
    ['10.0.0.1', { inputLink: 'd0', outputLink: 'd0', source: '10.0.0.2' }, 'options.outputLink'],
    ['fd00::1', { inputLink: 'd0', userId: 0 }, 'options.userId'],
    ['10.0.0.1', { outputLink: 0 }, 'options.outputLink'],
    ['fd00::1', { inputLink: '' }, 'options.inputLink'],
    ['10.0.0.1', { mark: -1 }, 'options.mark'],
    ['10.0.0.1', { userId: 4294967295 }, 'options.userId'],
    ['10.0.0.1', { match: 1 as never }, 'options.match']
  ])('refuses %j with %j before anything is sent', async (destination, options, path) => {
    const { route } = await make()
    const error = await rejection(route.lookup(destination as string, options))
    expect(error).toBeInstanceOf(ValidationError)
    expect(error).toMatchObject({ path })
  })

  it('reports default routes as they come and go, and no others', async () => {
    const { route, addRoute, removeRoute, index } = await withAddresses(make)
    const events = await route.watch({ links: false, addresses: false, defaultRoutes: true })
    await addRoute({ destination: '10.0.0.0/8', gateway: '192.0.2.1', link: 'd0' })
    await addRoute({ destination: '0.0.0.0/0', gateway: '192.0.2.1', link: 'd0' })
    await addRoute({ destination: '::/0', gateway: 'fd00::1', link: 'd0' })
    await removeRoute({ destination: '0.0.0.0/0' })
    await route.updateLink('d0', { up: false })
    const seen: RouteEvent[] = []
    for await (const event of events) if (seen.push(event) === 4) break
    const entry = { type: 'unicast', destination: '0.0.0.0/0', table: 254, linkIndex: index, gateway: '192.0.2.1' }
    const entry6 = { type: 'unicast', destination: '::/0', table: 254, linkIndex: index, gateway: 'fd00::1', metric: 1024 }
    expect(seen).toMatchObject([
      { type: 'new', kind: 'route', object: entry },
      { type: 'new', kind: 'route', object: entry6 },
      { type: 'delete', kind: 'route', object: entry },
      { type: 'delete', kind: 'route', object: entry6 }
    ])
  })

  it('reports neither default routes nor anything else that it was not asked for', async () => {
    const { route, addRoute } = await withAddresses(make)
    const events = await route.watch({ links: false })
    await addRoute({ destination: '0.0.0.0/0', gateway: '192.0.2.1', link: 'd0' })
    await route.addAddresses('d0', ['192.0.2.7/32'])
    for await (const event of events) {
      expect(event).toMatchObject({ kind: 'address', object: { address: '192.0.2.7' } })
      break
    }
    const nothing = { links: false, addresses: false }
    expect(await rejection(route.watch(nothing))).toMatchObject({ path: 'options' })
    expect(await rejection(route.watch({ ...nothing, defaultRoutes: 1 as never }))).toMatchObject({ path: 'options.defaultRoutes' })
  })
})
