/**
 * What others do to the rules of a mode, and what may fail while they are gone.
 */
import type { PlaneMode } from '../../src/index.js'
import type { TestNamespace } from '../support/namespace.js'
import { tableOf } from '../support/plane-rigs.js'
import { until } from '../support/run.js'
import type { Failure } from './traffic.js'

/** The commands that remove them. */
const flushes: Readonly<Record<PlaneMode, readonly [command: string, ...args: string[]]>> = {
  nftables: ['nft', 'delete', 'table', 'ip', tableOf('nftables')],
  iptables: ['nft', 'flush', 'table', 'ip', tableOf('iptables')],
  userspace: ['nft', 'delete', 'table', 'ip', tableOf('userspace')],
  ipvs: ['ipvsadm', '--clear']
}

/** The span of time between a flush and its repair, in milliseconds since 1970. */
export interface Gap {
  readonly from: number
  readonly to: number
}

/** Removes the rules of a mode, and waits until they are back. */
export async function flush(mode: PlaneMode, node: TestNamespace, isRepaired: () => Promise<boolean>, repairMs: number): Promise<Gap> {
  const from = Date.now()
  const [command, ...args] = flushes[mode]
  await node.run(command, args)
  await until('the flush is repaired', isRepaired, repairMs)
  return { from, to: Date.now() }
}

/** The failures of new connections that were not tried beside a flush. */
export const unexplained = (failures: readonly Failure[], gaps: readonly Gap[]): readonly Failure[] =>
  failures.filter(({ from, to }) => !gaps.some((gap) => from <= gap.to && to >= gap.from))

/** How long spans of time were, in words. */
export function describeSpans(spans: readonly number[]): string {
  const sorted = spans.toSorted((a, b) => a - b)
  return `median ${Math.round(sorted[sorted.length >> 1]!)} ms, at most ${Math.round(sorted.at(-1)!)} ms`
}

/** Repairs, in words. */
export const describeGaps = (gaps: readonly Gap[]): string => describeSpans(gaps.map(({ from, to }) => to - from))
