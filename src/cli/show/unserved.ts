/**
 * Addresses that this node got after ports of frontends of kind `node` were written: a command does not follow them, as a process that has a plane open does.
 */
import { formatAddress } from '../../core/address.js'
import { rowAt } from '../../nftables/columns.js'
import { listOwnTables } from '../../nftables/own-tables.js'
import { FAMILIES } from '../../plane/core/frontend.js'
import { chooseAddresses } from '../../plane/core/node/addresses.js'
import { checkIpvsOptions } from '../../plane/ipvs/options.js'
import { nodeAddressesSet } from '../../plane/tables/layout/declarations.js'
import { listIfThere } from '../../plane/tables/reading/list.js'
import { Nftables } from '../../nftables/index.js'
import { Route } from '../../route/index.js'
import type { CommandEnvironment } from '../environment.js'
import { KERNEL_MODES, type KernelMode, type PlaneCommandOptions } from '../options.js'
import { tablesOf } from '../present.js'
import { fewOf } from '../services-file/few.js'

/** An address at which a mode serves no ports of this node, though it serves them at others. */
export interface UnservedAddress {
  readonly mode: KernelMode
  readonly address: string
  readonly link: string
}

/** Addresses at which the ports of this node are served by a mode; undefined: there is none of its tables, or it serves none. */
async function servedBy(nft: Nftables, mode: KernelMode, name: string | undefined): Promise<ReadonlySet<string> | undefined> {
  const own = mode === 'iptables' ? undefined : tablesOf(mode, name)
  if (own === undefined) return undefined
  const served = new Set<string>()
  for (const { family } of await listOwnTables(nft, own, () => undefined)) {
    const listed = await listIfThere(nft, { family, table: own.name, name: nodeAddressesSet(family).name })
    if (listed !== undefined)
      for (const chunk of listed.chunks) for (let row = 0; row < chunk.rows; row++) served.add(formatAddress(rowAt(chunk, row).key))
  }
  return served.size === 0 ? undefined : served
}

/** This node's own addresses, with their links. */
async function ownAddresses(route: Route, name: string | undefined): Promise<ReadonlyMap<string, string>> {
  const links = new Map((await route.listLinks()).map(({ index, name: link }) => [index, link]))
  const device = tablesOf('ipvs', name) === undefined ? undefined : checkIpvsOptions({ name }).device
  const addresses = (await route.listAddresses()).filter(({ linkIndex }) => links.get(linkIndex) !== device)
  const chosen = chooseAddresses(addresses, { choice: 'all' })
  const wanted = new Set(FAMILIES.flatMap((family) => chosen[family]))
  return new Map(
    addresses.flatMap(({ address, linkIndex }) => (wanted.has(address) ? [[address, links.get(linkIndex) ?? '?'] as const] : []))
  )
}

/** Finds addresses at which ports of this node are not served. @param choice Of which mode; absent: of all. */
export async function unservedAddresses(
  { signal, kernel }: CommandEnvironment,
  { mode, netns, name }: Pick<PlaneCommandOptions, 'mode' | 'netns' | 'name'>
): Promise<readonly UnservedAddress[]> {
  await using nft = await Nftables.open({ netns, signal, kernel: kernel?.nftables })
  const served = new Map<KernelMode, ReadonlySet<string>>()
  for (const one of mode === undefined ? KERNEL_MODES : [mode]) {
    const addresses = await servedBy(nft, one, name)
    if (addresses !== undefined) served.set(one, addresses)
  }
  if (served.size === 0) return []
  await using route = await Route.open({ netns: nft, signal, kernel: kernel?.route })
  const own = [...(await ownAddresses(route, name))]
  return [...served].flatMap(([one, addresses]) =>
    own.flatMap(([address, link]) => (addresses.has(address) ? [] : [{ mode: one, address, link }]))
  )
}

/** Says on standard error which they are. */
export function tellUnserved({ stderr }: CommandEnvironment, unserved: readonly UnservedAddress[]): void {
  const lines = unserved.map(
    ({ mode, address, link }) =>
      `address ${address} of link ${link} is not served yet by mode ${mode}: apply again, where all addresses are to be`
  )
  for (const line of fewOf(lines, (more) => `… and ${more} more addresses are not served yet`)) stderr.write(`netplane: ${line}\n`)
}
