/**
 * What an audit looks at each time. At ten thousand services it takes a second to compare every real server, and a tenth of one to list the services: that is done as often as it may take time.
 */
import type { Ipvs } from '../../ipvs/index.js'
import type { Service, Services } from '../model.js'
import type { Addresses } from './addresses.js'
import { virtualServiceName, type VirtualServices } from './compile.js'
import type { NodeSettings } from './settings/settings.js'

/** Full comparisons may take this share of the time: one that lasted 1 s allows the next after 250 s. */
const FULL_SHARE = 0.004
/** And lists of all virtual services and addresses this one. */
const LIST_SHARE = 0.002
/** Services that are asked for where not all are listed: whoever flushes IPVS is seen by any of them. */
const SAMPLE = 8

/** What is asked. */
interface LookedAt {
  readonly ipvs: Pick<Ipvs, 'getService' | 'listServices'>
  readonly addresses: Pick<Addresses, 'read' | 'readLink'>
  readonly virtual: VirtualServices
  readonly settings: Pick<NodeSettings, 'faults'> | undefined
}

/** Decides when everything is compared. */
export class QuickLook {
  readonly #parts: LookedAt
  readonly #now: () => number
  #nextFullAt = 0
  #nextListAt = 0
  /** Looks at samples so far. */
  #samples = 0

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
   * Whether the device is up and has its addresses, every virtual service is there with its scheduler, and the settings are as they must be; of addresses and virtual services that is not asked where
   * it was asked a moment ago and took long, but for the virtual services of some services, which are others each time.
   *
   * @param needed Addresses of the services.
   */
  async isRight(services: Services, needed: Iterable<string>): Promise<boolean> {
    const startedAt = this.#now()
    const isListed = startedAt >= this.#nextListAt
    if (!(await (isListed ? this.#areListed(services, needed) : this.#areSampled(services)))) return false
    if (isListed) this.#nextListAt = this.#now() + (this.#now() - startedAt) / LIST_SHARE
    return ((await this.#parts.settings?.faults()) ?? []).length === 0
  }

  async #areListed(services: Services, needed: Iterable<string>): Promise<boolean> {
    const { ipvs, addresses, virtual } = this.#parts
    const device = await addresses.read()
    if (device?.isUp !== true) return false
    for (const address of needed) if (!device.addresses.has(address)) return false
    const wanted = new Set<string>()
    for (const service of services.values())
      for (const one of virtual.of(service)) wanted.add(`${virtualServiceName(one)} ${one.scheduler!}`)
    for (const one of await ipvs.listServices()) wanted.delete(`${virtualServiceName(one)} ${one.scheduler}`)
    return wanted.size === 0
  }

  async #areSampled(services: Services): Promise<boolean> {
    const { ipvs, addresses, virtual } = this.#parts
    if ((await addresses.readLink())?.isUp !== true) return false
    const wanted = sampleOf(services, this.#samples++).flatMap((service) => virtual.of(service).slice(0, 1))
    const found = await Promise.all(wanted.map((one) => ipvs.getService(one)))
    return wanted.every(({ scheduler }, index) => found[index]?.scheduler === scheduler)
  }
}

/** Some of the services, at equal distances. @param turn How often it was asked before: each time the first one is the next. */
function sampleOf(services: Services, turn: number): Service[] {
  const distance = Math.ceil(services.size / SAMPLE)
  const sample: Service[] = []
  let left = turn % distance
  for (const service of services.values()) {
    if (left === 0) sample.push(service)
    left = left === 0 ? distance - 1 : left - 1
  }
  return sample
}
