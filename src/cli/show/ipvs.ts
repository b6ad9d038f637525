/**
 * Frontends as IPVS has them, with names from the tables beside it.
 */
import { canonicalAddress, type AddressFamily } from '../../core/address.js'
import type { Ipvs, RealServer, VirtualServiceListing } from '../../ipvs/index.js'
import type { Nftables } from '../../nftables/index.js'
import { FAMILIES } from '../../plane/core/frontend.js'
import { checkIpvsOptions } from '../../plane/ipvs/options.js'
import { FIXED_SETS, fwmarkSetOf, markIn, SCOPES, type Scope } from '../../plane/tables/layout/sets.js'
import type { Route } from '../../route/index.js'
import type { ShownEndpoint, ShownFrontend } from './model.js'
import { frontendWords, type FrontendWords } from '../../plane/tables/elements/frontend-key.js'
import { elementsOf, readOurTables, refusedFrontends, type OnForeign } from './tables.js'

/** A frontend that the tables name. */
interface Named extends Partial<FrontendWords> {
  readonly service: string | undefined
}

/** What the tables know of virtual services, by {@link nameOf}. */
type Names = ReadonlyMap<string, Named>

/** What the tables beside IPVS say. */
interface Companion {
  readonly names: Names
  /** Frontends some clients of which are refused; others may have a virtual service. */
  readonly refused: readonly ShownFrontend[]
}

function nameOf(family: AddressFamily, { protocol, address, port }: FrontendWords): string {
  return `${family} ${protocol ?? ''} ${address ?? ''} ${port}`
}

const nameOfMark = (family: AddressFamily, mark: number): string => `${family} mark ${mark}`

/** Schedulers that go by weight alone. */
const BY_WEIGHT: readonly string[] = ['wrr', 'sh', 'mh']

async function readCompanion(nft: Nftables, name: string | undefined, onForeign: OnForeign): Promise<Companion> {
  const tables = await readOurTables(nft, checkIpvsOptions({ name }).table, onForeign)
  const names = new Map<string, Named>()
  const refused = refusedFrontends(tables)
  for (const { family, protocol, address, port = 0, service } of refused)
    names.set(nameOf(family, { protocol, address, port }), { protocol, address, port, service })
  for (const family of FAMILIES) {
    for (const { key, service } of elementsOf(tables, FIXED_SETS[family].served)) {
      const words = frontendWords('address', key)
      names.set(nameOf(family, words), { ...words, service })
    }
    for (const [scope, isOutside] of marked()) {
      const set = fwmarkSetOf(family, scope, isOutside)
      if (set === undefined) continue
      for (const { key, data, service } of elementsOf(tables, set))
        names.set(nameOfMark(family, markIn(data)), { ...frontendWords(scope, key), service })
    }
  }
  return { names, refused }
}

/** Whose packets have marks. */
function marked(): readonly (readonly [Scope, boolean])[] {
  return SCOPES.flatMap((scope) => [[scope, false] as const, [scope, true] as const])
}

function endpointOf(server: RealServer, scheduler: string, sum: number): ShownEndpoint {
  const { address, port, weight, activeConnections, inactiveConnections, statistics } = server
  return {
    ...{ address, port, clients: 'all', weight, activeConnections, inactiveConnections },
    share: BY_WEIGHT.includes(scheduler) && sum > 0 ? weight / sum : undefined,
    connections: statistics?.connections
  }
}

/** Refusals of frontends that have a virtual service go to it; the others are frontends by themselves. */
function withRefusals(found: readonly ShownFrontend[], refused: readonly ShownFrontend[]): ShownFrontend[] {
  const idOf = ({ family, protocol, address, port = 0 }: ShownFrontend): string => nameOf(family, { protocol, address, port })
  const left = new Map(refused.map((one) => [idOf(one), one]))
  const served = found.map((frontend) => {
    const own = left.get(idOf(frontend))
    left.delete(idOf(frontend))
    return own === undefined ? frontend : { ...frontend, refusals: own.refusals }
  })
  return [...served, ...left.values()]
}

function shown(listing: VirtualServiceListing, names: Names, own: ReadonlySet<string>): ShownFrontend {
  const { family, scheduler, realServers } = listing
  const sum = realServers.reduce((before, { weight }) => before + weight, 0)
  const endpoints = realServers.map((server) => endpointOf(server, scheduler, sum))
  const common = { mode: 'ipvs', family, scheduler, endpoints, refusals: [] } as const
  if (listing.fwmark !== undefined) {
    const named = names.get(nameOfMark(family, listing.fwmark))
    return { ...common, ...named, fwmark: listing.fwmark, isOurs: named !== undefined }
  }
  const { protocol, address, port } = listing
  const named = names.get(nameOf(family, { protocol, address, port }))
  return { ...common, protocol, address, port, service: named?.service, isOurs: named !== undefined || own.has(canonicalAddress(address)) }
}

/** The addresses of the plane's device: virtual services there are ours. */
async function addressesOf(route: Route, device: string): Promise<ReadonlySet<string>> {
  const link = (await route.listLinks()).find(({ name }) => name === device)
  if (link === undefined) return new Set()
  return new Set((await route.listAddresses({ link: link.index })).map(({ address }) => canonicalAddress(address)))
}

/**
 * Virtual services, those of other programs included, and frontends without one.
 *
 * @param name Of the device; undefined: the usual one.
 * @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: a table of that name is not ours.
 */
export async function showIpvs(
  clients: { readonly ipvs: Ipvs; readonly nft: Nftables; readonly route: Route },
  name: string | undefined,
  onForeign?: OnForeign
): Promise<ShownFrontend[]> {
  const { ipvs, nft, route } = clients
  const { names, refused } = await readCompanion(nft, name, onForeign)
  const own = await addressesOf(route, checkIpvsOptions({ name }).device)
  const found = (await ipvs.list()).map((listing) => shown(listing, names, own))
  return withRefusals(found, refused)
}
