import type { Endpoint } from './model.js'

/** Greatest common divisor of two non-negative integers. */
function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a
}

/** True where an endpoint takes new connections. */
export function isUsable(endpoint: Endpoint): boolean {
  return endpoint.state !== 'draining' && endpoint.weight !== 0
}

/**
 * How many slots these endpoints need: the sum of their weights over the greatest common divisor. 0 without usable endpoints.
 *
 * @param isWanted Passes over endpoints (those of another family).
 */
export function slotCount(endpoints: readonly Endpoint[], isWanted?: (endpoint: Endpoint) => boolean): number {
  let divisor = 0
  let sum = 0
  for (const endpoint of endpoints) {
    if (!isUsable(endpoint) || isWanted?.(endpoint) === false) continue
    const weight = endpoint.weight ?? 1
    if (divisor !== 1) divisor = gcd(weight, divisor)
    sum += weight
  }
  return divisor === 0 ? 0 : sum / divisor
}

/**
 * Which endpoint each slot holds, as indexes into `endpoints`, which the caller has brought into canonical order. Weighted endpoints are interleaved (smooth weighted round
 * robin), so that a hash that walks the slots does not meet the same endpoint many times in a row. A pure function of its arguments: a restarted
 * process finds the same slots in the kernel.
 */
export function assignSlots(endpoints: readonly Endpoint[]): Uint32Array {
  const count = slotCount(endpoints)
  const slots = new Uint32Array(count)
  const usable: number[] = []
  for (let index = 0; index < endpoints.length; index++) if (isUsable(endpoints[index]!)) usable.push(index)
  if (usable.length === count) return Uint32Array.from(usable)
  const weights = usable.map((index) => endpoints[index]!.weight ?? 1)
  const divisor = weights.reduce((left, right) => gcd(left, right), 0)
  const current = new Float64Array(usable.length)
  for (let slot = 0; slot < count; slot++) {
    let best = 0
    for (let candidate = 0; candidate < usable.length; candidate++) {
      current[candidate]! += weights[candidate]! / divisor
      if (current[candidate]! > current[best]!) best = candidate
    }
    current[best]! -= count
    slots[slot] = usable[best]!
  }
  return slots
}
