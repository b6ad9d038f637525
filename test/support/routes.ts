/**
 * Namespaces with one link and routes, real ones and fakes.
 */
import { onTestFinished } from 'vitest'
import { Route } from '../../src/route/client.js'
import { Nftables, type OpenOptions } from '../../src/index.js'
import type { NftablesPlaneKernel } from '../../src/plane/index.js'
import { FakeNftablesKernel, FakeRouteKernel, type FakeRoute } from '../../src/testing.js'
import { makeNamespace, type TestNamespace } from './namespace.js'

/** A namespace whose link `d0`, and on some `d1`, is up and has no address. */
export interface RouteRig {
  /** What opens an nftables plane there. */
  readonly place: Pick<OpenOptions, 'netns'> & { readonly kernel?: NftablesPlaneKernel }
  readonly nftables: () => Promise<Nftables>
  readonly route: Route
  readonly addRoute: (route: FakeRoute) => Promise<void>
  readonly removeRoute: (route: Pick<FakeRoute, 'destination' | 'metric'>) => Promise<void>
}

/** The links of a rig. */
export const RIG_LINKS = ['d0', 'd1'] as const

/** Words of `ip route` for a route. */
export function ipRouteWords({ destination, type = 'unicast', link, gateway, source, metric }: FakeRoute): string[] {
  const pairs = { via: gateway, dev: link, src: source, metric }
  const words = Object.entries(pairs).flatMap(([word, value]) => (value === undefined ? [] : [word, String(value)]))
  return [type, destination, ...words]
}

/** `ip -4 route` or `ip -6 route`. */
export const ipFamily = (address: string): '-4' | '-6' => (address.includes(':') ? '-6' : '-4')

/** A namespace with the two ends of a veth pair, up; the kernel gives them no addresses by itself. */
export async function makeRoutedNamespace(): Promise<TestNamespace> {
  const namespace = await makeNamespace()
  await namespace.ip('link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'd1')
  for (const link of RIG_LINKS) await namespace.ip('link', 'set', 'dev', link, 'addrgenmode', 'none', 'up')
  await namespace.run('sh', ['-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward'])
  return namespace
}

async function makeFake(): Promise<RouteRig> {
  const kernel = new FakeRouteKernel()
  const route = await kernel.open()
  onTestFinished(() => route.close())
  await route.updateLink('lo', { up: true })
  for (const link of RIG_LINKS) await route.addDummy(link, { up: true })
  const nftables = new FakeNftablesKernel()
  return {
    place: { kernel: { nftables, route: kernel } },
    nftables: () => nftables.open(),
    route,
    addRoute: (added) => Promise.resolve(kernel.addRoute(added)),
    removeRoute: (removed) => Promise.resolve(kernel.removeRoute(removed))
  }
}

async function makeReal(): Promise<RouteRig> {
  const namespace = await makeRoutedNamespace()
  const route = await Route.open({ netns: namespace.path })
  onTestFinished(() => route.close())
  return {
    place: { netns: namespace.path },
    nftables: () => Nftables.open({ netns: namespace.path }),
    route,
    addRoute: async (added) => {
      await namespace.ip(ipFamily(added.destination), 'route', 'replace', ...ipRouteWords(added))
    },
    removeRoute: async ({ destination, metric }) => {
      const more = metric === undefined ? [] : ['metric', String(metric)]
      await namespace.ip(ipFamily(destination), 'route', 'delete', destination, ...more)
    }
  }
}

/** The fake and the kernel. */
export const routeRigs = [
  { kernel: 'the fake', make: makeFake },
  { kernel: 'the kernel', make: makeReal }
]
