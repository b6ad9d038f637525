/**
 * What a plane commits, as the cleaner of stale flows is to see it.
 */
import type { AddressFamily } from '../../core/address.js'
import type { Endpoint, Frontend, Service, Services } from '../model.js'
import type { RelayPorts } from '../tables/elements/frontends.js'
import type { ServiceChange } from '../core/changes/change.js'
import { FAMILIES, isOfFamily } from '../core/frontend.js'
import type { ChangeListener } from '../core/listener.js'
import { mappedListener } from '../core/mapped-listener.js'
import { selectionOf, type Selection } from '../core/balance/selection.js'
import { policiesOf } from './places.js'

/** Stand for relays, whose addresses are those of this node: addresses of documentation (RFC 5737, RFC 3849), from which nobody answers. */
const STAND_IN: Readonly<Record<AddressFamily, string>> = { ip: '192.0.2.1', ip6: '2001:db8::1' }

/** What stands for the relays to which connections to a frontend lead: their ports are those of the relays. */
function standInsOf(service: Service, frontend: Frontend, selections: readonly Selection[], ports: RelayPorts): readonly Endpoint[] {
  return selections
    .filter(({ family }) => isOfFamily(frontend, family))
    .flatMap((selection) =>
      policiesOf(frontend, selection).map((policy) => {
        const { family } = selection
        return { address: STAND_IN[family], port: ports.portOf(service, frontend, family, policy) }
      })
    )
}

/** A service for each group of frontends that lead to the same relays. */
function standingFor(service: Service | undefined, ports: RelayPorts): readonly Service[] {
  if (service === undefined) return []
  const selections = FAMILIES.map((family) => selectionOf(service, family))
  const groups = new Map<string, { readonly endpoints: readonly Endpoint[]; readonly frontends: Frontend[] }>()
  for (const frontend of service.frontends) {
    const endpoints = standInsOf(service, frontend, selections, ports)
    const key = endpoints.map(({ address, port }) => `${address} ${port}`).join()
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { endpoints, frontends: [frontend] })
    else group.frontends.push(frontend)
  }
  return [...groups.values()].map((group) => ({ ...service, ...group }))
}

function* standingIn(changes: readonly ServiceChange[], ports: RelayPorts): Generator<ServiceChange> {
  for (const { name, before, after } of changes) {
    const [all, others] = [standingFor(before, ports), standingFor(after, ports)]
    for (let index = 0; index < Math.max(all.length, others.length); index++) yield { name, before: all[index], after: others[index] }
  }
}

/**
 * Lets a listener see relays in the place of endpoints, which flows do not reach: they are stale where a frontend comes or goes, or leads to another relay, or its first endpoint comes, or its last
 * one goes.
 */
export function withStandIns(listener: ChangeListener, ports: RelayPorts): ChangeListener {
  const standing = (changes: readonly ServiceChange[]): readonly ServiceChange[] => [...standingIn(changes, ports)]
  const standingForAll = (services: Services): Services => {
    const all = [...services].flatMap(([name, service]) =>
      standingFor(service, ports).map((group, index) => [`${name} ${index}`, group] as const)
    )
    return new Map(all)
  }
  return mappedListener(listener, { changes: standing, services: standingForAll })
}
