/**
 * Plans as people read them.
 */
import { formatSocketAddress } from '../../core/address.js'
import { printable } from '../../core/errors.js'
import { describeService } from '../keys.js'
import { decodeServerState, type ServerState } from '../server-rows.js'
import type { Persistence, Tunnel, VirtualService } from '../types.js'
import { isEmptyChange, serverName, singles, type Changes, type Operation, type ServerOperation, type ServiceOperation } from './diff.js'
import { serviceOf, type ServerRow } from './rows.js'
import type { DrainingServer, IpvsPlan, IpvsPlanEntry } from './types.js'

const SIGNS = { add: '+', change: '~', remove: '-' } as const

function persistenceText(persistence: Persistence | null): string {
  if (persistence === null) return 'none'
  const { timeoutSeconds, prefixLength, netmask } = persistence
  return `${timeoutSeconds} s by ${netmask ?? `/${prefixLength}`}`
}

function tunnelText(tunnel: Tunnel | null): string {
  if (tunnel === null) return 'ipip'
  return [tunnel.type, ...(tunnel.port === undefined ? [] : [`port ${tunnel.port}`]), ...(tunnel.flags ?? [])].join(' ')
}

/** A setting as text, and the value that goes without saying. */
type Settings<T> = readonly (readonly [name: string, text: (value: T) => string, silent: string])[]
const serviceSettings: Settings<VirtualService> = [
  ['scheduler', ({ scheduler }) => scheduler, ''],
  ['flags', ({ flags }) => (flags.length === 0 ? 'none' : flags.join(' ')), 'none'],
  ['persistence', ({ persistence }) => persistenceText(persistence), 'none'],
  ['persistence engine', ({ persistenceEngine }) => persistenceEngine ?? 'none', 'none']
]
const serverSettings: Settings<ServerState> = [
  ['weight', ({ weight }) => `${weight}`, ''],
  ['forwarding', ({ forwarding }) => forwarding, 'masquerade'],
  ['tunnel', ({ tunnel }) => tunnelText(tunnel), 'ipip'],
  ['upper threshold', ({ upperThreshold }) => `${upperThreshold}`, '0'],
  ['lower threshold', ({ lowerThreshold }) => `${lowerThreshold}`, '0']
]

function describe<T>(settings: Settings<T>, value: T): string {
  return settings.flatMap(([name, text, silent]) => (text(value) === silent ? [] : [`${name} ${text(value)}`])).join(', ')
}

/** The settings of a service that do not go without saying: `scheduler rr, flags one-packet`. Different settings have different texts. */
export function describeServiceSettings(service: VirtualService): string {
  return describe(serviceSettings, service)
}

/** The settings of a real server that do not go without saying: `weight 1, forwarding tunnel`. Different settings have different texts. */
export function describeServerSettings(server: ServerState): string {
  return describe(serverSettings, server)
}

function differences<T>(settings: Settings<T>, before: T, after: T): string {
  return settings.flatMap(([name, text]) => (text(before) === text(after) ? [] : [`${name} ${text(before)} -> ${text(after)}`])).join(', ')
}

const reasons: Readonly<Record<NonNullable<ServerOperation['why']>, string>> = {
  drain: ' (drains)',
  restore: ' (restored)',
  idle: ' (drained)',
  'if-idle': ' (when it has no connections)',
  deadline: ' (deadline)',
  'at-once': ' (at once)'
}

const stateOf = ({ servers, row }: ServerRow): ServerState => decodeServerState(servers, row)

function serverPhrase(operation: ServerOperation): string {
  const { verb, before, why } = operation
  const name = serverName(operation)
  const reason = why === undefined ? '' : reasons[why]
  if (verb === 'add') return `+ ${name} ${describeServerSettings(stateOf(operation))}`
  if (verb === 'remove' || before === undefined) return `- ${name}${reason}`
  return `${name} ${differences(serverSettings, stateOf(before), stateOf(operation))}${reason}`
}

function servicePhrase({ verb, service, before }: ServiceOperation): string {
  if (verb === 'add') return describeServiceSettings(serviceOf(service))
  if (verb === 'update' && before !== undefined) return differences(serviceSettings, serviceOf(before), serviceOf(service))
  const count = service.to - service.from
  return `with ${count} real ${count === 1 ? 'server' : 'servers'}`
}

/** An operation of one row in words, for reports: `add real server 10.0.0.1:80 of tcp 10.96.0.1:80`. */
export function operationText(operation: Operation): string {
  const { key } = operation.service
  if (operation.of === 'service') return `${operation.verb} service ${key}`
  return `${operation.verb} real server ${serverName(operation)} of ${key}`
}

const actions = { add: 'add', update: 'change', remove: 'remove' } as const

function makeEntries(changes: Changes): IpvsPlanEntry[] {
  const entries = new Map<string, { action: IpvsPlanEntry['action']; service: string; details: string[] }>()
  const entryOf = ({ service: { key } }: Operation, action: IpvsPlanEntry['action']): string[] => {
    let entry = entries.get(key)
    if (entry === undefined) entries.set(key, (entry = { action, service: key, details: [] }))
    return entry.details
  }
  const { addServices, updateServices, addServers, updateServers, removeServers, removeServices } = changes
  for (const operation of [...addServices, ...updateServices]) entryOf(operation, actions[operation.verb]).push(servicePhrase(operation))
  for (const operation of [...addServers, ...updateServers, ...removeServers])
    for (const single of singles(operation)) entryOf(single, 'change').push(serverPhrase(single))
  for (const operation of removeServices) entryOf(operation, 'remove').push(servicePhrase(operation))
  return [...entries.values()]
}

function drainingLine({ service, address, port, activeConnections, inactiveConnections, remainingSeconds }: DrainingServer): string {
  const connections =
    activeConnections === undefined || inactiveConnections === undefined
      ? 'connections not read yet'
      : `${activeConnections} active, ${inactiveConnections} inactive connections`
  const left = Number.isFinite(remainingSeconds) ? `${Math.ceil(remainingSeconds)} s left` : 'no deadline'
  return `! ${describeService(service)}  ${formatSocketAddress(address, port)} drains: ${connections}, ${left}`
}

/** Makes the printable plan. */
export function makePlan(changes: Changes, draining: readonly DrainingServer[], notes: readonly string[]): IpvsPlan {
  let entries: readonly IpvsPlanEntry[] | undefined
  const isEmpty = isEmptyChange(changes)
  return {
    get entries() {
      return (entries ??= makeEntries(changes))
    },
    draining,
    notes,
    isEmpty,
    toString() {
      const lines = this.entries.map(({ action, service, details }) => `${SIGNS[action]} ${service}  ${details.join(', ')}`)
      const all = [...(isEmpty ? ['nothing to do'] : lines), ...draining.map(drainingLine), ...notes.map((note) => `! ${note}`)]
      return all.map(printable).join('\n')
    }
  }
}
