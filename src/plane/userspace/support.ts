/**
 * What of the model this plane does not carry.
 */
import { UnsupportedError } from '../../core/errors.js'
import { isModelScheduler, type Service } from '../model.js'

const unsupported = (service: string, missing: string, why: string): UnsupportedError =>
  new UnsupportedError(missing, `service ${JSON.stringify(service)}: ${why}`)

/** What decides what relays can do. */
export interface RelaySupport {
  /** Schedulers that relays lack are replaced by another one. */
  readonly hasFallback: boolean
  /** Endpoints are told of clients by a header of the PROXY protocol. */
  readonly proxyProtocol: boolean
}

/** Why a service cannot be carried; undefined: it can. */
export function unsupportedByRelays(
  { name, protocol, scheduler }: Service,
  { hasFallback, proxyProtocol }: RelaySupport
): UnsupportedError | undefined {
  if (protocol === 'sctp') return unsupported(name, 'SCTP', 'relays speak TCP and UDP, as Node has no sockets of SCTP')
  if (protocol === 'udp' && proxyProtocol) return unsupported(name, 'UDP with the PROXY protocol', 'option proxyProtocol is for TCP alone')
  if (scheduler === undefined || hasFallback || (isModelScheduler(scheduler) && scheduler !== 'consistent')) return undefined
  const who = scheduler === 'consistent' ? 'planes of other modes have it' : "planes of mode 'ipvs' have it"
  return unsupported(
    name,
    `scheduler ${scheduler}`,
    `relays have no scheduler ${scheduler}; ${who}, and option schedulerFallback names another one`
  )
}
