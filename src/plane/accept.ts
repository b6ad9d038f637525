import { Buffer } from 'node:buffer'
import { looksLikeIPv6, parseAddress, writeAddress } from '../address.js'
import { locate, ValidationError } from '../errors.js'
import { slotCount } from './slots.js'
import { MAX_FRONTENDS, MAX_SLOTS, type Endpoint, type Frontend, type Service } from './model.js'

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

function checkInteger(path: string, value: unknown, least: number, most: number, field: string): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
    refuse(path + field, value, `an integer from ${least} to ${most}`)
}

/** A misspelt field would otherwise be a setting that silently does nothing. */
function checkFields(path: string, value: unknown, fields: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(path, value, 'an object')
  for (const field in value)
    if (!fields.includes(field)) refuse(`${path}.${field}`, (value as Record<string, unknown>)[field], `one of ${fields.join(', ')}`)
}

/** Where addresses are written to be checked: nothing is kept. */
const scratch = new Uint8Array(16)

function checkAddress(path: string, value: unknown, field: string): void {
  if (typeof value !== 'string' || writeAddress(value, scratch, 0) === 0)
    refuse(path + field, value, 'an IPv4 or IPv6 address without prefix or zone')
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
  checkAddress(path, frontend.address, '.address')
  checkInteger(path, frontend.port, 1, 65_535, '.port')
}

function checkEndpoint(endpoint: Endpoint): void {
  checkFields('', endpoint, ENDPOINT_FIELDS)
  checkAddress('', endpoint.address, '.address')
  checkInteger('', endpoint.port, 1, 65_535, '.port')
  if (endpoint.weight !== undefined) checkInteger('', endpoint.weight, 0, 65_535, '.weight')
  if (endpoint.local !== undefined && typeof endpoint.local !== 'boolean') refuse('.local', endpoint.local, 'true or false')
  if (endpoint.state !== undefined) checkOneOf('.state', endpoint.state, STATES, true)
}

/** Paths are put together only for what is refused: there may be a million endpoints. */
function checkEndpoints(endpoints: readonly Endpoint[]): void {
  for (let index = 0; index < endpoints.length; index++) {
    try {
      checkEndpoint(endpoints[index]!)
    } catch (error) {
      throw locate(error, `.endpoints[${index}]`)
    }
  }
}

/** Lists so short are compared pair by pair, which makes no garbage. */
const FEW = 12

function sameTarget(left: Frontend | Endpoint, right: Frontend | Endpoint): boolean {
  if (left.port !== right.port) return false
  return (
    left.address === right.address ||
    (looksLikeIPv6(left.address) && looksLikeIPv6(right.address) && spelling(left.address) === spelling(right.address))
  )
}

/** One IPv6 address has many spellings. */
function spelling(address: string): string {
  return looksLikeIPv6(address) ? Buffer.from(parseAddress(address)!).toString('latin1') : address
}

function findDuplicate(entries: readonly (Frontend | Endpoint)[]): number {
  if (entries.length <= FEW) {
    for (let index = 1; index < entries.length; index++) {
      for (let other = 0; other < index; other++) if (sameTarget(entries[index]!, entries[other]!)) return index
    }
    return -1
  }
  const seen = new Set<string>()
  return entries.findIndex(({ address, port }) => seen.size === seen.add(`${spelling(address)} ${port}`).size)
}

/** Refuses the same address and port twice. */
function checkDistinct(path: string, entries: readonly (Frontend | Endpoint)[]): void {
  const index = findDuplicate(entries)
  if (index >= 0) refuse(`${path}[${index}]`, `${entries[index]!.address} port ${entries[index]!.port}`, 'each address and port once')
}

function checkService(service: Service): void {
  checkFields('', service, SERVICE_FIELDS)
  checkName('.name', service.name)
  checkOneOf('.protocol', service.protocol, PROTOCOLS, false)
  checkOneOf('.scheduler', service.scheduler, SCHEDULERS, true)
  if (!Array.isArray(service.frontends) || service.frontends.length === 0 || service.frontends.length > MAX_FRONTENDS) {
    refuse('.frontends', service.frontends, `a list of 1 to ${MAX_FRONTENDS} frontends`)
  }
  if (!Array.isArray(service.endpoints)) refuse('.endpoints', service.endpoints, 'a list of endpoints')
  for (let index = 0; index < service.frontends.length; index++)
    checkFrontend(`.frontends[${index}]`, (service.frontends as readonly Frontend[])[index]!)
  checkEndpoints(service.endpoints)
  checkDistinct('.frontends', service.frontends)
  checkDistinct('.endpoints', service.endpoints)
  const slots = slotCount(service.endpoints)
  if (slots > MAX_SLOTS)
    refuse(
      '.endpoints',
      `weights that need ${slots} slots`,
      `weights that need at most ${MAX_SLOTS} slots (their sum divided by their greatest common divisor)`
    )
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
 * @throws {ValidationError} With the path of the field inside the service (`.frontends[0].port`), its value and what is allowed. The service is then left as it was.
 */
export function acceptService(service: Service): void {
  if (typeof service === 'object' && accepted.has(service)) return
  checkService(service)
  freeze(service)
  accepted.add(service)
}

/** Checks that the key under which a service stands is its name. @throws {ValidationError} */
export function checkKey(key: string, service: Service | undefined): void {
  if (service?.name !== key) refuse('.name', service?.name, `the key under which the service stands: ${JSON.stringify(key)}`)
}
