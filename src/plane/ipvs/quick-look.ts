/**
 * What an audit looks at each time. To compare every real server takes a second at ten thousand services, so that is done now and then.
 */
import type { Ipvs } from '../../ipvs/index.js'
import type { Services } from '../model.js'
import type { Addresses } from './addresses.js'
import { virtualServiceName, type VirtualServices } from './compile.js'
import type { NodeSettings } from './settings/settings.js'

/** Full comparisons may take this share of the time: one that lasted 1 s allows the next after 200 s. */
const FULL_SHARE = 0.005

/** What is asked. */
interface LookedAt {
  readonly ipvs: Pick<Ipvs, 'listServices'>
  readonly addresses: Pick<Addresses, 'read'>
  readonly virtual: VirtualServices
  readonly settings: Pick<NodeSettings, 'faults'> | undefined
}

/** Decides when everything is compared. */
export class QuickLook {
  readonly #parts: LookedAt
  readonly #now: () => number
  #nextFullAt = 0

  /** @param now Milliseconds of a clock that never goes back. */
  constructor(parts: LookedAt, now: () => number = () => performance.now()) {
    this.#parts = parts
    this.#now = now
  }

  /** Everything is to be compared. */
  get isFullDue(): boolean {
    return this.#now() >= this.#nextFullAt
  }

  /** Makes a full comparison, and takes note of how long it takes. */
  async compare<T>(comparison: () => Promise<T>): Promise<T> {
    const startedAt = this.#now()
    const result = await comparison()
    this.#nextFullAt = this.#now() + (this.#now() - startedAt) / FULL_SHARE
    return result
  }

  /**
   * Whether the device is up and has its addresses, every virtual service is there with its scheduler, and the settings are as they must be.
   *
   * @param needed Addresses of the services.
   */
  async isRight(services: Services, needed: Iterable<string>): Promise<boolean> {
    const { ipvs, addresses, virtual, settings } = this.#parts
    const device = await addresses.read()
    if (device?.isUp !== true) return false
    for (const address of needed) if (!device.addresses.has(address)) return false
    const wanted = new Set<string>()
    for (const service of services.values())
      for (const one of virtual.of(service)) wanted.add(`${virtualServiceName(one)} ${one.scheduler!}`)
    for (const one of await ipvs.listServices()) wanted.delete(`${virtualServiceName(one)} ${one.scheduler}`)
    return wanted.size === 0 && ((await settings?.faults()) ?? []).length === 0
  }
}
