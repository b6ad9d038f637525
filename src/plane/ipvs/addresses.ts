/**
 * The dummy device that holds the services' addresses: packets to them must be for this node before IPVS sees them.
 */
import { NetlinkError } from '../../errors.js'
import type { Route } from '../../route/index.js'

const ENODEV = -19

/** The device, and what is on it. */
export class Addresses {
  readonly #route: Route
  readonly #device: string

  constructor(route: Route, device: string) {
    this.#route = route
    this.#device = device
  }

  /** Makes the device where it is missing. @throws {UnsupportedError} The kernel has no dummy links. */
  async ensureDevice(): Promise<void> {
    await this.#route.createDummy(this.#device, { up: true, ensure: true })
  }

  /** Addresses on the device; link-local ones are the kernel's own. Undefined where there is no device. */
  async read(): Promise<Set<string> | undefined> {
    try {
      const listed = await this.#route.listAddresses({ link: this.#device })
      return new Set(listed.filter(({ scope }) => scope !== 'link').map(({ address }) => address))
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === ENODEV) return undefined
      throw error
    }
  }

  /** Adds addresses: all, or none. */
  async add(addresses: readonly string[]): Promise<void> {
    if (addresses.length === 0) return
    // Without duplicate detection, as nobody else can have them on this device, and without routes: they are local all the same.
    await this.#route.addAddresses(this.#device, addresses, { flags: ['nodad', 'noprefixroute'], ensure: true, onError: 'atomic' })
  }

  async remove(addresses: readonly string[]): Promise<void> {
    if (addresses.length === 0) return
    await this.#route.removeAddresses(this.#device, addresses, { ensure: true })
  }

  /** Removes the device with all addresses. */
  async drop(): Promise<void> {
    await this.#route.deleteLink(this.#device, { ensure: true })
  }
}
