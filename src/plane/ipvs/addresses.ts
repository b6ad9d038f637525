/**
 * The dummy device that holds the services' addresses: packets to them must be for this node before IPVS sees them.
 */
import { createHash } from 'node:crypto'
import { ENODEV } from '../../core/errno.js'
import { NetplaneError } from '../../core/errors.js'
import { orUndefined } from '../../core/failures.js'
import type { Route } from '../../route/index.js'
import type { Run } from '../core/run.js'

/**
 * The hardware address by which a device is known as ours: it is there from the moment the device is, which an alias (IFLA_IFALIAS) is not. Locally administered; `np`, `l` of netplane, and three bytes
 * that go by the name.
 */
export function deviceMark(name: string): string {
  const hash = createHash('sha256').update(name).digest()
  return ['6e', '70', '6c', ...[0, 1, 2].map((index) => hash[index]!.toString(16).padStart(2, '0'))].join(':')
}

/** What is there. */
export interface DeviceState {
  readonly isUp: boolean
  /** Link-local ones, which are the kernel's own, left out. */
  readonly addresses: ReadonlySet<string>
}

/** The device, and what is on it. */
export class Addresses {
  readonly #route: Route
  readonly device: string
  readonly #mark: string

  constructor(route: Route, device: string) {
    this.#route = route
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
    return listed && { isUp: link.isUp, addresses: new Set(listed.filter(({ scope }) => scope !== 'link').map(({ address }) => address)) }
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
    // Without duplicate detection, as nothing else can have them on this device, and without routes: they are local all the same.
    await this.#route.addAddresses(this.device, addresses, { flags: ['nodad', 'noprefixroute'], ensure: true, onError: 'atomic' })
    run.wrote(`${addresses.length} addresses`, 1, 0)
  }

  async remove(addresses: readonly string[], run: Run): Promise<void> {
    if (addresses.length === 0) return
    run.checkpoint()
    await this.#route.removeAddresses(this.device, addresses, { ensure: true })
    run.wrote(`removal of ${addresses.length} addresses`, 1, 0)
  }

  /** Removes the device with all addresses. */
  async drop(): Promise<void> {
    await this.#route.removeLink(this.device, { ensure: true })
  }

  async close(): Promise<void> {
    await this.#route.close()
  }
}
