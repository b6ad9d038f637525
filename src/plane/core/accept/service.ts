/**
 * What a service must be like. The checks are the same for every plane, and so are the errors.
 */
import { locate } from '../../../core/errors.js'
import { SERVICE_PROTOCOLS } from '../../../core/protocols.js'
import type { Slices } from '../../../core/slices.js'
import {
  IPVS_SCHEDULERS,
  MAX_AFFINITY_SECONDS,
  MAX_FRONTENDS,
  MAX_PRIORITY,
  MAX_SERVICE_SLOTS,
  MAX_SLOTS,
  MODEL_SCHEDULERS,
  type Endpoint,
  type Frontend,
  type Service
} from '../../model.js'
import { checkCarrier, checkFields, checkInteger, checkName, checkOneOf, refuse } from './checks.js'
import { checkEndpoint, checkFrontend } from './entries.js'
import { tableSize } from '../balance/consistent.js'
import { endpointKey, formatFrontend, formatTarget, frontendIdentities, type FrontendKey } from '../frontend.js'
import { slotCount } from '../balance/weights.js'

/** Services that were checked and frozen before: the same reference need not be looked at again. */
const accepted = new WeakSet<Service>()

/** Every scheduler there is. */
export const SCHEDULERS: readonly string[] = [...MODEL_SCHEDULERS, ...IPVS_SCHEDULERS]

const SERVICE_FIELDS = ['name', 'protocol', 'frontends', 'endpoints', 'scheduler', 'affinity', 'carrier', 'priority']

/** Lists so short are checked in one go, and compared pair by pair, which makes no garbage. */
const FEW = 128

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

/** The identities of an entry: a port of the node's has one for each family. */
function identities(entry: Frontend | Endpoint): readonly FrontendKey[] {
  return 'kind' in entry ? frontendIdentities('tcp', entry) : [endpointKey(entry)]
}

/** Whether an entry has one of the identities that were seen; they are seen from now on. */
function isSeen(seen: Set<FrontendKey>, entry: Frontend | Endpoint): boolean {
  for (const key of identities(entry)) if (seen.size === seen.add(key).size) return true
  return false
}

async function findDuplicate(entries: readonly (Frontend | Endpoint)[], slices: Slices): Promise<number> {
  const seen = new Set<FrontendKey>()
  for (let index = 0; index < entries.length; index++) {
    if (index % BLOCK === 0 && slices.isOver) await slices.turn()
    if (isSeen(seen, entries[index]!)) return index
  }
  return -1
}

/** Of a few entries that were checked just now. */
function findDuplicateOfFew(entries: readonly (Frontend | Endpoint)[]): number {
  let seen: Set<FrontendKey> | undefined
  for (let index = 0; index < entries.length; index++) {
    const target = targets[index]!
    if (target < 0) {
      if (isSeen((seen ??= new Set()), entries[index]!)) return index
      continue
    }
    for (let other = 0; other < index; other++) if (targets[other] === target) return index
  }
  return -1
}

/** Entries that are checked in one go. */
const BLOCK = 256

function refuseDuplicate(path: string, entries: readonly (Frontend | Endpoint)[], index: number): void {
  if (index < 0) return
  const entry = entries[index]!
  refuse(`${path}[${index}]`, 'kind' in entry ? formatFrontend(entry) : formatTarget(entry), 'each address and port once')
}

/** What can be said without looking at single frontends and endpoints. */
function checkShape(service: Service): void {
  checkFields(service, SERVICE_FIELDS)
  checkName('.name', service.name)
  checkOneOf('.protocol', service.protocol, SERVICE_PROTOCOLS)
  const { scheduler, affinity, carrier, priority } = service
  if (scheduler !== undefined) checkOneOf('.scheduler', scheduler, SCHEDULERS)
  if (carrier !== undefined) checkCarrier('.carrier', carrier)
  if (priority !== undefined) checkInteger('.priority', priority, -MAX_PRIORITY, MAX_PRIORITY)
  if (affinity !== undefined) {
    checkFields(affinity, ['timeoutSeconds'], '.affinity')
    checkInteger('.affinity.timeoutSeconds', affinity.timeoutSeconds, 1, MAX_AFFINITY_SECONDS)
  }
  if (!Array.isArray(service.frontends) || service.frontends.length === 0 || service.frontends.length > MAX_FRONTENDS) {
    refuse('.frontends', service.frontends, `a list of 1 to ${MAX_FRONTENDS} frontends`)
  }
  if (!Array.isArray(service.endpoints)) refuse('.endpoints', service.endpoints, 'a list of endpoints')
}

function checkSlots({ frontends, endpoints, scheduler }: Service): void {
  const shares = slotCount(endpoints)
  const slots = scheduler === 'consistent' ? Math.max(shares, tableSize(endpoints.length)) : shares
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

/** Freezes what frontends and the service hold beside lists of entries; nearly always nothing. */
function freezeParts({ frontends, affinity }: Service): void {
  if (affinity !== undefined) Object.freeze(affinity)
  for (const frontend of frontends) {
    if (frontend.kind !== 'loadBalancer' || frontend.sourceRanges === undefined) continue
    const { allow, deny } = Object.freeze(frontend.sourceRanges)
    if (allow !== undefined) Object.freeze(allow)
    if (deny !== undefined) Object.freeze(deny)
  }
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
  freezeParts(service)
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
  freezeParts(service)
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
 * @throws {ValidationError} With the path of the field inside the service (`.frontends[0].port`), its value and what is allowed. A service of up to 128 frontends and endpoints is then left as it
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
