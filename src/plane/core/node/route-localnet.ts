/**
 * The setting `net.ipv4.conf.all.route_localnet`, which connections to ports of this node at its loopback addresses need: they leave by another link than loopback, and their answers come in by it, which
 * the kernel refuses to route otherwise (ip_route_output_key_hash_rcu and ip_route_input_slow, net/ipv4/route.c). It is that of all links, because endpoints are behind links that come and go.
 */
import type { SystemSettings } from '../system-settings.js'

const NAME = 'ipv4/conf/all/route_localnet'
const [OFF, ON] = ['0', '1'] as const

/** Milliseconds between two looks at the setting by audits. */
const LOOK_MS = 1000

/** What the setting was before a plane switched it on. It is written into our table, so that whoever removes the table can put it back. */
export type FoundSetting = 0 | 1

/** What helps where the setting cannot be written. */
export const ROUTE_LOCALNET_HINT = 'option loopbackNodePorts needs it: write 1 to it yourself where /proc/sys is read-only'

/** Switches the setting on, and back to what it was. */
export class RouteLocalnet {
  readonly #settings: SystemSettings
  #nextLookAt = 0
  /** As it was before; undefined: not known yet. */
  found: FoundSetting | undefined

  constructor(settings: SystemSettings) {
    this.#settings = settings
  }

  /**
   * Finds out how the setting is, and that it can be changed, before anything else is.
   *
   * @param noted What a plane has noted before.
   * @throws {NetlinkError} `EROFS`, `EACCES`: it cannot be written.
   */
  async prepare(noted: FoundSetting | undefined): Promise<void> {
    const now = await this.#settings.read(NAME)
    this.found ??= noted ?? (now === OFF ? 0 : 1)
    if (now === OFF) await this.#settings.write(NAME, OFF)
  }

  /** Switches it on; only where our tables are in place that keep others from loopback addresses. @throws {NetlinkError} */
  async switchOn(noted: FoundSetting | undefined): Promise<void> {
    this.found ??= noted
    this.#nextLookAt = performance.now() + LOOK_MS
    if ((await this.#settings.read(NAME)) === OFF) await this.#settings.write(NAME, ON)
  }

  /** As {@link RouteLocalnet.switchOn}, where that is some time ago. @throws {NetlinkError} */
  async keepOn(): Promise<void> {
    if (performance.now() >= this.#nextLookAt) await this.switchOn(undefined)
  }

  /** Puts it back to what it was; only while our tables are still in place. @throws {NetlinkError} */
  async putBack(noted: FoundSetting | undefined): Promise<void> {
    if ((noted ?? this.found) === 0 && (await this.#settings.read(NAME)) !== OFF) await this.#settings.write(NAME, OFF)
    this.found = undefined
  }
}
