/**
 * Weights as shares of slots.
 */
import type { Endpoint } from '../../model.js'

/** Largest weight. */
export const MAX_WEIGHT = 65_535

/** Greatest common divisor of two non-negative integers. */
function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a
}

/** True where an endpoint takes new connections. */
export function isUsable(endpoint: Endpoint): boolean {
  return endpoint.state !== 'draining' && endpoint.weight !== 0
}

/** The greatest common divisor of the weights of usable endpoints, and how often it goes into their sum; both 0 where there are none. */
function weigh(
  endpoints: readonly Endpoint[],
  isWanted?: (endpoint: Endpoint) => boolean
): { readonly count: number; readonly divisor: number } {
  let divisor = 0
  let sum = 0
  // By index: where there are a hundred thousand endpoints, an iterator for each list and a result for each endpoint cost more than the sums.
  for (let index = 0; index < endpoints.length; index++) {
    const endpoint = endpoints[index]!
    if (!isUsable(endpoint) || isWanted?.(endpoint) === false) continue
    const weight = endpoint.weight ?? 1
    if (divisor !== 1) divisor = gcd(weight, divisor)
    sum += weight
  }
  return { count: divisor === 0 ? 0 : sum / divisor, divisor }
}

/**
 * How many slots these endpoints need: the sum of their weights over the greatest common divisor. 0 without usable endpoints.
 *
 * @param isWanted Passes over endpoints (those of another family).
 */
export function slotCount(endpoints: readonly Endpoint[], isWanted?: (endpoint: Endpoint) => boolean): number {
  return weigh(endpoints, isWanted).count
}

/**
 * Which endpoint each slot holds, as indexes into `endpoints`, which the caller has brought into canonical order. The k-th slot of an endpoint with weight w lies where
 * (2k + 1) / 2w of the slots are over, so that a hash that walks the slots does not meet the same endpoint many times in a row. A pure function of its arguments: a restarted process finds
 * the same slots in the kernel.
 */
export function assignSlots(endpoints: readonly Endpoint[]): Uint32Array {
  const { count, divisor } = weigh(endpoints)
  const usable: number[] = []
  for (let index = 0; index < endpoints.length; index++) if (isUsable(endpoints[index]!)) usable.push(index)
  if (usable.length === count) return Uint32Array.from(usable)
  const weights = new Uint32Array(endpoints.length)
  for (const index of usable) weights[index] = (endpoints[index]!.weight ?? 1) / divisor
  return sortedByPlace(weights, count)
}

/** Endpoints by the places of their slots; at one place in their own order. Places are spread evenly, so that a bucket for each slot leaves little to sort. */
function sortedByPlace(weights: Uint32Array, count: number): Uint32Array {
  const starts = new Uint32Array(count + 1)
  const bucketOf = (place: number): number => Math.min(Math.floor(place * count), count - 1)
  for (const weight of weights) for (let k = 0; k < weight; k++) starts[bucketOf((k + 0.5) / weight) + 1]!++
  for (let bucket = 0; bucket < count; bucket++) starts[bucket + 1]! += starts[bucket]!
  const ends = starts.slice(0, count)
  const slots = new Uint32Array(count)
  const places = new Float64Array(count)
  for (let index = 0; index < weights.length; index++) {
    for (let k = 0; k < weights[index]!; k++) {
      const place = (k + 0.5) / weights[index]!
      const bucket = bucketOf(place)
      let slot = ends[bucket]!++
      for (; slot > starts[bucket]! && places[slot - 1]! > place; slot--) {
        places[slot] = places[slot - 1]!
        slots[slot] = slots[slot - 1]!
      }
      places[slot] = place
      slots[slot] = index
    }
  }
  return slots
}
