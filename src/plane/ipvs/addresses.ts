/**
 * The dummy device that holds the services' addresses: packets to them must be for this node before IPVS sees them.
 */
import { ENODEV, ENOENT } from '../../core/errno.js'
import { NetplaneError } from '../../core/errors.js'
import { looksLikeIPv6 } from '../../core/address.js'
import { orUndefined } from '../../core/failures.js'
import type { AddressInput, LinkAddress, Route } from '../../route/index.js'
import { deviceMark } from '../core/node/service-links.js'
import type { Run } from '../core/run.js'
import type { SystemSettings } from '../core/system-settings.js'

/** What is there. */
export interface DeviceState {
  readonly isUp: boolean
  /** Those that the kernel gives every link of IPv6 by itself left out. */
  readonly addresses: ReadonlySet<string>
}

/** Whether the kernel gave it to the link by itself: of such addresses the other half is a subnet, and of those of services nothing is. */
function isOfKernel({ scope, prefixLength, family }: LinkAddress): boolean {
  return scope === 'link' && family === 'ip6' && prefixLength < 128
}

/**
 * An address as it is added. The kernel takes one of IPv6 that is deprecated as the source of nothing else while there is another one: where a link has none of its own, it would choose among those of all links, by what
 * they have in common with the destination (ipv6_dev_get_saddr in net/ipv6/addrconf.c), and other nodes have the addresses of services too.
 */
function asAdded(address: string): AddressInput {
  return looksLikeIPv6(address) ? { address, preferredLifetimeSeconds: 0, flags: FLAGS } : address
}

/** Without duplicate detection, as nothing else can have them on this device, and without routes: they are local all the same. */
const FLAGS = ['nodad', 'noprefixroute'] as const

/** The device, and what is on it. */
export class Addresses {
  readonly #route: Route
  readonly device: string
  readonly #mark: string
  readonly #files: SystemSettings | undefined

  /** @param files Undefined beside a fake, which takes addresses of IPv6 always. */
  constructor(route: Route, device: string, files: SystemSettings | undefined) {
    this.#route = route
    this.#files = files
    this.device = device
    this.#mark = deviceMark(device)
  }

  /**
   * The device without its addresses. Undefined where there is none.
   *
   * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a link of its name was made by another program.
   */
  async readLink(): Promise<Pick<DeviceState, 'isUp'> | undefined> {
    const link = await this.#route.getLink(this.device)
    if (link === undefined || (link.kind === 'dummy' && link.hardwareAddress === this.#mark)) return link
    const why = `link ${this.device} exists and is not ours (it is no dummy link with hardware address ${this.#mark})`
    throw new NetplaneError('ERR_NETPLANE_FOREIGN', `${why}: choose another name, or remove it`)
  }

  /**
   * Undefined where there is no device.
   *
   * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a link of its name was made by another program.
   */
  async read(): Promise<DeviceState | undefined> {
    const link = await this.readLink()
    if (link === undefined) return undefined
    const listed = await orUndefined(ENODEV, this.#route.listAddresses({ link: this.device }))
    return listed && { isUp: link.isUp, addresses: new Set(listed.filter((one) => !isOfKernel(one)).map(({ address }) => address)) }
  }

  /** Makes the device where it is missing, and sets it up. @throws {UnsupportedError} The kernel has no dummy links. */
  async ensureDevice(state: DeviceState | undefined, run: Run): Promise<void> {
    if (state?.isUp === true) return
    run.checkpoint()
    if (state === undefined) await this.#route.addDummy(this.device, { up: true, hardwareAddress: this.#mark })
    else await this.#route.updateLink(this.device, { up: true })
    run.wrote(`link ${this.device}`, 1, 0)
  }

  /** Adds addresses: all, or none. */
  async add(addresses: readonly string[], run: Run): Promise<void> {
    if (addresses.length === 0) return
    run.checkpoint()
    if (addresses.some(looksLikeIPv6)) await this.#allowIPv6()
    await this.#route.addAddresses(this.device, addresses.map(asAdded), { flags: FLAGS, ensure: true, onError: 'atomic' })
    run.wrote(`${addresses.length} addresses`, 1, 0)
  }

  async remove(addresses: readonly string[], run: Run): Promise<void> {
    if (addresses.length === 0) return
    run.checkpoint()
    await this.#route.removeAddresses(this.device, addresses, { ensure: true })
    run.wrote(`removal of ${addresses.length} addresses`, 1, 0)
  }

  /**
   * Removes the device with all addresses; where some of them are others', only what is not theirs.
   *
   * @param isOthers Whether an address is left to others.
   */
  async drop({ addresses }: Pick<DeviceState, 'addresses'>, isOthers: (address: string) => boolean): Promise<void> {
    const ours = [...addresses].filter((address) => !isOthers(address))
    if (ours.length === addresses.size) await this.#route.removeLink(this.device, { ensure: true })
    else await this.#route.removeAddresses(this.device, ours, { ensure: true })
  }

  /** Where IPv6 is switched off for all links, it is so for this one from the start. On others nothing is changed by this: no packet of IPv6 comes by them. */
  async #allowIPv6(): Promise<void> {
    const name = `ipv6/conf/${this.device}/disable_ipv6`
    const value = await orUndefined(ENOENT, this.#files?.read(name) ?? Promise.resolve(undefined))
    if (value === '1') await this.#files?.write(name, '0')
  }

  async close(): Promise<void> {
    await this.#route.close()
  }
}
