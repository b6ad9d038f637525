import { expect, it } from 'vitest'
import type { PlaneMode } from '../../src/index.js'
import { mayUseIpvs } from '../support/lab.js'
import { describeGaps, unexplained } from './flushes.js'
import { soak, type SoakReport } from './soak.js'
import { soakMinutes } from './times.mjs'

const modes: readonly PlaneMode[] = ['nftables', 'iptables', 'userspace', ...(mayUseIpvs() ? ['ipvs' as const] : [])]
const seconds = (soakMinutes * 60) / modes.length
const MIB = 1 << 20

/** What a process may hold more after a while without keeping anything: caches, and memory that the allocator does not give back. */
const most = { heap: 8 * MIB, resident: 96 * MIB, descriptors: 2 }

/** In one line for each thing that was measured. */
function describeReport({ updates, explained, gaps, grown, last, traffic }: SoakReport): string {
  const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`
  return [
    `${updates} updates (${(updates / seconds).toFixed(1)} a second), ${explained} explained`,
    `${gaps.length} flushes repaired: ${describeGaps(gaps)}, until explain says so`,
    `${traffic.connections} new connections, ${traffic.failures.length} of them failed beside a flush; ${traffic.answers} answers over kept ones`,
    `memory: heap ${mib(last.heap)}, grown by ${mib(grown.heap)}; resident ${mib(last.resident)}, grown by ${mib(grown.resident)}`
  ].join('\n')
}

it.each(modes)(
  'mode %s serves while all changes, loses no connection, repairs, says what is, and keeps nothing',
  async (mode) => {
    const report = await soak(mode, seconds, 1)
    console.log(`${mode}\n${describeReport(report)}`)
    const { traffic, grown, gaps } = report
    expect(traffic.lost, JSON.stringify(gaps)).toEqual([])
    expect(unexplained(traffic.failures, gaps), JSON.stringify(gaps)).toEqual([])
    expect(traffic.connections).toBeGreaterThan(seconds)
    expect(gaps.length).toBeGreaterThan(0)
    for (const [what, limit] of Object.entries(most))
      expect([what, grown[what as keyof typeof most]]).toSatisfy(([, value]) => Number(value) <= limit)
  },
  (seconds + 300) * 1000
)
