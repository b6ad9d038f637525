/**
 * What a service must be like. The checks are the same for every plane, and so are the errors.
 */
import { Buffer } from 'node:buffer'
import { looksLikeIPv6, writeAddress } from '../../core/address.js'
import { locate, ValidationError } from '../../core/errors.js'
import type { Slices } from '../../core/slices.js'
import { MAX_FRONTENDS, MAX_SERVICE_SLOTS, MAX_SLOTS, type Endpoint, type Frontend, type Service } from '../model.js'
import { endpointKey } from './frontend.js'
import { slotCount } from './weights.js'

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

function checkInteger(path: string, value: unknown, min: number, max: number, field: string): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    refuse(path + field, value, `an integer from ${min} to ${max}`)
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
  // Names reach terminals and logs, and those of C1 control those too.
  if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > 255 || /\p{Cc}/u.test(name)) {
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

/** Checks some endpoints. Paths are put together only for what is refused: there may be a million of them. */
function checkEndpoints(endpoints: readonly Endpoint[], from: number, to: number): void {
  for (let index = from; index < to; index++) {
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
  return left.address === right.address || (looksLikeIPv6(left.address) && endpointKey(left) === endpointKey(right))
}

async function findDuplicate(entries: readonly (Frontend | Endpoint)[], slices: Slices): Promise<number> {
  const seen = new Set<string>()
  for (let index = 0; index < entries.length; index++) {
    if (index % BLOCK === 0 && slices.isOver) await slices.turn()
    if (seen.size === seen.add(endpointKey(entries[index]!)).size) return index
  }
  return -1
}

function findDuplicateOfFew(entries: readonly (Frontend | Endpoint)[]): number {
  for (let index = 1; index < entries.length; index++) {
    for (let other = 0; other < index; other++) if (sameTarget(entries[index]!, entries[other]!)) return index
  }
  return -1
}

/** Entries that are checked in one go. */
const BLOCK = 256

function refuseDuplicate(path: string, entries: readonly (Frontend | Endpoint)[], index: number): void {
  if (index >= 0) refuse(`${path}[${index}]`, `${entries[index]!.address} port ${entries[index]!.port}`, 'each address and port once')
}

/** What can be said without looking at single frontends and endpoints. */
function checkShape(service: Service): void {
  checkFields('', service, SERVICE_FIELDS)
  checkName('.name', service.name)
  checkOneOf('.protocol', service.protocol, PROTOCOLS, false)
  checkOneOf('.scheduler', service.scheduler, SCHEDULERS, true)
  if (!Array.isArray(service.frontends) || service.frontends.length === 0 || service.frontends.length > MAX_FRONTENDS) {
    refuse('.frontends', service.frontends, `a list of 1 to ${MAX_FRONTENDS} frontends`)
  }
  if (!Array.isArray(service.endpoints)) refuse('.endpoints', service.endpoints, 'a list of endpoints')
}

function checkFrontends(frontends: readonly Frontend[]): void {
  for (let index = 0; index < frontends.length; index++) checkFrontend(`.frontends[${index}]`, frontends[index]!)
}

function checkSlots({ frontends, endpoints }: Service): void {
  const slots = slotCount(endpoints)
  if (slots > MAX_SLOTS) {
    const allowed = `weights that need at most ${MAX_SLOTS} slots (their sum divided by their greatest common divisor)`
    refuse('.endpoints', `weights that need ${slots} slots`, allowed)
  }
  if (slots * frontends.length > MAX_SERVICE_SLOTS) {
    const allowed = `at most ${MAX_SERVICE_SLOTS} slots of all frontends together`
    refuse('.endpoints', `${frontends.length} frontends with ${slots} slots each`, allowed)
  }
}

function freeze(entries: readonly (Frontend | Endpoint)[], from: number, to: number): void {
  for (let index = from; index < to; index++) Object.freeze(entries[index])
}

function acceptSmall(service: Service): void {
  const { frontends, endpoints } = service
  checkFrontends(frontends)
  checkEndpoints(endpoints, 0, endpoints.length)
  refuseDuplicate('.frontends', frontends, findDuplicateOfFew(frontends))
  refuseDuplicate('.endpoints', endpoints, findDuplicateOfFew(endpoints))
  checkSlots(service)
  freeze(frontends, 0, frontends.length)
  freeze(endpoints, 0, endpoints.length)
  Object.freeze(frontends)
  Object.freeze(endpoints)
  Object.freeze(service)
}

/** In blocks, between which the event loop turns. So that nobody changes what was checked, lists are frozen first, and entries with their block. */
async function acceptLarge(service: Service, slices: Slices): Promise<void> {
  const { frontends, endpoints } = service
  Object.freeze(frontends)
  Object.freeze(endpoints)
  Object.freeze(service)
  checkFrontends(frontends)
  freeze(frontends, 0, frontends.length)
  for (let from = 0; from < endpoints.length; from += BLOCK) {
    if (slices.isOver) await slices.turn()
    const to = Math.min(from + BLOCK, endpoints.length)
    checkEndpoints(endpoints, from, to)
    freeze(endpoints, from, to)
  }
  refuseDuplicate('.frontends', frontends, await findDuplicate(frontends, slices))
  refuseDuplicate('.endpoints', endpoints, await findDuplicate(endpoints, slices))
  checkSlots(service)
}

/**
 * Checks one service and freezes it, with all it holds: from here on the same reference means the same service. Services with more than a few entries are looked at in slices.
 *
 * @throws {ValidationError} With the path of the field inside the service (`.frontends[0].port`), its value and what is allowed. A service of up to 12 frontends and endpoints is then left as it
 *   was; a larger one may be frozen.
 */
export function acceptService(service: Service, slices: Slices): Promise<void> | undefined {
  if (typeof service === 'object' && accepted.has(service)) return undefined
  checkShape(service)
  if (service.frontends.length <= FEW && service.endpoints.length <= FEW) {
    acceptSmall(service)
    accepted.add(service)
    return undefined
  }
  return acceptLarge(service, slices).then(() => void accepted.add(service))
}

/** Checks that the key under which a service stands is its name. @throws {ValidationError} */
export function checkKey(key: string, service: Service | undefined): void {
  if (service?.name !== key) refuse('.name', service?.name, `the key under which the service stands: ${JSON.stringify(key)}`)
}
