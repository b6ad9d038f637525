/** How much more of each thing there was in the last third of the time than in the second one, the least of each: what a moment needed is given back. The first third is for warming up. */
export function growth<T extends Readonly<Record<keyof T, number>>>(samples: readonly T[]): T {
  const third = Math.floor(samples.length / 3)
  if (third === 0) throw new Error(`${samples.length} samples do not show whether anything grows`)
  const least = (part: readonly T[], key: keyof T): number => Math.min(...part.map((sample) => sample[key]))
  const between = (key: keyof T): number => least(samples.slice(2 * third), key) - least(samples.slice(third, 2 * third), key)
  return Object.fromEntries((Object.keys(samples[0]!) as (keyof T)[]).map((key) => [key, between(key)])) as T
}
