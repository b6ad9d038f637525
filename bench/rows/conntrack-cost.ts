import type { Bench } from '../frame/bench.js'
import type { ChildReport } from '../frame/child-task.js'
import { formatNumber } from '../frame/report.js'
import type { Bar, Contenders, Place, Row } from '../frame/row.js'
import { median } from '../frame/statistics.js'
import type { ConntrackListOptions } from '../subjects/conntrack.js'
import { requireTableSize } from '../subjects/conntrack-flows.js'

const mebibyte = 2 ** 20
const many = 1_000_000

/** A figure of one listing in a fresh process. */
interface Cost {
  readonly name: string
  readonly unit: string
  readonly about: string
  readonly bar: Bar
  readonly figure: (report: ChildReport, flows: number) => number
}

const slice: Cost = {
  name: 'longest-slice',
  unit: 'ms',
  about: 'longest slice of the main thread (thread processor time) during the first listing of a process:',
  bar: { oursAtMost: 10 },
  figure: ({ longestSliceMs }) => longestSliceMs
}

const memory = (bytesPerFlow: number): Cost => ({
  name: 'memory',
  unit: 'bytes',
  about: 'growth of the resident size at its peak, per flow:',
  bar: { oursAtMost: bytesPerFlow },
  figure: ({ residentGrowthBytes }, flows) => residentGrowthBytes / flows
})

const peak = (mebibytes: number): Cost => ({
  name: 'memory',
  unit: 'MiB',
  about: 'growth of the resident size at its peak:',
  bar: { oursAtMost: mebibytes },
  figure: ({ residentGrowthBytes }) => residentGrowthBytes / mebibyte
})

/** The table is filled by the replay, so that nothing of it lies in the memory of the process that is measured. */
function costRow({ flows, as }: Omit<ConntrackListOptions, 'isFilled'>, { figure, name, about, ...row }: Cost): Row {
  const prepare = async (bench: Bench): Promise<Contenders> => {
    await requireTableSize(bench.netplane, flows)
    const recording = await bench.record('conntrack-list', { flows, as })
    const reports: ChildReport[] = []
    const ours = async (place: Place): Promise<number> => {
      await bench.replay(place, { setup: recording.setup, work: '-' }, 0)
      const report = await bench.child(place, 'conntrack-list', { flows, as, isFilled: true })
      reports.push(report)
      return figure(report, flows)
    }
    const middle = (of: (report: ChildReport) => number): string => formatNumber(median(reports.map(of)))
    const notes = (): readonly string[] => [
      `${middle(({ milliseconds }) => milliseconds)} ms, resident size at its peak ${middle(({ residentGrowthBytes }) => residentGrowthBytes / mebibyte)} MiB more, longest slice ${middle(({ longestSliceMs }) => longestSliceMs)} ms`
    ]
    return { ours, peers: {}, notes }
  }
  const isLong = flows >= many
  return {
    ...row,
    name: `conntrack-${name}-${as}-${flows}`,
    about: `${about} ${flows} flows as ${as}`,
    rounds: isLong ? 1 : 3,
    needs: [],
    isLong,
    prepare
  }
}

/** What listing costs the process. */
export const conntrackCostRows: readonly Row[] = [
  costRow({ flows: 200_000, as: 'objects' }, slice),
  costRow({ flows: 200_000, as: 'columns' }, slice),
  costRow({ flows: 200_000, as: 'columns' }, memory(300)),
  costRow({ flows: 200_000, as: 'iterate' }, peak(64)),
  costRow({ flows: many, as: 'columns' }, memory(300)),
  costRow({ flows: many, as: 'iterate' }, peak(64))
]
