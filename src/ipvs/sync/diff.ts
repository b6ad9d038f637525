/**
 * What has to be done for the kernel to hold what is desired.
 */
import type { RowOutcome } from '../../core/bulk-run.js'
import type { NetlinkError } from '../../core/errors.js'
import { describeServerRow } from '../server-rows.js'
import type { Accepted } from './accept.js'
import { drainSeconds } from './drain-policy.js'
import {
  EndpointIndex,
  sameServer,
  sameService,
  serviceOf,
  withoutWeight,
  type ServerRow,
  type ServerTable,
  type ServiceRow
} from './rows.js'
import type { DrainPolicies } from './types.js'

/** What became of an operation: and why it was refused or is unknown. */
interface Outcome {
  outcome: RowOutcome
  error: NetlinkError | undefined
}

/** One change of a service. */
export interface ServiceOperation extends Outcome {
  readonly of: 'service'
  readonly verb: 'add' | 'update' | 'remove'
  /** As it will be, or with `remove` as it is: its real servers go with it. */
  readonly service: ServiceRow
  readonly before: ServiceRow | undefined
}

/**
 * One change of real servers that follow one another in one table: rows [row, to), which share an outcome. Those that are added are many at a time, so that a
 * first sync makes an operation for each service instead of one for each real server; changes, removals, and what was refused, are one row each.
 */
export interface ServerOperation extends Outcome, ServerRow {
  readonly of: 'realServer'
  readonly verb: 'add' | 'update' | 'remove'
  readonly service: ServiceRow
  to: number
  readonly before: ServerRow | undefined
  /** `drain`: its weight becomes 0. `idle`: it drained. `if-idle`: it is removed only if it has no connections once its weight is 0. */
  readonly why: 'drain' | 'restore' | 'idle' | 'if-idle' | 'deadline' | 'at-once' | undefined
}

export type Operation = ServiceOperation | ServerOperation

export function serviceOperation(verb: Operation['verb'], service: ServiceRow, before?: ServiceRow): ServiceOperation {
  return { of: 'service', verb, service, before, outcome: 'not-sent', error: undefined }
}

export function serverOperation(
  verb: Operation['verb'],
  service: ServiceRow,
  servers: ServerTable,
  row: number,
  before?: ServerRow,
  why?: ServerOperation['why']
): ServerOperation {
  return { of: 'realServer', verb, service, servers, row, to: row + 1, before, why, outcome: 'not-sent', error: undefined }
}

/** How many rows an operation changes. */
export function rowsOf(operation: Operation): number {
  return operation.of === 'service' ? 1 : operation.to - operation.row
}

/** Virtual and real servers that operations are about. */
export function rowsOfAll(operations: readonly Operation[]): number {
  return operations.reduce((sum, operation) => sum + rowsOf(operation), 0)
}

/** An operation as operations of one row each; one of one row is itself. Those with a `before` have one row. */
export function singles<T extends Operation>(operation: T): readonly T[] {
  if (operation.of === 'service' || operation.to === operation.row + 1) return [operation]
  const { row: from, to } = operation
  return Array.from({ length: to - from }, (_, index) => ({ ...operation, row: from + index, to: from + index + 1 }))
}

/** Adds real servers [from, to) of a desired service. */
function pushAdditions(changes: Changes, wanted: ServiceRow, from: number, to: number): void {
  if (from === to) return
  const operation = serverOperation('add', wanted, wanted.servers, from)
  operation.to = to
  changes.addServers.push(operation)
}

/** The text of a real server within its service: `10.1.0.1:80`. Of an operation: its first. */
export function serverName({ servers, row }: ServerRow): string {
  return describeServerRow(servers, row)
}

/** Connections of a real server. */
export interface Connections {
  readonly activeConnections: number
  readonly inactiveConnections: number
}

/** A real server that drains and stays. */
export interface DrainingState {
  readonly service: ServiceRow
  /** With weight 0, in a table that holds no other services' rows. */
  readonly server: ServerRow
  /** Undefined where it is only remembered. */
  readonly connections: Connections | undefined
  readonly deadlineSeconds: number
}

/** All that is to be done, in the order of the phases: each begins when the one before is known to be done. */
export interface Changes {
  readonly updateServices: ServiceOperation[]
  readonly addServices: ServiceOperation[]
  readonly addServers: ServerOperation[]
  readonly updateServers: ServerOperation[]
  readonly removeServers: ServerOperation[]
  readonly removeServices: ServiceOperation[]
  /** Those that drain when all this is done, but for those that go at once because they are idle. */
  readonly draining: DrainingState[]
}

/** What a plan is made by. */
export interface DiffContext {
  readonly policies: DrainPolicies
  /** Seconds since a real server was first seen to drain; 0 when it was not. */
  readonly drainingSeconds: (key: string, server: string) => number
}

export function emptyChanges(): Changes {
  return { updateServices: [], addServices: [], addServers: [], updateServers: [], removeServers: [], removeServices: [], draining: [] }
}

export function isEmptyChange(changes: Changes): boolean {
  const { updateServices, addServices, addServers, updateServers, removeServers, removeServices } = changes
  return [updateServices, addServices, addServers, updateServers, removeServers, removeServices].every((list) => list.length === 0)
}

/** Connections in a row; undefined where it is only remembered. */
export function connectionsOf({ servers, row }: ServerRow): Connections | undefined {
  const { activeConnections, inactiveConnections } = servers
  if (activeConnections === undefined || inactiveConnections === undefined) return undefined
  return { activeConnections: activeConnections[row] ?? 0, inactiveConnections: inactiveConnections[row] ?? 0 }
}

/** Active and inactive ones; 0 where nobody has read them. */
export function countOf(connections: Connections | undefined): number {
  return connections === undefined ? 0 : connections.activeConnections + connections.inactiveConnections
}

export function isIdle(connections: Connections): boolean {
  return countOf(connections) === 0
}

/** Real servers of a service that are desired no longer, by their rows in what is known. */
function dismiss(changes: Changes, known: ServiceRow, rows: readonly number[], wanted: Accepted, context: DiffContext): void {
  const { key } = wanted
  const { servers } = known
  const deadlineSeconds = drainSeconds(serviceOf(wanted), wanted.draining, context.policies) ?? 0
  const weightless = deadlineSeconds === 0 ? servers : withoutWeight(known)
  for (const row of rows) {
    const before = { servers, row }
    const after = { servers: weightless, row: row - known.from }
    const connections = connectionsOf(before)
    const remove = (why: ServerOperation['why']): void => {
      changes.removeServers.push(serverOperation('remove', wanted, servers, row, undefined, why))
    }
    const drain = (): void => void changes.draining.push({ service: wanted, server: after, connections, deadlineSeconds })
    if (deadlineSeconds === 0) remove('at-once')
    else if ((servers.weight[row] ?? 0) > 0) {
      changes.updateServers.push(serverOperation('update', wanted, weightless, after.row, before, 'drain'))
      drain()
      if (connections === undefined || isIdle(connections))
        changes.removeServers.push(serverOperation('remove', wanted, weightless, after.row, undefined, 'if-idle'))
    } else if (connections !== undefined && isIdle(connections)) remove('idle')
    else if (context.drainingSeconds(key, serverName(before)) >= deadlineSeconds) remove('deadline')
    else drain()
  }
}

const index = new EndpointIndex()

/** Real servers that are known to be gone from what is wanted: their rows. */
function compareServers(changes: Changes, known: ServiceRow, wanted: Accepted): number[] {
  const { servers, from, to } = wanted
  index.reset(known.servers, known.to - known.from)
  const left = new Set<number>()
  for (let row = known.from; row < known.to; row += 1) if (index.add(row)) left.add(row)
  let added = from
  for (let row = from; row < to; row += 1) {
    const found = index.find(servers, row)
    if (found === undefined) continue
    pushAdditions(changes, wanted, added, row)
    added = row + 1
    left.delete(found)
    if (sameServer(known.servers, found, servers, row)) continue
    const isRestored = known.servers.weight[found] === 0 && (servers.weight[row] ?? 0) > 0
    const before = { servers: known.servers, row: found }
    changes.updateServers.push(serverOperation('update', wanted, servers, row, before, isRestored ? 'restore' : undefined))
  }
  pushAdditions(changes, wanted, added, to)
  return [...left]
}

/** What it takes for a service to become what is wanted. */
export function compareService(changes: Changes, known: ServiceRow | undefined, wanted: Accepted, context: DiffContext): void {
  if (known === undefined || known.from === known.to) pushAdditions(changes, wanted, wanted.from, wanted.to)
  if (known === undefined) {
    changes.addServices.push(serviceOperation('add', wanted))
    return
  }
  if (!sameService(known, wanted)) changes.updateServices.push(serviceOperation('update', wanted, known))
  if (known.from === known.to) return
  const gone = compareServers(changes, known, wanted)
  if (gone.length > 0) dismiss(changes, known, gone, wanted, context)
}
