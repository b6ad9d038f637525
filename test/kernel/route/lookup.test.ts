import { describe, expect, it, vi } from 'vitest'
import { Route } from '../../../src/route/client.js'
import type { LookupOptions, RouteEntry } from '../../../src/route/types.js'
import { ipFamily, makeRoutedNamespace } from '../../support/routes.js'
import type { TestNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'

/** What `ip -N -json -details route get` says, in numbers. */
interface IpRoute {
  readonly type: string
  readonly dst: string
  readonly gateway?: string
  readonly via?: { readonly host: string }
  readonly dev?: string
  readonly table?: string
  readonly protocol?: string
  readonly scope?: string
  readonly prefsrc?: string
  readonly metric?: number
  readonly nhid?: number
  readonly nexthops?: readonly { readonly gateway?: string; readonly dev: string; readonly weight: number }[]
}

const typeNumbers: Readonly<Record<string, string>> = { unicast: '1', local: '2', broadcast: '3', multicast: '5' }
const scopeNumbers: Readonly<Record<string, string>> = { global: '0', link: '253', host: '254' }

/** Words of `ip route get` for options of a look-up. */
function wordsOf({ source, inputLink, outputLink, mark, userId, match }: LookupOptions): string[] {
  const pairs = { from: source, iif: inputLink, oif: outputLink, mark, uid: userId }
  const words = Object.entries(pairs).flatMap(([word, value]) => (value === undefined ? [] : [word, String(value)]))
  return match === true ? [...words, 'fibmatch'] : words
}

/** A found route as `ip` says it. */
async function asIp(route: Route, entry: RouteEntry): Promise<IpRoute> {
  const names = new Map((await route.listLinks()).map(({ index, name }) => [index, name]))
  const { family, type, destination, table, protocol, scope, linkIndex, gateway, source, metric, nexthopId, hops } = entry
  const full = family === 'ip' ? '/32' : '/128'
  const isForeign = gateway !== undefined && gateway.includes(':') !== (family === 'ip6')
  return {
    type: typeNumbers[type] ?? String(type),
    dst: destination.endsWith('/0') ? 'default' : destination.endsWith(full) ? destination.slice(0, -full.length) : destination,
    ...(gateway !== undefined && (isForeign ? { via: { host: gateway } } : { gateway })),
    ...(linkIndex !== undefined && { dev: names.get(linkIndex)! }),
    table: String(table),
    protocol: String(protocol),
    scope: scopeNumbers[scope] ?? String(scope),
    ...(source !== undefined && { prefsrc: source }),
    ...(metric !== undefined && { metric }),
    ...(nexthopId !== undefined && { nhid: nexthopId }),
    ...(hops && { nexthops: hops.map(({ linkIndex, gateway, weight }) => ({ gateway: gateway!, dev: names.get(linkIndex)!, weight })) })
  }
}

/** The same from `ip`, which leaves out a table, protocol and scope of 0 of what is no entry of a table. */
async function fromIp(namespace: TestNamespace, address: string, options: LookupOptions): Promise<IpRoute> {
  const text = await namespace.ip('-N', '-json', '-details', ipFamily(address), 'route', 'get', address, ...wordsOf(options))
  const [{ type, dst, gateway, via, dev, table = '0', protocol = '0', scope = '0', prefsrc, metric, nhid, nexthops }] = JSON.parse(
    text
  ) as [IpRoute]
  return {
    ...{ type, dst, table, protocol, scope },
    ...(gateway !== undefined && { gateway }),
    ...(via !== undefined && { via: { host: via.host } }),
    ...(dev !== undefined && { dev }),
    ...(prefsrc !== undefined && { prefsrc }),
    ...(metric !== undefined && { metric }),
    ...(nhid !== undefined && { nhid }),
    ...(nexthops && { nexthops: nexthops.map(({ gateway, dev, weight }) => ({ gateway: gateway!, dev, weight })) })
  }
}

/** Routes of every kind that `ip route get` prints. */
async function makeRoutes(namespace: TestNamespace): Promise<void> {
  const ip = async (...lines: string[]): Promise<void> => {
    for (const line of lines) await namespace.ip(...line.split(' '))
  }
  await ip('address add 192.0.2.5/24 dev d0', '-6 address add fd00::5/64 dev d0 nodad', 'address add 198.51.100.5/24 dev d1')
  await ip('route add default via 192.0.2.1 metric 50', '-6 route add default via fd00::1', 'route add default via 198.51.100.1 metric 70')
  await ip('route add 10.0.0.0/8 nexthop via 192.0.2.3 nexthop via 198.51.100.4 weight 256')
  await ip('-6 route add 2001:db8::/32 nexthop via fd00::3 weight 3 nexthop via fd00::4')
  await ip('route add 20.0.0.0/8 via inet6 fd00::9 dev d0', 'route add 30.0.0.0/8 via 192.0.2.1 src 198.51.100.5')
  await ip('nexthop add id 9 via 192.0.2.9 dev d0', 'route add 40.0.0.0/8 nhid 9')
  await ip('route add default via 192.0.2.7 table 1000', 'rule add fwmark 7 lookup 1000', 'rule add uidrange 4711-4711 lookup 1000')
  await ip('-6 route add default via fd00::7 table 1000', '-6 rule add fwmark 7 lookup 1000', '-6 rule add iif d1 lookup 1000')
}

describe('a look-up of a route', () => {
  it('finds what ip route get finds', async () => {
    const namespace = await makeRoutedNamespace()
    await using route = await Route.open({ netns: namespace.path })
    await makeRoutes(namespace)
    await vi.waitFor(async () => expect(await route.lookup('fd00::5')).toMatchObject({ type: 'local' }))
    const addresses = ['1.1.1.1', '10.1.2.3', '20.1.1.1', '30.1.1.1', '40.1.1.1', '192.0.2.5', '192.0.2.77', '192.0.2.255', '127.0.0.1']
    const more = ['224.0.0.1', '255.255.255.255', '0.0.0.0', '2001:db8::1', '2002::1', 'fd00::5', 'fd00::77', 'ff02::1', '::1', '::']
    const compared: string[] = []
    for (const address of [...addresses, ...more]) {
      const own = address.includes(':') ? 'fd00::5' : '192.0.2.5'
      const variants: LookupOptions[] = [{}, { match: true }, { source: own }, { mark: 7 }, { outputLink: 'd1' }, { userId: 4711 }]
      for (const options of [...variants, { inputLink: 'd1', source: address.includes(':') ? 'fd00::99' : '198.51.100.99' }]) {
        const what = `${address} ${wordsOf(options).join(' ')}`
        const expected = await fromIp(namespace, address, options).catch((error: unknown) => error)
        const found = await route.lookup(address, options).catch((error: unknown) => error)
        if (found instanceof Error) expect((expected as Error).message, what).toContain('RTNETLINK answers')
        else {
          expect(await asIp(route, found as RouteEntry), what).toEqual(expected)
          compared.push(what)
        }
      }
    }
    expect(compared.length).toBeGreaterThan(80)
  })

  it('follows rules of routing, of marks, users and links', async () => {
    const namespace = await makeRoutedNamespace()
    await using route = await Route.open({ netns: namespace.path })
    await makeRoutes(namespace)
    expect(await route.lookup('1.1.1.1')).toMatchObject({ gateway: '192.0.2.1', table: 254 })
    const other = { gateway: '192.0.2.7', table: 1000 }
    expect(await route.lookup('1.1.1.1', { mark: 7 })).toMatchObject(other)
    expect(await route.lookup('1.1.1.1', { userId: 4711 })).toMatchObject(other)
    expect(await route.lookup('2002::1', { mark: 7 })).toMatchObject({ gateway: 'fd00::7', table: 1000 })
    expect(await route.lookup('2002::1', { inputLink: 'd1' })).toMatchObject({ gateway: 'fd00::7', table: 1000 })
  })

  it('says all ways of a route, and the nexthop object', async () => {
    const namespace = await makeRoutedNamespace()
    await using route = await Route.open({ netns: namespace.path })
    await makeRoutes(namespace)
    const [d0, d1] = [(await route.getLink('d0'))!.index, (await route.getLink('d1'))!.index]
    const entry = await route.lookup('10.1.1.1', { match: true })
    expect(entry).not.toHaveProperty('linkIndex')
    expect(entry.hops).toEqual([
      { linkIndex: d0, gateway: '192.0.2.3', weight: 1 },
      { linkIndex: d1, gateway: '198.51.100.4', weight: 256 }
    ])
    expect(await route.lookup('40.1.1.1', { match: true })).toMatchObject({ nexthopId: 9, gateway: '192.0.2.9' })
    expect(await route.lookup('20.1.1.1')).toMatchObject({ family: 'ip', gateway: 'fd00::9' })
  })

  it('needs no privileges', async () => {
    const namespace = await makeRoutedNamespace()
    await namespace.ip('address', 'add', '192.0.2.5/24', 'dev', 'd0')
    const script = `import('./dist/index.js').then(async ({ Route }) => {
      const route = await Route.open()
      console.log((await route.lookup('192.0.2.9')).source)
      await route.close()
    })`
    const argv = ['--bounding-set=-all', '--inh-caps=-all', '--reuid=65534', '--clear-groups', process.execPath, '-e', script]
    expect(await namespace.run('setpriv', argv)).toBe('192.0.2.5\n')
  })

  it('finds a route among many in the time of one', async () => {
    const namespace = await makeRoutedNamespace()
    await namespace.ip('address', 'add', '192.0.2.5/24', 'dev', 'd0')
    const lines = Array.from({ length: 20_000 }, (_, n) => `route add 11.${n >> 8}.${n & 255}.0/24 via 192.0.2.${(n % 200) + 6}\n`)
    await namespace.run('ip', ['-batch', '-'], { input: lines.join('') })
    await using route = await Route.open({ netns: namespace.path })
    const begin = performance.now()
    for (let n = 0; n < 200; n += 1) expect((await route.lookup(`11.${n >> 2}.${n}.1`)).gateway).toBeDefined()
    expect(performance.now() - begin).toBeLessThan(2000)
    expect(await rejection(route.lookup('12.0.0.1'))).toMatchObject({ code: 'ENETUNREACH' })
  })
})
