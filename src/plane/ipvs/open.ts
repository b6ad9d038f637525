/**
 * Opening IPVS, and what stands beside it.
 */
import { release } from 'node:os'
import { asNetplaneError } from '../../core/errors.js'
import { namespaceOf } from '../../core/options.js'
import { Ipvs } from '../../ipvs/index.js'
import { lacksScheduler } from '../../ipvs/schedulers.js'
import { Nftables } from '../../nftables/index.js'
import { Route } from '../../route/index.js'
import type { Backend } from '../core/backend.js'
import { kernelSettings, type SystemSettings } from '../core/system-settings.js'
import { tableParts } from '../tables/open.js'
import { ServiceTables } from '../tables/tables.js'
import type { PlaneEvent } from '../types.js'
import { Addresses } from './addresses.js'
import { AnnouncedAddresses } from './announced.js'
import { IpvsBackend } from './backend.js'
import { VirtualServices } from './compile.js'
import { walkThrough } from './explain.js'
import type { IpvsPlaneSettings } from './options.js'
import { Schedulers } from './schedulers.js'
import { NotedSettings } from './settings/notes.js'
import { NodeSettings } from './settings/settings.js'
import { possibleSettings, SETTINGS_HINT, versionOf } from './settings/table.js'

/** The settings of the namespace in which IPVS is. */
function nodeSettings(files: SystemSettings, ipvs: Ipvs, nft: Nftables, { system, table }: IpvsPlaneSettings): NodeSettings {
  const possible = possibleSettings(system, { files, ipvs, kernel: versionOf(release()) })
  return new NodeSettings(possible, new NotedSettings(nft, table.name))
}

/**
 * Opens the three clients; closes again what was opened where one cannot be. Nothing is written.
 *
 * @param tell Told what the back end finds by itself, and what goes wrong while endpoints drain.
 */
export async function openIpvsBackend(settings: IpvsPlaneSettings, tell: (event: PlaneEvent) => void): Promise<Backend> {
  const { client, kernel, table, device, excluded, reservedPorts, draining } = settings
  const opened: { close(): Promise<void> }[] = []
  const open = async <T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
    const client = await opening
    opened.push(client)
    return client
  }
  try {
    const ipvs = await open(Ipvs.open({ ...client, kernel: kernel?.ipvs }))
    // A path or a name may stand for another namespace by now; a fake has none.
    const netns = kernel?.ipvs === undefined ? ipvs : client.netns
    const route = await open(Route.open({ ...client, netns, kernel: kernel?.route }))
    const nft = await open(Nftables.open({ ...client, netns, kernel: kernel?.nftables }))
    const isFake = kernel !== undefined
    const files = isFake ? undefined : kernelSettings(namespaceOf(ipvs), SETTINGS_HINT)
    const schedulers = new Schedulers(settings.schedulers, (name) => lacksScheduler(ipvs, name), tell)
    const subsystems = {
      ipvs,
      addresses: new Addresses(route, device, files),
      tables: new ServiceTables(nft, table, tableParts(nft, { table, reservedPorts, isFake, walk: walkThrough(ipvs, device) }, tell)),
      virtual: new VirtualServices(schedulers, table.marks!, draining),
      schedulers,
      draining: draining.policies,
      drainChoice: draining,
      excluded,
      settings: files && nodeSettings(files, ipvs, nft, settings),
      announced: files && new AnnouncedAddresses(route, files, device, tell)
    }
    return new IpvsBackend(subsystems, (error) => tell({ type: 'error', error: asNetplaneError(error) }))
  } catch (error) {
    await Promise.all(opened.map((client) => client.close()))
    throw error
  }
}
