/**
 * Virtual services by the names of the services they carry, and what was done, in numbers.
 */
import { canonicalAddress } from '../../address.js'
import type { IpvsSyncReport, VirtualServiceKey } from '../../ipvs/index.js'
import type { Service } from '../model.js'
import type { PlanEntry } from '../plan.js'
import type { LedgerChange } from './ledger.js'

/** Names a virtual service. */
export function keyText({ protocol, address, port }: VirtualServiceKey): string {
  return `${protocol} ${address === undefined ? '' : canonicalAddress(address)} ${port}`
}

/** Virtual services, real servers and elements written and deleted. */
export function countsOf({ services, realServers }: IpvsSyncReport, { add, remove }: LedgerChange): { added: number; removed: number } {
  const written = services.added + services.updated + realServers.added + realServers.updated
  return { added: written + add.length, removed: services.removed + realServers.removed + remove.length }
}

/** Names of services by their virtual services. */
export function ownersOf(services: Iterable<Service>): Map<string, string> {
  const owners = new Map<string, string>()
  for (const { name, protocol, frontends } of services)
    for (const { address, port } of frontends) owners.set(keyText({ protocol, address, port }), name)
  return owners
}

/** The plan of IPVS, by services. */
export function entriesOf(
  entries: readonly { readonly action: PlanEntry['action']; readonly service: string; readonly details: readonly string[] }[],
  owners: ReadonlyMap<string, string>
): PlanEntry[] {
  const names = new Map([...owners].map(([key, name]) => [spell(key), name]))
  return entries.map(({ action, service, details }) => ({ action, service: names.get(service) ?? service, details }))
}

/** `tcp 10.0.0.1 80` as a plan of IPVS has it: `tcp 10.0.0.1:80`. */
function spell(key: string): string {
  const [protocol = '', address = '', port = ''] = key.split(' ')
  return `${protocol} ${address.includes(':') ? `[${address}]` : address}:${port}`
}
