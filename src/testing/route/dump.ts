/**
 * What a fake of the route kernel holds, as text.
 */
import { formatAddress } from '../../core/address.js'
import { AF_INET } from '../../core/protocols.js'
import type { NativeRoute } from '../../native/index.js'
import { IFF_UP, type FakeAddress, type FakeLink } from './rows.js'
import { ROUTE_TYPES } from './routes.js'

function addressText({ family, bytes, prefixLength }: FakeAddress): string {
  return `\n  ${formatAddress(bytes.slice(0, family === AF_INET ? 4 : 16))}/${prefixLength}`
}

function routeText(route: NativeRoute, links: readonly FakeLink[]): string {
  const { destination, destinationLength, type, linkIndex, gateway, source, metric } = route
  const [name] = Object.entries(ROUTE_TYPES).find(([, number]) => number === type) ?? [String(type)]
  const words = {
    via: gateway && formatAddress(gateway),
    dev: links.find(({ index }) => index === linkIndex)?.name,
    src: source && formatAddress(source),
    metric
  }
  const more = Object.entries(words).filter(([, value]) => value !== undefined)
  return ['route', name, `${formatAddress(destination)}/${destinationLength}`, ...more.map(([word, value]) => `${word} ${value}`)].join(' ')
}

/** A line per link, below it one per address, then one per route that was added. */
export function dumpRoute(links: readonly FakeLink[], routes: readonly NativeRoute[]): string {
  const linkTexts = links.map(({ name, kind = 'loopback', flags, mtu, addresses }) => {
    const head = `${name} ${kind} ${(flags & IFF_UP) === 0 ? 'down' : 'up'} mtu ${mtu}`
    return head + addresses.map(addressText).sort().join('')
  })
  return [...linkTexts.sort(), ...routes.map((route) => routeText(route, links)).sort()].join('\n')
}
