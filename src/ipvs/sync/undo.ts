/**
 * Inverse operations, in reverse order.
 */
import type { NetlinkError, TransactionOutcome } from '../../core/errors.js'
import { serverOperation, serviceOperation, type Operation, type ServerOperation } from './diff.js'
import { isDone, Journal } from './journal.js'
import { operationText } from './plan.js'
import type { Limits, SyncTarget } from './target.js'

const opposite = { add: 'remove', remove: 'add', update: 'update' } as const

function inverse(operation: Operation): Operation {
  const verb = opposite[operation.verb]
  const { service, before } = operation
  if (operation.of === 'service') return serviceOperation(verb, operation.before ?? service, before && service)
  const { servers, row } = operation.before ?? operation
  return serverOperation(verb, service, servers, row, before && operation)
}

/** The real servers that went with a service: last first, for the kernel puts each new one before the others (__ip_vs_link_dest). */
function companions({ of, verb, service }: Operation): ServerOperation[] {
  const lost: ServerOperation[] = []
  if (of === 'service' && verb === 'remove')
    for (let row = service.to - 1; row >= service.from; row -= 1) lost.push(serverOperation('add', service, service.servers, row))
  return lost
}

/** What undoing a removal leaves behind. */
function lossOf(operation: Operation): string | undefined {
  if (operation.verb !== 'remove') return undefined
  const words = operationText(operation)
  return operation.of === 'service'
    ? `${words}: its statistics, persistence and the state of its scheduler, and the connections of its real servers`
    : `${words}: its statistics, and connections that sent packets meanwhile`
}

/** What became of an attempt to undo. */
export interface UndoReport extends TransactionOutcome {
  readonly lost: readonly string[]
  /** Why something could not be undone. */
  readonly errors: readonly NetlinkError[]
}

/** Operations that were undone, or should have been. */
export class Undone {
  readonly #attempts: ReadonlyMap<Operation, readonly Operation[]>
  readonly systemCalls: number

  constructor(attempts: ReadonlyMap<Operation, readonly Operation[]>, systemCalls: number) {
    this.#attempts = attempts
    this.systemCalls = systemCalls
  }

  /** What became of these, in the order of sending. */
  report(operations: readonly Operation[]): UndoReport {
    const applied: string[] = []
    const undone: string[] = []
    const unknown: string[] = []
    const lost: string[] = []
    const errors: NetlinkError[] = []
    for (const operation of operations) {
      const { outcome } = operation
      if (outcome !== 'unknown' && outcome !== 'applied') continue
      const words = operationText(operation)
      if (outcome === 'unknown') {
        unknown.push(words)
        continue
      }
      const inverses = this.#attempts.get(operation) ?? []
      for (const { error } of inverses) if (error !== undefined) errors.push(error)
      if (inverses.length > 0 && inverses.every(isDone)) {
        undone.push(words)
        const loss = lossOf(operation)
        if (loss !== undefined) lost.push(loss)
      } else if (inverses.some((attempt) => attempt.outcome === 'unknown')) unknown.push(words)
      else applied.push(words)
    }
    return { applied, undone, unknown, lost, errors }
  }
}

/** Operations that follow one another and share a verb and a kind. */
function runs(operations: readonly Operation[]): Operation[][] {
  const groups: Operation[][] = []
  for (const operation of operations) {
    const last = groups.at(-1)
    const { verb, of } = last?.[0] ?? {}
    if (last !== undefined && verb === operation.verb && of === operation.of) last.push(operation)
    else groups.push([operation])
  }
  return groups
}

/**
 * Undoes what was applied. `operations`: what a journal holds, in the order of sending, a row each; those that were not applied are passed over.
 */
export async function undo(target: SyncTarget, name: string, operations: readonly Operation[], limits: Limits): Promise<Undone> {
  const journal = new Journal(target, name)
  const done = operations.filter(({ outcome }) => outcome === 'applied').reverse()
  const attempts = new Map<Operation, readonly Operation[]>()
  for (const group of runs(done)) {
    const inverses = group.map(inverse)
    await journal.send(inverses, limits)
    const servers = group.map(companions)
    await journal.send(servers.flat(), limits)
    for (const [index, operation] of group.entries())
      attempts.set(operation, [...inverses.slice(index, index + 1), ...(servers[index] ?? [])])
  }
  return new Undone(attempts, journal.systemCalls)
}
