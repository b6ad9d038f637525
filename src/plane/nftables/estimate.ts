/**
 * How much there will be of services that are not checked yet: sets are made with their sizes before the services are. What cannot be counted will be refused, and is passed over.
 */
import { familyOf, type AddressFamily } from '../../core/address.js'
import type { Slices } from '../../core/slices.js'
import { SCHEDULERS } from '../core/accept.js'
import { MAX_WEIGHT, slotCount } from '../core/weights.js'
import { MAX_FRONTENDS, MAX_SLOTS, type Endpoint, type Frontend, type Service } from '../model.js'
import { countRows, type Rows } from './contents.js'
import type { ElementSet } from './sets.js'

function isCountable(endpoints: readonly Endpoint[]): boolean {
  if (!haveAddresses(endpoints)) return false
  for (let index = 0; index < endpoints.length; index++) {
    const { weight } = endpoints[index]!
    if (weight !== undefined && !(Number.isInteger(weight) && weight >= 0 && weight <= MAX_WEIGHT)) return false
  }
  return slotCount(endpoints) <= MAX_SLOTS
}

function haveAddresses(entries: readonly (Frontend | Endpoint)[]): boolean {
  for (let index = 0; index < entries.length; index++) if (typeof (entries[index]!.address as unknown) !== 'string') return false
  return true
}

/** Counts what a candidate needs; it may be anything. */
function countCandidate(rows: Rows, service: Service): void {
  try {
    const { frontends, endpoints, scheduler = 'random' } = service
    if (!SCHEDULERS.includes(scheduler)) return
    if (!Array.isArray(frontends) || frontends.length > MAX_FRONTENDS || !haveAddresses(frontends)) return
    if (Array.isArray(endpoints) && isCountable(endpoints)) countRows(rows, service, 1)
  } catch {
    // A property that throws, or no object: the checks say what is wrong.
  }
}

/** About how many elements each set will hold, of sets whose elements belong to one service each: exact where all candidates are well. */
export async function estimateRows(candidates: Iterable<Service>, slices: Slices): Promise<ReadonlyMap<ElementSet, number>> {
  const rows: Rows = new Map()
  await slices.each(candidates, (service) => countCandidate(rows, service))
  return rows
}

/** How many frontend addresses there will be, at most. */
export function countAddresses(candidates: Iterable<Service>): Record<AddressFamily, number> {
  const counts = { ip: 0, ip6: 0 }
  for (const service of candidates) {
    try {
      for (const { address } of service.frontends) counts[familyOf(address)]++
    } catch {
      // As above.
    }
  }
  return counts
}
