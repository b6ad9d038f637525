/**
 * What a plane commits, as the cleaner of stale flows is to see it.
 */
import type { Services, Service, Endpoint } from '../model.js'
import type { ServiceChange } from '../core/changes/change.js'
import { FAMILIES, familiesOf } from '../core/frontend.js'
import type { ChangeListener } from '../core/listener.js'
import { selectionOf } from '../core/balance/selection.js'

/** Stands for all endpoints of a family: addresses of documentation (RFC 5737, RFC 3849), from which nobody answers. */
const STAND_IN: Readonly<Record<'ip' | 'ip6', Endpoint>> = {
  ip: { address: '192.0.2.1', port: 1 },
  ip6: { address: '2001:db8::1', port: 1 }
}

/** Whether connections to a service lead to a relay, of either policy. */
function leadsToRelay(service: Service, family: 'ip' | 'ip6'): boolean {
  const { cluster, local } = selectionOf(service, family)
  return (cluster ?? local) !== undefined && service.frontends.some((frontend) => familiesOf(frontend).includes(family))
}

function standingFor(service: Service | undefined): Service | undefined {
  if (service === undefined) return undefined
  return { ...service, endpoints: FAMILIES.filter((family) => leadsToRelay(service, family)).map((family) => STAND_IN[family]) }
}

/**
 * Lets a listener see one endpoint in the place of all: flows end at relays, whatever endpoints these have. Flows are stale where a frontend comes or goes, or its first endpoint, or its last one.
 */
export function withStandIns(listener: ChangeListener): ChangeListener {
  const standing = (changes: readonly ServiceChange[]): readonly ServiceChange[] =>
    changes.map((change) => ({ ...change, before: standingFor(change.before), after: standingFor(change.after) }))
  return {
    before: (changes) => listener.before(changes),
    done: () => listener.done(),
    after: (changes) => listener.after(standing(changes)),
    reset: (services: Services, changes) =>
      listener.reset(new Map([...services].map(([name, service]) => [name, standingFor(service)!])), standing(changes)),
    status: () => listener.status(),
    close: (cleanup) => listener.close(cleanup)
  }
}
