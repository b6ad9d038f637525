import type { Bench } from '../frame/bench.js'
import type { ChildReport } from '../frame/child-task.js'
import { formatNumber } from '../frame/report.js'
import type { Bar, Contenders, Place, Row } from '../frame/row.js'
import { median } from '../frame/statistics.js'
import { withoutFlowIds } from '../subjects/conntrack-recording.js'

/** A turn every 20 ms makes 500 flows and removes them: 50,000 events a second. */
const flows = 500
const intervalMicroseconds = 20_000
const turns = 500

interface Figure {
  readonly name: string
  readonly unit: string
  readonly about: string
  readonly bar: Bar
  readonly figure: (report: ChildReport) => number
}

const missing: Figure = {
  name: 'missing',
  unit: 'events',
  about: 'events that did not come, of',
  bar: { oursAtMost: 0 },
  figure: ({ figures: { expected = Number.NaN, received = 0 } }) => expected - received
}

const heap: Figure = {
  name: 'heap',
  unit: 'MiB',
  about: 'growth of heap and array buffers, garbage collected, over',
  bar: { oursAtMost: 1 },
  figure: ({ keptBytes }) => keptBytes / 2 ** 20
}

const slice: Figure = {
  name: 'longest-slice',
  unit: 'ms',
  about: 'longest slice of the main thread (thread processor time) during',
  bar: { oursAtMost: 10 },
  figure: ({ longestSliceMs }) => longestSliceMs
}

function describe(reports: readonly ChildReport[]): string {
  const middle = (of: (report: ChildReport) => number): string => formatNumber(median(reports.map(of)))
  const rate = middle(({ figures: { generatorMs = Number.NaN } }) => (2 * flows * turns) / (generatorMs / 1000))
  return (
    `${rate} events a second, ${middle(({ figures: { received = 0 } }) => received)} of them taken, ` +
    `loss reported ${middle(({ figures: { lostReports = 0 } }) => lostReports)} times; ` +
    `peak of the resident size ${middle(({ residentGrowthBytes }) => residentGrowthBytes / 2 ** 20)} MiB above the start`
  )
}

function eventRow(filtered: boolean, { figure, name, about, ...row }: Figure): Row {
  const prepare = async (bench: Bench): Promise<Contenders> => {
    const { work } = await bench.record('conntrack-churn', { flows }, withoutFlowIds)
    const reports: ChildReport[] = []
    const ours = async (place: Place): Promise<number> => {
      const generator = bench.replayCommand(place, { setup: '-', work }, turns, intervalMicroseconds)
      const report = await bench.child(place, 'conntrack-watch', { filtered, generator, flows, turns })
      reports.push(report)
      return figure(report)
    }
    return { ours, peers: {}, notes: () => [describe(reports)] }
  }
  const which = filtered ? 'filtered' : 'all'
  return {
    ...row,
    name: `conntrack-events-${which}-${name}`,
    about: `${about} ${2 * flows * turns} events at 50,000 a second${filtered ? ', of which a filter takes one in 20' : ', all taken'}`,
    rounds: 3,
    needs: [],
    prepare
  }
}

/** Watching at 50,000 events a second. */
export const conntrackEventRows: readonly Row[] = [true, false].flatMap((filtered) =>
  [missing, heap, slice].map((figure) => eventRow(filtered, figure))
)
