/**
 * Addresses of services that this node answers for on its links, though they are on the dummy device.
 */
import { ipv4Number } from '../../core/address.js'
import { EINVAL, ENODEV, ENOENT } from '../../core/errno.js'
import { asNetplaneError } from '../../core/errors.js'
import { orUndefined } from '../../core/failures.js'
import type { Link, LinkAddress, Route } from '../../route/index.js'
import type { SystemSettings } from '../core/system-settings.js'
import type { PlaneEvent } from '../types.js'

type Announced = Omit<Extract<PlaneEvent, { readonly type: 'addressesAnnounced' }>, 'type'>

/** Whether a link that has this value of `arp_ignore` answers only for addresses of its own, or for none (arp_ignore in net/ipv4/arp.c); other values let it answer for all, but for those of scope host. */
export function keepsToLink(value: number): boolean {
  return value === 1 || value === 2 || value === 8
}

/** Whether ARP is asked and answered on a link. */
function hasArp({ isUp, flags }: Link): boolean {
  return isUp && !flags.includes('noarp') && !flags.includes('loopback')
}

/** Whether an address, by its number, lies in the subnet of one of a link. */
function isBeside(address: number, { address: own, prefixLength }: LinkAddress): boolean {
  // A shift by 32 would shift by nothing.
  return prefixLength === 0 || (address ^ ipv4Number(own)) >>> (32 - prefixLength) === 0
}

/** The addresses of services in subnets of a link, but for those that it has itself. */
function besides(link: LinkAddress[], services: ReadonlyMap<number, string>): string[] {
  const own = new Set(link.map(({ address }) => address))
  return [...services]
    .filter(([number, address]) => !own.has(address) && link.some((entry) => isBeside(number, entry)))
    .map(([, address]) => address)
}

/** Looks for them, and tells. */
export class AnnouncedAddresses {
  readonly #route: Pick<Route, 'listLinks' | 'listAddresses'>
  readonly #files: Pick<SystemSettings, 'read'>
  readonly #device: string
  readonly #tell: (event: PlaneEvent) => void
  /** As they were seen last, by link. */
  #known: ReadonlyMap<string, ReadonlySet<string>> = new Map()
  /** It failed before, which was told. */
  #hasFailed = false

  /** @param device The dummy device, which answers nobody. */
  constructor(
    route: Pick<Route, 'listLinks' | 'listAddresses'>,
    files: Pick<SystemSettings, 'read'>,
    device: string,
    tell: (event: PlaneEvent) => void
  ) {
    this.#route = route
    this.#files = files
    this.#device = device
    this.#tell = tell
  }

  /** Tells which of these addresses of services are answered for since the last look. What fails is told, too, once. */
  async look(addresses: Iterable<string>): Promise<void> {
    try {
      const found = await this.#find(addresses)
      for (const { link, addresses: all } of found) {
        const known = this.#known.get(link)
        const more = all.filter((address) => known?.has(address) !== true)
        if (more.length > 0) this.#tell({ type: 'addressesAnnounced', link, addresses: more, option: 'strictArp' })
      }
      this.#known = new Map(found.map(({ link, addresses: all }) => [link, new Set(all)]))
      this.#hasFailed = false
    } catch (error) {
      if (!this.#hasFailed) this.#tell({ type: 'error', error: asNetplaneError(error) })
      this.#hasFailed = true
    }
  }

  async #find(addresses: Iterable<string>): Promise<Pick<Announced, 'link' | 'addresses'>[]> {
    const services = new Map<number, string>()
    for (const address of addresses) {
      const number = ipv4Number(address)
      if (number >= 0) services.set(number, address)
    }
    if (services.size === 0) return []
    const links = (await this.#route.listLinks()).filter((link) => link.name !== this.#device && hasArp(link))
    const found: Pick<Announced, 'link' | 'addresses'>[] = []
    for (const { index, name } of links) {
      // Those of the dummy device are many, and not asked for. A link that has gone has none.
      const own = (await orUndefined(ENODEV, this.#route.listAddresses({ link: index, family: 'ip' }))) ?? []
      const beside = besides(own, services)
      if (beside.length > 0 && !(await this.#keepsToItself(name))) found.push({ link: name, addresses: beside.sort() })
    }
    return found
  }

  /** The kernel takes the greater one of the value for all links and that of the link (IN_DEV_MAXCONF in include/linux/inetdevice.h). A link that has gone answers nobody, and one with a name of unusual characters is passed over. */
  async #keepsToItself(link: string): Promise<boolean> {
    const all = await this.#files.read('ipv4/conf/all/arp_ignore')
    const own = await orUndefined(ENOENT, orUndefined(EINVAL, this.#files.read(`ipv4/conf/${link}/arp_ignore`)))
    return own === undefined || keepsToLink(Math.max(Number(all), Number(own)))
  }
}
