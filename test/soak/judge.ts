/**
 * What holds of every soak.
 */
import { expect } from 'vitest'
import { unexplained, type Gap } from './flushes.js'
import type { TrafficReport } from './traffic.js'

/** No kept connection was lost, new ones failed beside flushes alone, and there was at least one a second. */
export function expectServed({ lost, failures, connections }: TrafficReport, gaps: readonly Gap[], seconds: number): void {
  expect(lost, JSON.stringify(gaps)).toEqual([])
  expect(unexplained(failures, gaps), JSON.stringify(gaps)).toEqual([])
  expect(connections).toBeGreaterThan(seconds)
}

/** Nothing has grown by more than so much. */
export function expectFlat<T extends Readonly<Record<keyof T, number>>>(grown: T, most: T): void {
  for (const [what, limit] of Object.entries<number>(most))
    expect([what, grown[what as keyof T]]).toSatisfy(([, value]) => Number(value) <= limit)
}

/** What became of new and kept connections, in words. */
export const describeTraffic = ({ connections, failures, answers }: TrafficReport): string =>
  `${connections} new connections, ${failures.length} of them failed beside a flush; ${answers} answers over kept ones`

const MIB = 1 << 20

/** Bytes in words. */
export const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`
