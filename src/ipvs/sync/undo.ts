/**
 * Inverse operations, in reverse order.
 */
import type { NetlinkError, TransactionOutcome } from '../../errors.js'
import { ROW_APPLIED, ROW_UNKNOWN } from '../column-types.js'
import type { Operation, ServerOperation, ServiceOperation } from './diff.js'
import { isDone, Journal, type Entry } from './journal.js'
import { operationText } from './plan.js'
import type { Limits, SyncTarget } from './target.js'

const opposite = { add: 'remove', remove: 'add', update: 'update' } as const

function inverseOfServer(operation: ServerOperation): ServerOperation {
  const { key, service, verb, server, before } = operation
  return { of: 'realServer', verb: opposite[verb], key, service, server: before ?? server, ...(before !== undefined && { before: server }) }
}

function inverseOfService(operation: ServiceOperation): ServiceOperation {
  const { key, service, verb, before } = operation
  return { of: 'service', verb: opposite[verb], key, service: before ?? service, ...(before !== undefined && { before: service }) }
}

function inverse(operation: Operation): Operation {
  return operation.of === 'service' ? inverseOfService(operation) : inverseOfServer(operation)
}

/** The real servers that went with a service: last first, for the kernel puts each new one before the others (__ip_vs_link_dest). */
function companions(operation: Operation): ServerOperation[] {
  if (operation.of !== 'service' || operation.verb !== 'remove') return []
  const { key, service, servers = [] } = operation
  return servers.map((server): ServerOperation => ({ of: 'realServer', verb: 'add', key, service, server })).reverse()
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
  readonly #attempts: ReadonlyMap<Entry, readonly Entry[]>
  readonly systemCalls: number

  constructor(attempts: ReadonlyMap<Entry, readonly Entry[]>, systemCalls: number) {
    this.#attempts = attempts
    this.systemCalls = systemCalls
  }

  /** What became of these, in the order of sending. */
  report(entries: readonly Entry[]): UndoReport {
    const applied: string[] = []
    const undone: string[] = []
    const unknown: string[] = []
    const lost: string[] = []
    const errors: NetlinkError[] = []
    for (const entry of entries) {
      const words = operationText(entry.operation)
      if (entry.outcome === ROW_UNKNOWN) unknown.push(words)
      if (entry.outcome !== ROW_APPLIED) continue
      const inverses = this.#attempts.get(entry) ?? []
      for (const { error } of inverses) if (error !== undefined) errors.push(error)
      if (inverses.length > 0 && inverses.every(isDone)) {
        undone.push(words)
        const loss = lossOf(entry.operation)
        if (loss !== undefined) lost.push(loss)
      } else if (inverses.some(({ outcome }) => outcome === ROW_UNKNOWN)) unknown.push(words)
      else applied.push(words)
    }
    return { applied, undone, unknown, lost, errors }
  }
}

/** Operations that follow one another and share a verb and a kind. */
function runs(entries: readonly Entry[]): Entry[][] {
  const groups: Entry[][] = []
  for (const entry of entries) {
    const last = groups.at(-1)
    const { verb, of } = last?.[0]?.operation ?? {}
    if (last !== undefined && verb === entry.operation.verb && of === entry.operation.of) last.push(entry)
    else groups.push([entry])
  }
  return groups
}

/**
 * Undoes what was applied. `entries`: what a journal holds, in the order of sending; those that were not applied are passed over.
 */
export async function undo(target: SyncTarget, name: string, entries: readonly Entry[], limits: Limits): Promise<Undone> {
  const journal = new Journal(target, name)
  const done = entries.filter(({ outcome }) => outcome === ROW_APPLIED).reverse()
  const attempts = new Map<Entry, readonly Entry[]>()
  for (const group of runs(done)) {
    const inverses = await journal.send(
      group.map(({ operation }) => inverse(operation)),
      limits
    )
    for (const [index, entry] of group.entries()) attempts.set(entry, inverses.slice(index, index + 1))
    const servers = group.map(({ operation }) => companions(operation))
    const added = await journal.send(servers.flat(), limits)
    let from = 0
    for (const [index, entry] of group.entries()) {
      const count = servers[index]?.length ?? 0
      attempts.set(entry, [...(attempts.get(entry) ?? []), ...added.slice(from, from + count)])
      from += count
    }
  }
  return new Undone(attempts, journal.systemCalls)
}
