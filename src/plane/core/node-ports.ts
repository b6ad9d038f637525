/**
 * Ports of this node: its addresses are followed from the first frontend on that needs them.
 */
import type { Broadcast } from '../../core/events/broadcast.js'
import { asNetplaneError } from '../../core/errors.js'
import type { PlaneEvent } from '../types.js'
import { causeOf, type Backend } from './backend.js'
import { GradualProposal } from './gradual.js'
import type { NodeAddresses } from './node-addresses.js'
import type { Proposal } from './registry.js'
import { repairRun } from './run.js'

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
}

/** Hands this node's addresses to the back end. */
export class NodePorts {
  readonly #parts: NodePortsParts

  constructor(parts: NodePortsParts) {
    this.#parts = parts
  }

  /** Whether a proposal is the first one with ports of this node: then its addresses are known now, and are to be handed over. @throws {NetplaneError} They cannot be read. */
  async needs(proposal: Proposal | GradualProposal): Promise<boolean> {
    const { addresses } = this.#parts
    if (addresses.isFollowing || !asksForNodePorts(proposal)) return false
    await addresses.start()
    return true
  }

  /** Lets the back end know the addresses. False where it could not write them, which an event says. */
  async hand(isCommitted: boolean): Promise<boolean> {
    const { addresses, backend, events } = this.#parts
    try {
      await backend.setNodeAddresses(addresses.current, isCommitted, repairRun(new Map(), undefined))
      return true
    } catch (error) {
      events.push({ type: 'error', error: asNetplaneError(causeOf(error)) })
      return false
    }
  }

  /** Follows the addresses no more. */
  async close(): Promise<void> {
    await this.#parts.addresses.close()
  }
}
