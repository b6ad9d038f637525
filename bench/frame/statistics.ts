/** The middle value, or the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  if (upper === undefined || lower === undefined) throw new RangeError('the median of no values')
  return (lower + upper) / 2
}

/** The smallest value that so large a share of the values do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const value = values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)]
  if (value === undefined) throw new RangeError('a quantile of no values')
  return value
}

/**
 * The median of the ratios round by round. What was measured in the same round met the same load, so a machine that grows slower during a run
 * moves both sides of each ratio alike; the ratio of two medians has no such protection.
 */
export function medianRatio(numerators: readonly number[], denominators: readonly number[]): number {
  if (numerators.length !== denominators.length) throw new RangeError(`${numerators.length} rounds against ${denominators.length}`)
  return median(numerators.map((numerator, round) => numerator / (denominators[round] ?? Number.NaN)))
}
