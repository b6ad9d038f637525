/** The example proxy in each mode on an API that never rests, for as long as one likes: NETPLANE_SOAK_MINUTES=60 npm run test:cluster -- soak */
import { expect, it } from 'vitest'
import { groupBy } from '../contract/behaviour/group-by.js'
import { describeGaps, describeSpans } from '../soak/flushes.js'
import { describeTraffic, expectFlat, expectServed, mib } from '../soak/judge.js'
import { clusterSoakMinutes } from '../soak/times.mjs'
import type { SoakMode } from './soak/kernel.js'
import { soakApi, type ApiSoakReport } from './soak/soak.js'

const modes: readonly SoakMode[] = ['nftables', 'iptables']
const seconds = (clusterSoakMinutes * 60) / modes.length
const MIB = 1 << 20

/** What a proxy may hold more after a while without keeping anything: caches, and memory that the allocator does not give back. */
const most = { resident: 96 * MIB, descriptors: 2 }

/** What the log may complain of. */
const EXPECTED = ['drift', 'the source (api)', 'Events are not sent']
/** pino's level of a warning. */
const WARNING = 40

/** How often each message was logged that is no mere news. */
function complaintsOf(log: string): ReadonlyMap<string, number> {
  const lines = log.split('\n').filter((line) => line.startsWith('{'))
  const complaints = lines.map((line) => JSON.parse(line) as { level: number; msg: string }).filter(({ level }) => level >= WARNING)
  return new Map([...groupBy(complaints, ({ msg }) => msg)].map(([msg, same]) => [msg, same.length]))
}

/** In one line for each thing that was measured. */
function describeReport({ requests, settled, restarts, returned, moves, gaps, grown, last, traffic, log }: ApiSoakReport): string {
  return [
    `${requests} writes, ${moves} changes of the node, ${restarts} restarts of the API server`,
    `the proxy read it again after it was ready: ${describeSpans(returned)}`,
    `the kernel had what the API has ${settled.length} times: ${describeSpans(settled)}`,
    `${gaps.length} flushes repaired: ${describeGaps(gaps)}`,
    describeTraffic(traffic),
    `memory: ${mib(last.resident)}, grown by ${mib(grown.resident)}; ${last.descriptors} descriptors, grown by ${grown.descriptors}`,
    `logged: ${[...complaintsOf(log)].map(([message, count]) => `${message} (${count})`).join(', ')}`
  ].join('\n')
}

it.each(modes)(
  'mode %s serves what an API has that changes all the time, through restarts of its server, and keeps nothing',
  async (mode) => {
    const report = await soakApi(mode, seconds, 1)
    console.log(`${mode}\n${describeReport(report)}`)
    const { traffic, grown, gaps, health, restarts, log } = report
    expectServed(traffic, gaps, seconds)
    expect(restarts).toBeGreaterThan(0)
    expect(health.at(-1)!.api).toBeUndefined()
    expect(gaps.length).toBeGreaterThan(restarts)
    for (const each of health) expect(each).toMatchObject({ status: 200, healthy: true, synced: true, quarantined: [] })
    expectFlat(grown, most)
    // What foreign writers do, and an API server that is away or has just started: no sync failed, and nothing was lost.
    expect(EXPECTED).toEqual(expect.arrayContaining([...complaintsOf(log).keys()]))
  },
  (seconds + 600) * 1000
)
