/**
 * Checks of what relays are told.
 */
import { requireAddress } from '../../../core/address.js'
import { requireFields, requireFlag, requireInteger, requireKnown } from '../../../core/checks.js'
import { UnsupportedError, ValidationError } from '../../../core/errors.js'
import { MAX_AFFINITY_SECONDS } from '../../model.js'
import type { RelaySettings } from './account.js'
import type { RelayEndpoint, RelayOptions, RelaySpec } from './types.js'

/** Most connections that may be allowed: more than Linux lets a process have descriptors for. */
export const MAX_CONNECTIONS = 2 ** 30
/** Longest times, in seconds: what timers of Node can wait (2^31 - 1 milliseconds). */
export const MAX_SECONDS = 2_147_483
/** Most threads: more than processors help nobody. */
const MAX_THREADS = 64

const SPEC_FIELDS = ['id', 'protocol', 'listenAddress', 'listenPort', 'endpoints', 'scheduler', 'affinity', 'drainSeconds', 'proxyProtocol']

const MAX_PORT = 65_535

const DEFAULTS = { maxConnections: 10_000, udpUnansweredSeconds: 30, udpIdleSeconds: 120 } as const

/** The options with their defaults. @throws {ValidationError} */
export function checkOptions(options: RelayOptions): RelaySettings {
  const fields = requireFields('relays', options)
  requireKnown('relays.', options, [...Object.keys(DEFAULTS), 'maxConnectionsPerRelay', 'logsConnections', 'threads'])
  const number = (name: string, max: number, byDefault: number): number =>
    fields[name] === undefined ? byDefault : requireInteger(`relays.${name}`, fields[name], 1, max)
  const maxConnections = number('maxConnections', MAX_CONNECTIONS, DEFAULTS.maxConnections)
  return {
    maxConnections,
    maxConnectionsPerRelay: number('maxConnectionsPerRelay', MAX_CONNECTIONS, maxConnections),
    udpUnansweredSeconds: number('udpUnansweredSeconds', MAX_SECONDS, DEFAULTS.udpUnansweredSeconds),
    udpIdleSeconds: number('udpIdleSeconds', MAX_SECONDS, DEFAULTS.udpIdleSeconds),
    logsConnections: requireFlag('relays.logsConnections', options.logsConnections),
    threads: fields['threads'] === undefined ? 0 : requireInteger('relays.threads', fields['threads'], 0, MAX_THREADS)
  }
}

/**
 * Refuses what no relay can do.
 *
 * @throws {ValidationError}
 * @throws {UnsupportedError} SCTP.
 */
export function checkSpec(spec: RelaySpec): void {
  const { id, protocol, scheduler, affinity, drainSeconds } = requireFields('spec', spec) as unknown as RelaySpec
  requireKnown('spec.', spec, SPEC_FIELDS)
  if (typeof id !== 'string' || id === '') throw new ValidationError('spec.id', id, 'a text that is not empty')
  checkProtocol(id, protocol)
  const family = requireAddress('spec.listenAddress', spec.listenAddress).length
  requireInteger('spec.listenPort', spec.listenPort, 0, MAX_PORT)
  checkEndpoints(spec.endpoints, family)
  if (!['random', 'hash'].includes(scheduler)) throw new ValidationError('spec.scheduler', scheduler, 'random or hash')
  if (affinity !== undefined) {
    const { timeoutSeconds } = requireFields('spec.affinity', affinity)
    requireInteger('spec.affinity.timeoutSeconds', timeoutSeconds, 1, MAX_AFFINITY_SECONDS)
  }
  if (drainSeconds !== undefined) requireInteger('spec.drainSeconds', drainSeconds, 0, MAX_SECONDS)
  checkProxyProtocol(spec)
}

function checkProtocol(id: string, protocol: unknown): void {
  if (protocol === 'sctp') throw new UnsupportedError('SCTP', `relay ${id}: relays speak TCP and UDP, as Node has no sockets of SCTP`)
  if (protocol !== 'tcp' && protocol !== 'udp') throw new ValidationError('spec.protocol', protocol, 'tcp or udp')
}

function checkEndpoints(endpoints: readonly RelayEndpoint[], family: number): void {
  if (!Array.isArray(endpoints)) throw new ValidationError('spec.endpoints', endpoints, 'a list')
  for (const [index, { address, port, weight }] of endpoints.entries()) {
    const path = `spec.endpoints[${index}]`
    requireAddress(`${path}.address`, address, family === 4 ? 'ip' : 'ip6')
    requireInteger(`${path}.port`, port, 1, MAX_PORT)
    requireInteger(`${path}.weight`, weight, 0, MAX_PORT)
  }
}

function checkProxyProtocol({ protocol, proxyProtocol }: RelaySpec): void {
  if (proxyProtocol === undefined) return
  if (protocol === 'udp')
    throw new ValidationError('spec.proxyProtocol', proxyProtocol, 'nothing for UDP: relays send this header over TCP alone')
  const { address, port } = requireFields('spec.proxyProtocol', proxyProtocol)
  requireAddress('spec.proxyProtocol.address', address)
  requireInteger('spec.proxyProtocol.port', port, 1, MAX_PORT)
}

/** Refuses to change what a relay listens on. @throws {ValidationError} */
export function checkSameListener(before: RelaySpec, after: RelaySpec, port: number): void {
  for (const field of ['protocol', 'listenAddress'] as const)
    if (before[field] !== after[field])
      throw new ValidationError(`spec.${field}`, after[field], `${before[field]}, as the relay was begun with`)
  if (after.listenPort !== 0 && after.listenPort !== port)
    throw new ValidationError('spec.listenPort', after.listenPort, `0 or ${port}, at which the relay listens`)
}
