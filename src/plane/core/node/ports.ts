/**
 * Ports of this node: its addresses are followed from the first frontend on that needs them.
 */
import { Slices } from '../../../core/slices.js'
import type { OwnAddresses } from './conflicts.js'
import type { Broadcast } from '../../../core/events/broadcast.js'
import { asNetplaneError } from '../../../core/errors.js'
import type { PlaneEvent, PlaneStatus } from '../../types.js'
import type { Service, Services } from '../../model.js'
import { asFailure, type Backend, type BackendFailure, type Refusal } from '../backend.js'
import type { ServiceChange } from '../changes/change.js'
import { GradualProposal } from '../changes/gradual.js'
import { hasNodePort } from '../frontend.js'
import { NO_ADDRESSES, type NodeAddresses } from './addresses.js'
import { NodeConflicts } from './conflicts.js'
import type { PortWatch } from './port-watch.js'
import type { Outcome } from '../changes/refusals.js'
import type { Proposal } from '../changes/registry.js'
import { removalsOf } from '../progress.js'
import { repairRun } from '../run.js'
import { MAX_TRIES, pauseBefore } from '../tries.js'

/** As {@link hasNodePort}, of a service that is not checked yet: it may be anything, and will be refused then. */
function asksForNodePort(service: Service | undefined): boolean {
  try {
    return hasNodePort(service)
  } catch {
    // It will be refused.
    return false
  }
}

/** Whether services have frontends at ports of this node. */
function haveNodePorts(services: Iterable<Service>): boolean {
  for (const service of services) if (hasNodePort(service)) return true
  return false
}

/** As {@link haveNodePorts}, of what is proposed: all services there are, perhaps. */
async function asksForNodePorts(proposal: Proposal | GradualProposal): Promise<boolean> {
  if (!(proposal instanceof GradualProposal)) return proposal.changes.some(({ after }) => asksForNodePort(after))
  const slices = new Slices()
  for (const service of proposal.candidates.values()) {
    if (asksForNodePort(service)) return true
    if (slices.isOver) await slices.turn()
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
  readonly ownAddresses: OwnAddresses
}

/** Hands this node's addresses to the back end. */
export class NodePorts {
  readonly #parts: NodePortsParts
  readonly #conflicts = new NodeConflicts()
  /** Services that the kernel holds have ports of this node: the back end knows its addresses, and no service beside them has one for its own. */
  #isUsed = false
  /** What was found last of the services that are to be. */
  #outcome: { readonly of: Outcome; readonly hasPorts: boolean } | undefined

  constructor(parts: NodePortsParts) {
    this.#parts = parts
  }

  /** Whether a proposal has ports of this node, and its addresses, which are known now, are still to be handed over. @throws {NetplaneError} They cannot be read. */
  async needs(proposal: Proposal | GradualProposal): Promise<boolean> {
    const { addresses } = this.#parts
    if (this.#isUsed || !(await asksForNodePorts(proposal))) return false
    await addresses.start()
    return true
  }

  /** Lets the back end know the addresses, none where no service has ports of this node. False where it could not write them, which an event says. @param isAsked Such ports are about to come. */
  async hand(isCommitted: boolean, isAsked = this.#isUsed): Promise<boolean> {
    return this.#isDone(await this.#write(isCommitted, isAsked))
  }

  /**
   * As {@link NodePorts.hand}, and once more where another process was quicker.
   *
   * @param isCommitted Whether the kernel holds what is committed.
   * @param look Looks at what others have committed, because of which the kernel would refuse the addresses. What fails is told.
   */
  async handAfter(isCommitted: () => boolean, look: () => Promise<void>): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      await pauseBefore(tries)
      if (isCommitted()) await look().catch(() => undefined)
      const failure = await this.#write(isCommitted(), this.#isUsed)
      if (failure?.isRace !== true || tries === MAX_TRIES) return this.#isDone(failure)
    }
  }

  /** What could not be written, and why. */
  async #write(isCommitted: boolean, isAsked: boolean): Promise<BackendFailure | undefined> {
    const { addresses, backend } = this.#parts
    try {
      await backend.setNodeAddresses(isAsked ? addresses.current : NO_ADDRESSES, isCommitted, repairRun(new Map(), undefined))
      return undefined
    } catch (error) {
      return asFailure(error)
    }
  }

  #isDone(failure: BackendFailure | undefined): boolean {
    if (failure !== undefined) this.#parts.events.push({ type: 'error', error: asNetplaneError(failure.cause) })
    return failure === undefined
  }

  /** Why a service cannot be applied beside ports of this node: it has an address of this node's for its own. */
  conflict(service: Service, outcome: Outcome): Error | undefined {
    if (this.#parts.ownAddresses === 'serve') return undefined
    const error = this.#conflicts.of(service, this.#parts.addresses.current)
    if (error === undefined) return undefined
    if (this.#outcome?.of !== outcome) this.#outcome = { of: outcome, hasPorts: haveNodePorts(outcome()) }
    return this.#outcome.hasPorts ? error : undefined
  }

  /** All that cannot be applied beside ports of this node. @param isAsked Such ports are about to come. */
  conflicts(services: Services, isAsked = false): Refusal[] {
    if (this.#parts.ownAddresses === 'serve') return []
    const refusals = this.#conflicts.among(services, this.#parts.addresses.current)
    return refusals.length === 0 || isAsked || haveNodePorts(services.values()) ? refusals : []
  }

  /** What a proposal becomes where ports of this node are about to come: committed services that cannot be beside them go. */
  withoutConflicts({ changes, quarantined }: Proposal, services: Services): Proposal {
    const refusals = this.conflicts(services, true)
    const known = new Set([...quarantined.map(({ service }) => service), ...changes.map(({ name }) => name)])
    const added = refusals.filter(({ service }) => !known.has(service))
    return { changes: [...changes, ...removalsOf(refusals, changes, services)], quarantined: [...quarantined, ...added] }
  }

  /** The kernel holds changes: with the last port of this node its addresses go. False where that failed, which an event says. */
  async took(services: Services, changes: readonly ServiceChange[]): Promise<boolean> {
    const wasUsed = this.#isUsed
    this.#note(services, changes)
    await this.lookAround(services, changes)
    return !wasUsed || this.#isUsed || (await this.hand(true))
  }

  /** Looks for local processes at ports of services that the kernel holds. @param changes What came just now. */
  async lookAround(services: Services, changes?: readonly ServiceChange[]): Promise<void> {
    const { watch, addresses } = this.#parts
    if (addresses.isFollowing) await watch?.look(services, addresses.current, changes)
  }

  #note(services: Services, changes: readonly ServiceChange[]): void {
    if (changes.some(({ after }) => hasNodePort(after))) this.#isUsed = true
    else if (this.#isUsed && changes.some(({ before }) => hasNodePort(before))) this.#isUsed = haveNodePorts(services.values())
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
