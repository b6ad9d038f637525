/**
 * Ports of this node: its addresses are followed from the first frontend on that needs them.
 */
import type { Broadcast } from '../../../core/events/broadcast.js'
import { asNetplaneError } from '../../../core/errors.js'
import type { PlaneEvent, PlaneStatus } from '../../types.js'
import type { Service, Services } from '../../model.js'
import { causeOf, type Backend, type Refusal } from '../backend.js'
import type { ServiceChange } from '../changes/change.js'
import { GradualProposal } from '../changes/gradual.js'
import type { NodeAddresses } from './addresses.js'
import { NodeConflicts } from './conflicts.js'
import type { PortWatch } from './port-watch.js'
import type { Proposal } from '../changes/registry.js'
import { repairRun } from '../run.js'

/** Whether a proposal has frontends at ports of this node; one whose services are not checked yet may have anything in their place. */
function asksForNodePorts(proposal: Proposal | GradualProposal): boolean {
  const services = proposal instanceof GradualProposal ? proposal.candidates.values() : proposal.changes.map(({ after }) => after)
  for (const service of services) {
    try {
      if (service?.frontends.some(({ kind }) => kind === 'node') === true) return true
    } catch {
      // It will be refused.
    }
  }
  return false
}

/** What is needed of a plane's back end and events. */
export interface NodePortsParts {
  readonly addresses: NodeAddresses
  readonly backend: Pick<Backend, 'setNodeAddresses'>
  readonly events: Broadcast<PlaneEvent>
  /** Looks for local processes at such ports; absent on a fake kernel. */
  readonly watch?: PortWatch | undefined
}

/** Hands this node's addresses to the back end. */
export class NodePorts {
  readonly #parts: NodePortsParts
  readonly #conflicts = new NodeConflicts()
  /** The back end was told at least once. */
  #isHanded = false

  constructor(parts: NodePortsParts) {
    this.#parts = parts
  }

  /** Whether a proposal has ports of this node, and its addresses, which are known now, are still to be handed over. @throws {NetplaneError} They cannot be read. */
  async needs(proposal: Proposal | GradualProposal): Promise<boolean> {
    const { addresses } = this.#parts
    if (this.#isHanded || !asksForNodePorts(proposal)) return false
    await addresses.start()
    return true
  }

  /** Lets the back end know the addresses. False where it could not write them, which an event says. */
  async hand(isCommitted: boolean): Promise<boolean> {
    const { addresses, backend, events } = this.#parts
    this.#isHanded = true
    try {
      await backend.setNodeAddresses(addresses.current, isCommitted, repairRun(new Map(), undefined))
      return true
    } catch (error) {
      events.push({ type: 'error', error: asNetplaneError(causeOf(error)) })
      return false
    }
  }

  /** Why a service cannot be applied beside ports of this node: it has an address of this node's for its own. */
  conflict(service: Service): Error | undefined {
    return this.#conflicts.of(service, this.#parts.addresses.current)
  }

  /** All that cannot be applied. */
  conflicts(services: Services): Refusal[] {
    return this.#conflicts.among(services, this.#parts.addresses.current)
  }

  /** Looks for local processes at ports of services that the kernel holds. @param changes What came just now. */
  async lookAround(services: Services, changes?: readonly ServiceChange[]): Promise<void> {
    const { watch, addresses } = this.#parts
    if (addresses.isFollowing) await watch?.look(services, addresses.current, changes)
  }

  status(): Pick<PlaneStatus, 'takenPorts' | 'nodeAddresses'> {
    const { watch, addresses } = this.#parts
    const { ip, ip6 } = addresses.current
    return {
      ...(watch === undefined ? {} : { takenPorts: watch.taken }),
      ...(addresses.isFollowing ? { nodeAddresses: [...ip, ...ip6] } : {})
    }
  }

  /** Follows the addresses no more. */
  async close(): Promise<void> {
    await this.#parts.addresses.close()
    await this.#parts.watch?.close()
  }
}
