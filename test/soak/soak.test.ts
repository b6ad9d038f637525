import { expect, it } from 'vitest'
import type { PlaneMode } from '../../src/index.js'
import { mayUseIpvs } from '../support/lab.js'
import { describeGaps } from './flushes.js'
import { describeTraffic, expectFlat, expectServed, mib } from './judge.js'
import { soak, type SoakReport } from './soak.js'
import { soakMinutes } from './times.mjs'

const modes: readonly PlaneMode[] = ['nftables', 'iptables', 'userspace', ...(mayUseIpvs() ? ['ipvs' as const] : [])]
const seconds = (soakMinutes * 60) / modes.length
const MIB = 1 << 20

/** What a process may hold more after a while without keeping anything: caches, and memory that the allocator does not give back. */
const most = { heap: 8 * MIB, resident: 96 * MIB, descriptors: 2 }

/** In one line for each thing that was measured. */
function describeReport({ updates, explained, gaps, grown, last, traffic }: SoakReport): string {
  return [
    `${updates} updates (${(updates / seconds).toFixed(1)} a second), ${explained} explained`,
    `${gaps.length} flushes repaired: ${describeGaps(gaps)}, until explain says so`,
    describeTraffic(traffic),
    `memory: heap ${mib(last.heap)}, grown by ${mib(grown.heap)}; resident ${mib(last.resident)}, grown by ${mib(grown.resident)}`
  ].join('\n')
}

it.each(modes)(
  'mode %s serves while all changes, loses no connection, repairs, says what is, and keeps nothing',
  async (mode) => {
    const report = await soak(mode, seconds, 1)
    console.log(`${mode}\n${describeReport(report)}`)
    const { traffic, grown, gaps } = report
    expectServed(traffic, gaps, seconds)
    expect(gaps.length).toBeGreaterThan(0)
    expectFlat(grown, most)
  },
  (seconds + 300) * 1000
)
