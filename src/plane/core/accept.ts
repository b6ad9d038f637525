/**
 * What a service must be like. The checks are the same for every plane, and so are the errors.
 */
import { Buffer } from 'node:buffer'
import { ipv4Number, writeAddress } from '../../core/address.js'
import { requireFields, requireKnown } from '../../core/checks.js'
import { locate, ValidationError } from '../../core/errors.js'
import type { Slices } from '../../core/slices.js'
import { MAX_FRONTENDS, MAX_SERVICE_SLOTS, MAX_SLOTS, type Endpoint, type Frontend, type Service } from '../model.js'
import { endpointKey } from './frontend.js'
import { MAX_WEIGHT, slotCount } from './weights.js'

/** Services that were checked and frozen before: the same reference need not be looked at again. */
const accepted = new WeakSet<Service>()

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const
const FRONTEND_KINDS = ['cluster', 'external'] as const
/** Every scheduler there is. */
export const SCHEDULERS: readonly string[] = ['random', 'hash']
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

function checkInteger(path: string, value: unknown, min: number, max: number): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    refuse(path, value, `an integer from ${min} to ${max}`)
}

function checkFields(value: unknown, fields: readonly string[]): void {
  requireKnown('.', requireFields('', value), fields)
}

/** Where IPv6 addresses are written to be checked: nothing is kept. */
const scratch = new Uint8Array(16)

/** The number of an IPv4 address; -1 where it is one of IPv6. */
function checkAddress(value: unknown): number {
  const address = typeof value === 'string' ? ipv4Number(value) : -1
  if (address < 0 && (typeof value !== 'string' || writeAddress(value, scratch, 0) === 0))
    refuse('.address', value, 'an IPv4 or IPv6 address without prefix or zone')
  return address
}

/** Bytes of the longest name, and how many one character may take in UTF-8. */
const MAX_NAME_BYTES = 255
const MAX_CHARACTER_BYTES = 3

/** Control characters are refused, those of C1 too (Unicode category Cc): names reach terminals and logs. */
function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true
  }
  return false
}

function checkName(path: string, name: unknown): void {
  const isName =
    typeof name === 'string' &&
    name !== '' &&
    (name.length * MAX_CHARACTER_BYTES <= MAX_NAME_BYTES || Buffer.byteLength(name) <= MAX_NAME_BYTES) &&
    !hasControlCharacter(name)
  if (!isName) refuse(path, name, '1 to 255 bytes of text without control characters')
}

function checkFrontend(frontend: Frontend): number {
  checkFields(frontend, FRONTEND_FIELDS)
  checkOneOf('.kind', frontend.kind, FRONTEND_KINDS, false)
  const address = checkAddress(frontend.address)
  checkInteger('.port', frontend.port, 1, 65_535)
  return address
}

function checkEndpoint(endpoint: Endpoint): number {
  checkEndpointFields(endpoint)
  const address = checkAddress(endpoint.address)
  const { port, weight, local, state } = endpoint
  checkInteger('.port', port, 1, 65_535)
  if (weight !== undefined) checkInteger('.weight', weight, 0, MAX_WEIGHT)
  if (local !== undefined && typeof local !== 'boolean') refuse('.local', local, 'true or false')
  if (state !== undefined) checkOneOf('.state', state, STATES, true)
  return address
}

/** As `checkFields`, for what there is a hundred thousand of: names are compared one by one, as constants. */
function checkEndpointFields(endpoint: Endpoint): void {
  requireFields('', endpoint)
  for (const field in endpoint) {
    if (field === 'address' || field === 'port' || field === 'weight' || field === 'local' || field === 'state') continue
    requireKnown('.', endpoint, ENDPOINT_FIELDS)
  }
}

/** Lists so short are compared pair by pair, which makes no garbage. */
const FEW = 12

/** What lists of a few entries have: an IPv4 address with its port, as one number; -1: an IPv6 address. */
const targets = new Float64Array(FEW)

/**
 * Checks some entries. Paths are put together only for what is refused: there may be a million of them.
 *
 * @param check Checks one and returns its IPv4 address as a number, or -1.
 */
function checkEntries<T extends Frontend | Endpoint>(
  path: string,
  entries: readonly T[],
  from: number,
  to: number,
  check: (entry: T) => number
): void {
  let index = from
  try {
    for (; index < to; index++) {
      const entry = entries[index]!
      const address = check(entry)
      if (index < FEW) targets[index] = address < 0 ? -1 : address * 0x1_0000 + entry.port
    }
  } catch (error) {
    throw locate(error, `${path}[${index}]`)
  }
}

function sameTarget(left: Frontend | Endpoint, right: Frontend | Endpoint): boolean {
  return left.port === right.port && endpointKey(left) === endpointKey(right)
}

async function findDuplicate(entries: readonly (Frontend | Endpoint)[], slices: Slices): Promise<number> {
  const seen = new Set<string>()
  for (let index = 0; index < entries.length; index++) {
    if (index % BLOCK === 0 && slices.isOver) await slices.turn()
    if (seen.size === seen.add(endpointKey(entries[index]!)).size) return index
  }
  return -1
}

/** Of a few entries that were checked just now. */
function findDuplicateOfFew(entries: readonly (Frontend | Endpoint)[]): number {
  for (let index = 1; index < entries.length; index++) {
    const target = targets[index]!
    for (let other = 0; other < index; other++)
      if (targets[other] === target && (target >= 0 || sameTarget(entries[index]!, entries[other]!))) return index
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
  checkFields(service, SERVICE_FIELDS)
  checkName('.name', service.name)
  checkOneOf('.protocol', service.protocol, PROTOCOLS, false)
  checkOneOf('.scheduler', service.scheduler, SCHEDULERS, true)
  if (!Array.isArray(service.frontends) || service.frontends.length === 0 || service.frontends.length > MAX_FRONTENDS) {
    refuse('.frontends', service.frontends, `a list of 1 to ${MAX_FRONTENDS} frontends`)
  }
  if (!Array.isArray(service.endpoints)) refuse('.endpoints', service.endpoints, 'a list of endpoints')
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
  // `targets` holds one list at a time, and what is wrong with a frontend is said before what is wrong with an endpoint.
  checkEntries('.frontends', frontends, 0, frontends.length, checkFrontend)
  const twice = findDuplicateOfFew(frontends)
  checkEntries('.endpoints', endpoints, 0, endpoints.length, checkEndpoint)
  refuseDuplicate('.frontends', frontends, twice)
  refuseDuplicate('.endpoints', endpoints, findDuplicateOfFew(endpoints))
  checkSlots(service)
  freeze(frontends, 0, frontends.length)
  freeze(endpoints, 0, endpoints.length)
  Object.freeze(frontends)
  Object.freeze(endpoints)
  Object.freeze(service)
}

/** In blocks, between which the event loop turns. So that the caller cannot change what was checked, lists are frozen first, and entries with their block. */
async function acceptLarge(service: Service, slices: Slices): Promise<void> {
  const { frontends, endpoints } = service
  Object.freeze(frontends)
  Object.freeze(endpoints)
  Object.freeze(service)
  checkEntries('.frontends', frontends, 0, frontends.length, checkFrontend)
  freeze(frontends, 0, frontends.length)
  for (let from = 0; from < endpoints.length; from += BLOCK) {
    if (slices.isOver) await slices.turn()
    const to = Math.min(from + BLOCK, endpoints.length)
    checkEntries('.endpoints', endpoints, from, to, checkEndpoint)
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
