/**
 * Ending IPVS without cutting connections: they live as long as their virtual services and real servers do, and need the addresses on the device.
 */
import type { Retired } from '../core/backend.js'
import { isIn } from '../core/ranges.js'
import { AT_ONCE } from './apply.js'
import { ourPlaces, ownership, placeOf, type Subsystems } from './inspect.js'

/** Whoever ends the back end says for how long connections may go on. */
const UNTIL_IDLE = { deadlineSeconds: Infinity } as const

/** Our places by what the kernel holds. @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: something of our name is not ours. */
async function readPlaces(subsystems: Subsystems, asked: Iterable<string>) {
  const device = await subsystems.addresses.read()
  return { device, ours: ourPlaces(subsystems, device, await subsystems.tables.inspect(new Map()), asked) }
}

/**
 * Gives weight 0 to the real servers of all virtual services of ours, which are removed once they are idle, and takes the rules away that lead or refuse new connections.
 *
 * @param asked Where services were asked for.
 */
export async function drainAll(subsystems: Subsystems, asked: Iterable<string>): Promise<void> {
  const { ipvs, tables } = subsystems
  const { ours } = await readPlaces(subsystems, asked)
  const services = (await ipvs.list({ statistics: false })).filter((service) => ours.has(placeOf(service)))
  const idle = services.map((service) => ({ ...service, realServers: [], draining: UNTIL_IDLE }))
  if (idle.length > 0) await ipvs.sync(idle, { owns: ownership(ours), onError: 'atomic' })
  await tables.retire()
}

/** What IPVS still has, as it was read last. */
export function drainedSoFar({ ipvs }: Pick<Subsystems, 'ipvs'>): Retired {
  const draining = ipvs.listDraining()
  let connections = 0
  for (const { activeConnections = 0, inactiveConnections = 0 } of draining) connections += activeConnections + inactiveConnections
  return { connections, isDone: draining.length === 0 }
}

/** Virtual services first: what is left of them must not lead to addresses that are gone. Nothing is removed unless all that has our name is ours; addresses that are left to others keep the device. */
export async function removeAll(subsystems: Subsystems, asked: Iterable<string>): Promise<void> {
  const { ipvs, addresses, tables, settings, excluded } = subsystems
  const { device, ours } = await readPlaces(subsystems, asked)
  if (ours.size > 0) await ipvs.sync([], { owns: ownership(ours), draining: AT_ONCE })
  if (device !== undefined) await addresses.drop(device, (address) => isIn(address, excluded))
  await tables.cleanUp()
  await settings?.putBack()
}
