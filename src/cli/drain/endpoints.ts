/**
 * The endpoints of a file that are to drain.
 */
import { canonicalAddress, parseAddress } from '../../core/address.js'
import { printable, ValidationError } from '../../core/errors.js'
import type { Protocol } from '../../core/protocols.js'
import type { Endpoint, Service, Services } from '../../plane/index.js'
import { CommandError, STATUS } from '../errors.js'

/** Which endpoints are meant. */
export interface EndpointChoice {
  readonly address: string
  /** Absent: all ports. */
  readonly port?: number | undefined
  /** The name of their service; absent: all that have such an endpoint. */
  readonly service?: string | undefined
}

/** An endpoint that is to drain. */
export interface ChosenEndpoint {
  readonly service: string
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
}

/** What is to be applied, and what is to be waited for. */
export interface DrainPlan {
  /** The services of the file, where the chosen endpoints are in state `draining`. */
  readonly services: Services
  readonly endpoints: readonly ChosenEndpoint[]
  /** Services that nobody is left to serve. */
  readonly unserved: readonly string[]
}

const WITH_PORT = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/
const BRACKETED = /^\[([^\]]+)\]$/

/**
 * ADDRESS, ADDRESS:PORT, and either with the address in brackets.
 *
 * @throws {ValidationError} It is none of these.
 */
export function parseEndpoint(text: string): Omit<EndpointChoice, 'service'> {
  const [, bracketed, plain, port] = WITH_PORT.exec(text) ?? []
  const address = bracketed ?? plain ?? BRACKETED.exec(text)?.[1] ?? text
  if (parseAddress(address) === undefined)
    throw new ValidationError('endpoint', text, 'an address, or ADDRESS:PORT, with an IPv6 address in brackets')
  return { address: canonicalAddress(address), ...(port === undefined ? {} : { port: Number(port) }) }
}

function takesConnections({ state = 'ready', weight = 1 }: Endpoint): boolean {
  return state !== 'draining' && weight > 0
}

/**
 * Says of the chosen endpoints that they drain.
 *
 * @throws {CommandError} The file has no such endpoint, or no service of that name.
 */
export function planDrain(services: Services, choice: EndpointChoice): DrainPlan {
  const { address, port, service: name } = choice
  const isMeant = (endpoint: Endpoint): boolean =>
    canonicalAddress(endpoint.address) === address && (port === undefined || endpoint.port === port)
  const endpoints: ChosenEndpoint[] = []
  const unserved: string[] = []
  const drained = new Map<string, Service>(services)
  for (const service of services.values()) {
    const meant = name === undefined || service.name === name ? service.endpoints.filter(isMeant) : []
    if (meant.length === 0) continue
    endpoints.push(...meant.map((one) => ({ service: service.name, protocol: service.protocol, address, port: one.port })))
    const after = service.endpoints.map((one) => (meant.includes(one) ? ({ ...one, state: 'draining' } as const) : one))
    drained.set(service.name, { ...service, endpoints: after })
    if (!after.some(takesConnections)) unserved.push(service.name)
  }
  if (endpoints.length === 0) {
    const whose = name === undefined ? 'no service of the file has' : `the file has no service ${name} with`
    const hint = port === undefined && address.includes(':') ? ': an IPv6 address with a port stands in brackets, [ADDRESS]:PORT' : ''
    throw new CommandError(
      STATUS.usage,
      printable(`${whose} an endpoint ${address}${port === undefined ? '' : ` with port ${port}`}${hint}`)
    )
  }
  return { services: drained, endpoints, unserved }
}
