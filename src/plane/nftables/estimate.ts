/**
 * How much there will be of services that are not checked yet: sets are made with their sizes before the services are. What cannot be counted will be refused, and is passed over.
 */
import { familyOf, type AddressFamily } from '../../core/address.js'
import type { Slices } from '../../core/slices.js'
import { SCHEDULERS } from '../core/accept.js'
import { FRONTEND_KINDS, POLICIES, STATES } from '../core/accept-entries.js'
import { isAddressed } from '../core/frontend.js'
import { MAX_WEIGHT, slotCount } from '../core/weights.js'
import { MAX_AFFINITY_SECONDS, MAX_FRONTENDS, MAX_SLOTS, type Affinity, type Endpoint, type Frontend, type Service } from '../model.js'
import { countRows, type Rows } from './contents.js'
import type { CompileOptions } from './frontends.js'
import type { ElementSet } from './sets.js'

/** Whether a value is absent or one of some words. */
const isOneOf = (value: unknown, words: readonly unknown[]): boolean => value === undefined || words.includes(value)

function isEndpoint({ address, weight, state, side }: Endpoint): boolean {
  if (typeof (address as unknown) !== 'string' || !isOneOf(state, STATES) || !isOneOf(side, POLICIES)) return false
  return weight === undefined || (Number.isInteger(weight) && weight >= 0 && weight <= MAX_WEIGHT)
}

function isFrontend(frontend: Frontend): boolean {
  if (!FRONTEND_KINDS.includes(frontend.kind) || !isOneOf(frontend.trafficPolicy, POLICIES)) return false
  return !isAddressed(frontend) || typeof (frontend.address as unknown) === 'string'
}

function areCountable(endpoints: readonly Endpoint[]): boolean {
  for (let index = 0; index < endpoints.length; index++) if (!isEndpoint(endpoints[index]!)) return false
  return slotCount(endpoints) <= MAX_SLOTS
}

function isAffinity(affinity: Affinity | undefined): boolean {
  if (affinity === undefined) return true
  const { timeoutSeconds } = affinity
  return Number.isInteger(timeoutSeconds) && timeoutSeconds > 0 && timeoutSeconds <= MAX_AFFINITY_SECONDS
}

/** Counts what a candidate needs; it may be anything. */
function countCandidate(rows: Rows, service: Service, options: CompileOptions): void {
  try {
    const { frontends, endpoints, scheduler = 'random', affinity } = service
    if (!SCHEDULERS.includes(scheduler) || !isAffinity(affinity)) return
    if (!Array.isArray(frontends) || frontends.length > MAX_FRONTENDS || !frontends.every(isFrontend)) return
    if (Array.isArray(endpoints) && areCountable(endpoints)) countRows(rows, service, options, 1)
  } catch {
    // A property that throws, or no object: the checks say what is wrong.
  }
}

/** About how many elements each set will hold, of sets whose elements belong to one service each: exact where all candidates are well. */
export async function estimateRows(
  candidates: Iterable<Service>,
  options: CompileOptions,
  slices: Slices
): Promise<ReadonlyMap<ElementSet, number>> {
  const rows: Rows = new Map()
  await slices.each(candidates, (service) => countCandidate(rows, service, options))
  return rows
}

/** How many frontend addresses there will be, at most. */
export function countAddresses(candidates: Iterable<Service>): Record<AddressFamily, number> {
  const counts = { ip: 0, ip6: 0 }
  for (const service of candidates) {
    try {
      for (const frontend of service.frontends) if (isAddressed(frontend)) counts[familyOf(frontend.address)]++
    } catch {
      // As above.
    }
  }
  return counts
}
