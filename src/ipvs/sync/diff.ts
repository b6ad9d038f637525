/**
 * What has to be done for the kernel to hold what is desired.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Persistence, RealServer, VirtualService } from '../types.js'
import type { ServerState } from '../server-rows.js'
import { serverKey, stateOf, type Accepted } from './accept.js'
import { drainSeconds } from './drain-policy.js'
import type { DrainPolicies } from './types.js'

/** A real server in the kernel. What is only remembered has no counters. */
export type KnownServer = ServerState & Partial<Pick<RealServer, 'activeConnections' | 'inactiveConnections'>>

/** A service in the kernel. */
export interface KnownService {
  readonly service: VirtualService
  readonly servers: readonly KnownServer[]
}

/** One change of a service. */
export interface ServiceOperation {
  readonly of: 'service'
  readonly verb: 'add' | 'update' | 'remove'
  /** The service's. */
  readonly key: string
  readonly service: VirtualService
  readonly before?: VirtualService
  /** Removed together with the service. */
  readonly servers?: readonly ServerState[]
}

/** One change of a real server. */
export interface ServerOperation {
  readonly of: 'realServer'
  readonly verb: 'add' | 'update' | 'remove'
  /** The service's. */
  readonly key: string
  readonly service: VirtualService
  readonly server: ServerState
  readonly before?: ServerState
  /** `drain`: its weight becomes 0. `idle`: it drained. `if-idle`: it is removed only if it has no connections once its weight is 0. */
  readonly why?: 'drain' | 'restore' | 'idle' | 'if-idle' | 'deadline' | 'at-once'
}

export type Operation = ServiceOperation | ServerOperation

/** A real server that drains and stays. */
export interface DrainingState {
  readonly key: string
  readonly service: VirtualService
  readonly server: KnownServer
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

function samePersistence(left: Persistence | null, right: Persistence | null): boolean {
  if (left === null || right === null) return left === right
  return left.timeoutSeconds === right.timeoutSeconds && left.prefixLength === right.prefixLength && left.netmask === right.netmask
}

/** Whether two services of one key are set alike. */
export function sameService(left: VirtualService, right: VirtualService): boolean {
  return (
    left.scheduler === right.scheduler &&
    left.persistenceEngine === right.persistenceEngine &&
    left.flags.length === right.flags.length &&
    left.flags.every((flag, index) => flag === right.flags[index]) &&
    samePersistence(left.persistence, right.persistence)
  )
}

/**
 * Whether a real server in the kernel is as wanted. `local` in the kernel is as good as any way of forwarding: it chooses that by itself for an address of its
 * own host (__ip_vs_update_dest), and would choose it again.
 */
export function sameServer(known: ServerState, wanted: ServerState): boolean {
  if (known.weight !== wanted.weight || known.upperThreshold !== wanted.upperThreshold) return false
  if (known.lowerThreshold !== wanted.lowerThreshold) return false
  if (known.forwarding === 'local') return true
  return known.forwarding === wanted.forwarding && (known.tunnel === wanted.tunnel || isDeepStrictEqual(known.tunnel, wanted.tunnel))
}

function connectionsOf({ activeConnections, inactiveConnections }: KnownServer): number | undefined {
  return activeConnections === undefined || inactiveConnections === undefined ? undefined : activeConnections + inactiveConnections
}

/** A real server that is desired no longer. */
function dismiss(changes: Changes, wanted: Accepted, server: KnownServer, context: DiffContext): void {
  const { key, service } = wanted
  const remove = (why: ServerOperation['why']): void => {
    changes.removeServers.push({ of: 'realServer', verb: 'remove', key, service, server, ...(why !== undefined && { why }) })
  }
  const deadlineSeconds = drainSeconds(service, wanted.draining, context.policies) ?? 0
  if (deadlineSeconds === 0) {
    remove('at-once')
    return
  }
  const connections = connectionsOf(server)
  if (server.weight > 0) {
    const after: ServerState = { ...stateOf(server), weight: 0 }
    changes.updateServers.push({ of: 'realServer', verb: 'update', key, service, before: server, server: after, why: 'drain' })
    changes.draining.push({ key, service, server: { ...server, weight: 0 }, deadlineSeconds })
    if (connections === undefined || connections === 0)
      changes.removeServers.push({ of: 'realServer', verb: 'remove', key, service, server: after, why: 'if-idle' })
  } else if (connections === 0) {
    remove('idle')
  } else if (context.drainingSeconds(key, serverKey(server)) >= deadlineSeconds) {
    remove('deadline')
  } else {
    changes.draining.push({ key, service, server, deadlineSeconds })
  }
}

function compareServers(changes: Changes, known: readonly KnownServer[], wanted: Accepted, context: DiffContext): void {
  const { key, service } = wanted
  if (known.length === 0) {
    for (const server of wanted.servers) changes.addServers.push({ of: 'realServer', verb: 'add', key, service, server })
    return
  }
  const byKey = new Map(known.map((server) => [serverKey(server), server]))
  for (const server of wanted.servers) {
    const name = serverKey(server)
    const before = byKey.get(name)
    byKey.delete(name)
    if (before === undefined) changes.addServers.push({ of: 'realServer', verb: 'add', key, service, server })
    else if (!sameServer(before, server)) {
      const isRestored = before.weight === 0 && server.weight > 0
      changes.updateServers.push({ of: 'realServer', verb: 'update', key, service, before, server, ...(isRestored && { why: 'restore' }) })
    }
  }
  for (const server of byKey.values()) dismiss(changes, wanted, server, context)
}

/** What it takes for a service to become what is wanted. */
export function compareService(changes: Changes, known: KnownService | undefined, wanted: Accepted, context: DiffContext): void {
  const { key, service } = wanted
  if (known === undefined) changes.addServices.push({ of: 'service', verb: 'add', key, service })
  else if (!sameService(known.service, service))
    changes.updateServices.push({ of: 'service', verb: 'update', key, service, before: known.service })
  compareServers(changes, known?.servers ?? [], wanted, context)
}

/** What it takes for a service to go: its real servers go with it. */
export function removeService(changes: Changes, key: string, { service, servers }: KnownService): void {
  changes.removeServices.push({ of: 'service', verb: 'remove', key, service, servers: servers.map(stateOf) })
}
