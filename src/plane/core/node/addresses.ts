/**
 * This node's own addresses at which ports of frontends of kind `node` are served, followed as they come and go.
 */
import { canonicalAddress, type AddressFamily } from '../../../core/address.js'
import { asNetplaneError, ValidationError } from '../../../core/errors.js'
import type { NetplaneError } from '../../../core/errors.js'
import type { LinkAddress, Route, RouteEvent, RouteEvents } from '../../../route/index.js'
import { NO_WAYS, readDefaultWays, type DefaultWay, type DefaultWays } from './default-routes.js'
import { isServiceLink } from './service-links.js'
import { isIn, type RangesByFamily, requireRanges } from '../ranges.js'

/**
 * Which addresses of this node serve its ports.
 *
 * - `all`: every one but those of loopback.
 * - `primary`: of each family the address by which the default route leaves: the preferred source of the default route in the main table, of several of the one with the lowest
 *   metric; else the first global address of its link; else, where that has none, the source that the kernel takes. Without a default route it is the first global address of the
 *   link with the lowest index that has one. Temporary and deprecated addresses are passed over. It changes with the default route.
 * - a list of prefixes: the addresses in them, those of loopback too where a prefix is within `127.0.0.0/8` or `::1/128`.
 */
export type NodeAddressesOption = 'all' | 'primary' | readonly string[]

/** Addresses by family, in order. */
export type NodeAddressList = Readonly<Record<AddressFamily, readonly string[]>>

/** No addresses. */
export const NO_ADDRESSES: NodeAddressList = { ip: [], ip6: [] }

/** Option `nodeAddresses`, checked. */
export type NodeAddressChoice = 'all' | 'primary' | RangesByFamily

/** Checks option `nodeAddresses`. @throws {ValidationError} */
export function checkNodeAddresses(option: NodeAddressesOption | undefined): NodeAddressChoice {
  if (option === undefined || option === 'all') return 'all'
  if (option === 'primary') return option
  if (typeof option === 'string') throw new ValidationError('nodeAddresses', option, "'all', 'primary' or a list of prefixes")
  return requireRanges('nodeAddresses', option)
}

const LOOPBACK: RangesByFamily = requireRanges('loopback', ['127.0.0.0/8', '::1/128'])

/** Addresses that cannot be used yet or any more, and those of a link alone, which need a zone, are nobody's target. */
function isUsable({ scope, flags }: LinkAddress): boolean {
  return scope !== 'link' && !flags.includes('tentative') && !flags.includes('dadfailed')
}

/** Whether it is an address by which a node is known: of a family's global ones none that ends by itself. IPv6 calls a temporary address `secondary` (RFC 8981). */
function isLasting({ family, scope, flags }: LinkAddress): boolean {
  return scope === 'global' && !flags.includes('deprecated') && !(family === 'ip6' && flags.includes('secondary'))
}

/** Of the default route, else of the link with the lowest index; a link's own order is that of the kernel, which takes the first one as source. */
function primaryOf(usable: readonly LinkAddress[], family: AddressFamily, way: DefaultWay | undefined): string[] {
  const own = usable.filter((address) => address.family === family && !isIn(address.address, LOOPBACK))
  const lasting = own.filter(isLasting).sort((left, right) => left.linkIndex - right.linkIndex)
  const found =
    own.find(({ address }) => address === way?.preferred) ??
    lasting.find(({ linkIndex }) => linkIndex === way?.linkIndex) ??
    lasting.find(({ address }) => address === way?.source) ??
    lasting[0]
  return found === undefined ? [] : [found.address]
}

function chosenOf(usable: readonly LinkAddress[], choice: NodeAddressChoice, family: AddressFamily, ways: DefaultWays): string[] {
  if (choice === 'primary') return primaryOf(usable, family, ways[family])
  const isChosen = choice === 'all' ? (address: string) => !isIn(address, LOOPBACK) : (address: string) => isIn(address, choice)
  return usable.filter((address) => address.family === family && isChosen(address.address)).map(({ address }) => address)
}

/** What {@link chooseAddresses} goes by. */
export interface NodeAddressSettings {
  readonly choice: NodeAddressChoice
  /** Families of which those of loopback are taken in any case; default: none. */
  readonly loopback?: readonly AddressFamily[]
  /** Whether those of loopback are left out, whatever was chosen: a carrier serves them. */
  readonly isLoopbackCarried?: boolean | undefined
}

/** The addresses that a choice takes, in order and each once. @param ways Needed for `primary` alone. */
export function chooseAddresses(
  addresses: readonly LinkAddress[],
  { choice, loopback: families = [], isLoopbackCarried = false }: NodeAddressSettings,
  ways: DefaultWays = NO_WAYS
): NodeAddressList {
  const usable = addresses.filter((one) => isUsable(one) && !(isLoopbackCarried && isIn(one.address, LOOPBACK)))
  const of = (family: AddressFamily): readonly string[] => {
    const loopback = families.includes(family) ? chosenOf(usable, LOOPBACK, family, ways) : []
    return [...new Set([...chosenOf(usable, choice, family, ways), ...loopback].map(canonicalAddress))].sort()
  }
  return { ip: of('ip'), ip6: of('ip6') }
}

const NONE: ReadonlySet<number> = new Set()

/** Whether it is as planes write addresses of services: most nodes have no other one of that length, and their links need not be listed. */
function mayBeOfService({ family, address, prefixLength }: LinkAddress): boolean {
  return prefixLength === (family === 'ip' ? 32 : 128) && !isIn(address, LOOPBACK)
}

async function findServiceLinks(route: Route): Promise<ReadonlySet<number>> {
  return new Set((await route.listLinks()).filter(isServiceLink).map(({ index }) => index))
}

/** What {@link NodeAddresses} tells. */
export interface NodeAddressListener {
  /** The addresses are other ones. */
  readonly onChange: () => void
  /** They could not be read or followed; that is tried again. */
  readonly onError: (error: NetplaneError) => void
}

/** Milliseconds between a change and the next reading: several addresses often come at once. */
const SETTLE_MS = 10
const RETRY_MS = 1000

/** Follows the addresses from {@link NodeAddresses.start} on. Never keeps the process alive. */
export class NodeAddresses {
  readonly #open: () => Promise<Route>
  readonly #settings: NodeAddressSettings
  /** Whether default routes count. They change without an address, those of IPv4 with their link and without a word. */
  readonly #hasRoutes: boolean
  readonly #listener: NodeAddressListener
  #route: Route | undefined
  #starting: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  #isFollowing = false
  #current: NodeAddressList = NO_ADDRESSES
  /** Links of planes, when addresses were last read: what is there is not the node's own. */
  #serviceLinks: ReadonlySet<number> = NONE
  /** Rises with every event about addresses. */
  #version = 0
  /** All that the links have, kept where default routes count: links come and go with every pod, and that changes few addresses. */
  #listed: { readonly version: number; readonly addresses: readonly LinkAddress[] } | undefined

  constructor(open: () => Promise<Route>, settings: NodeAddressSettings, listener: NodeAddressListener) {
    this.#open = open
    this.#settings = settings
    this.#hasRoutes = settings.choice === 'primary'
    this.#listener = listener
  }

  /** The addresses as they were last seen; none before the start. */
  get current(): NodeAddressList {
    return this.#current
  }

  /** Whether the addresses are known. */
  get isFollowing(): boolean {
    return this.#isFollowing
  }

  /** Begins to follow, and resolves once the addresses are known. Later calls change nothing. @throws {NetplaneError} They cannot be read. */
  async start(): Promise<void> {
    if (this.#starting === undefined) {
      const starting = this.#begin()
      this.#starting = starting
      starting.catch(() => (this.#starting = undefined))
    }
    await this.#starting
  }

  /** Follows no more. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#starting?.catch(() => undefined)
    await this.#route?.close()
  }

  async #begin(): Promise<void> {
    this.#route ??= await this.#open()
    const events = await this.#route.watch({ links: this.#hasRoutes, defaultRoutes: this.#hasRoutes, ref: false })
    void this.#follow(events)
    await this.#read()
    this.#isFollowing = true
  }

  async #follow(events: RouteEvents): Promise<void> {
    try {
      for await (const event of events) this.#take(event)
      if (!this.#isClosed) this.#schedule(RETRY_MS)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** What an event says is read again: a list is right whatever was missed. */
  #take(event: RouteEvent): void {
    // All addresses of services come and go there.
    if (event.type !== 'lost' && event.kind === 'address' && this.#serviceLinks.has(event.object.linkIndex)) return
    if (event.type === 'lost' || event.kind === 'address') this.#version += 1
    this.#schedule(SETTLE_MS)
  }

  async #read(): Promise<void> {
    const route = this.#route!
    const version = this.#version
    const addresses = this.#listed?.version === version ? this.#listed.addresses : await this.#list(route)
    if (this.#hasRoutes) this.#listed = { version, addresses }
    const next = chooseAddresses(addresses, this.#settings, this.#hasRoutes ? await readDefaultWays(route, addresses) : NO_WAYS)
    const isSame = (['ip', 'ip6'] as const).every((family) => next[family].join() === this.#current[family].join())
    if (isSame) return
    this.#current = next
    if (this.#isFollowing) this.#listener.onChange()
  }

  /** Links of planes may come and go meanwhile, and one that was made anew has another index than the one whose addresses were read: then all is read again. */
  async #list(route: Route): Promise<readonly LinkAddress[]> {
    for (;;) {
      const before = this.#serviceLinks
      const addresses = await route.listAddresses()
      this.#serviceLinks = addresses.some(mayBeOfService) ? await findServiceLinks(route) : NONE
      if ([...before].join() === [...this.#serviceLinks].join()) return addresses.filter(({ linkIndex }) => !before.has(linkIndex))
    }
  }

  #schedule(milliseconds: number): void {
    if (this.#timer !== undefined || this.#isClosed) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#read().catch((error: unknown) => this.#fail(error))
    }, milliseconds)
    this.#timer.unref()
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return
    this.#listener.onError(asNetplaneError(error))
    this.#schedule(RETRY_MS)
  }
}
