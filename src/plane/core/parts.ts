/**
 * What {@link ServicePlane} is made of.
 */
import type { Broadcast } from '../../core/events/broadcast.js'
import type { Service, Services } from '../model.js'
import type { PlaneEvent } from '../types.js'
import type { Backend } from './backend.js'
import type { Quarantined } from './changes/plan.js'
import type { ChangeListener } from './listener.js'
import type { NodePorts } from './node/ports.js'

/** What a plane is made of. */
export interface ServicePlaneParts {
  readonly backend: Backend
  /** How often the kernel is audited, milliseconds; 0: never. */
  readonly auditMs: number
  readonly events: Broadcast<PlaneEvent>
  readonly listener?: ChangeListener | undefined
  /** Opens what follows this node's addresses; `onChange` is to be called with each change. */
  readonly nodePorts?: ((onChange: () => void) => NodePorts) | undefined
  /** All addresses of this node at the moment, in any spelling. */
  readonly ownAddresses: () => Promise<readonly string[]>
  /** Why a service cannot be carried, whatever the back end could do. */
  readonly refusal?: ((service: Service) => Error | undefined) | undefined
}

/** What a plane has in the kernel. */
export interface Holding {
  /** There was a `sync`, so that the services are all that there are to be. */
  readonly hasSynced: boolean
  readonly services: Services
  readonly quarantined: readonly Quarantined[]
  /** Of those, what the plane would try again by itself. */
  readonly postponed: Services
}
