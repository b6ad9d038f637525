import { Buffer } from 'node:buffer'
import { parseAddress } from '../address.js'
import { ValidationError } from '../errors.js'
import { slotCount } from './slots.js'
import { MAX_FRONTENDS, MAX_SLOTS, type Endpoint, type Frontend, type Service, type Services } from './model.js'

/** Services that were checked and frozen before: the same reference need not be looked at again. */
const accepted = new WeakSet<Service>()

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const
const FRONTEND_KINDS = ['cluster', 'external'] as const
const SCHEDULERS = ['random', 'hash'] as const
const STATES = ['ready', 'draining'] as const

const SERVICE_FIELDS = ['name', 'protocol', 'frontends', 'endpoints', 'scheduler']
const FRONTEND_FIELDS = ['kind', 'address', 'port']
const ENDPOINT_FIELDS = ['address', 'port', 'weight', 'local', 'state']

function refuse(path: string, value: unknown, allowed: string): never {
  throw new ValidationError(path, value, allowed)
}

function checkOneOf(path: string, value: unknown, allowed: readonly string[], optional: boolean): void {
  if (value === undefined && optional) return
  if (typeof value !== 'string' || !allowed.includes(value)) refuse(path, value, allowed.map((name) => `'${name}'`).join(', '))
}

function checkInteger(path: string, value: unknown, least: number, most: number): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) refuse(path, value, `an integer from ${least} to ${most}`)
}

/** A misspelt field would otherwise be a setting that silently does nothing. */
function checkFields(path: string, value: unknown, fields: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(path, value, 'an object')
  for (const field in value) if (!fields.includes(field)) refuse(`${path}.${field}`, (value as Record<string, unknown>)[field], `one of ${fields.join(', ')}`)
}

function checkAddress(path: string, value: unknown): void {
  if (typeof value !== 'string' || parseAddress(value) === undefined) refuse(path, value, 'an IPv4 or IPv6 address without prefix or zone')
}

function checkName(path: string, name: unknown): void {
  // eslint-disable-next-line no-control-regex -- control characters are what is refused: names reach terminals and logs
  if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > 255 || /[\u0000-\u001f\u007f]/.test(name)) {
    refuse(path, name, '1 to 255 bytes of text without control characters')
  }
}

function checkFrontend(path: string, frontend: Frontend): void {
  checkFields(path, frontend, FRONTEND_FIELDS)
  checkOneOf(`${path}.kind`, frontend.kind, FRONTEND_KINDS, false)
  checkAddress(`${path}.address`, frontend.address)
  checkInteger(`${path}.port`, frontend.port, 1, 65_535)
}

function checkEndpoint(path: string, endpoint: Endpoint): void {
  checkFields(path, endpoint, ENDPOINT_FIELDS)
  checkAddress(`${path}.address`, endpoint.address)
  checkInteger(`${path}.port`, endpoint.port, 1, 65_535)
  if (endpoint.weight !== undefined) checkInteger(`${path}.weight`, endpoint.weight, 0, 65_535)
  if (endpoint.local !== undefined && typeof endpoint.local !== 'boolean') refuse(`${path}.local`, endpoint.local, 'true or false')
  checkOneOf(`${path}.state`, endpoint.state, STATES, true)
}

/** Refuses the same address and port twice. Texts are compared, then bytes, as one IPv6 address has many spellings. */
function checkDistinct(path: string, entries: readonly (Frontend | Endpoint)[]): void {
  const seen = new Set<string>()
  for (const [index, entry] of entries.entries()) {
    const key = entry.address.includes(':') ? `${Buffer.from(parseAddress(entry.address)!).toString('latin1')} ${entry.port}` : `${entry.address} ${entry.port}`
    if (seen.has(key)) refuse(`${path}[${index}]`, `${entry.address} port ${entry.port}`, 'each address and port once')
    seen.add(key)
  }
}

function checkService(path: string, service: Service): void {
  checkFields(path, service, SERVICE_FIELDS)
  checkName(`${path}.name`, service.name)
  checkOneOf(`${path}.protocol`, service.protocol, PROTOCOLS, false)
  checkOneOf(`${path}.scheduler`, service.scheduler, SCHEDULERS, true)
  if (!Array.isArray(service.frontends) || service.frontends.length === 0 || service.frontends.length > MAX_FRONTENDS) {
    refuse(`${path}.frontends`, service.frontends, `a list of 1 to ${MAX_FRONTENDS} frontends`)
  }
  if (!Array.isArray(service.endpoints)) refuse(`${path}.endpoints`, service.endpoints, 'a list of endpoints')
  for (let index = 0; index < service.frontends.length; index++) checkFrontend(`${path}.frontends[${index}]`, service.frontends[index]!)
  for (let index = 0; index < service.endpoints.length; index++) checkEndpoint(`${path}.endpoints[${index}]`, service.endpoints[index]!)
  checkDistinct(`${path}.frontends`, service.frontends)
  checkDistinct(`${path}.endpoints`, service.endpoints)
  const slots = slotCount(service.endpoints)
  if (slots > MAX_SLOTS) refuse(`${path}.endpoints`, `weights that need ${slots} slots`, `weights that need at most ${MAX_SLOTS} slots (their sum divided by their greatest common divisor)`)
}

function freeze(service: Service): void {
  for (const frontend of service.frontends) Object.freeze(frontend)
  for (const endpoint of service.endpoints) Object.freeze(endpoint)
  Object.freeze(service.frontends)
  Object.freeze(service.endpoints)
  Object.freeze(service)
}

/**
 * Checks one service and freezes it, with all it holds: from here on the same reference means the same service.
 *
 * @param path Where the service stands in the caller's terms, the prefix of every error's path: `services["default/web:http"]`.
 * @throws {ValidationError} With the path of the field, its value and what is allowed. The service is then left as it was.
 */
export function acceptService(path: string, service: Service): void {
  if (accepted.has(service)) return
  checkService(path, service)
  freeze(service)
  accepted.add(service)
}

/** Checks that the key under which a service stands is its name. Run before {@link acceptService}, for errors that name the key. */
export function checkKey(services: Services, key: string): void {
  const service = services.get(key)
  if (service?.name !== key) refuse(`services[${JSON.stringify(key)}].name`, service?.name, `the key under which the service stands: ${JSON.stringify(key)}`)
}
