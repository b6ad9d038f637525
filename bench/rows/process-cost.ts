import type { Bench } from '../frame/bench.js'
import type { ChildReport } from '../frame/child-task.js'
import type { Bar, Contenders, Place, Row } from '../frame/row.js'

const endpoints = 100_000

interface CostRow {
  readonly name: string
  readonly unit: string
  readonly about: string
  readonly bar: Bar
  readonly cost: (report: ChildReport) => number
  /** The floor, where there is one, in the row's unit. */
  readonly floor?: (bench: Bench, place: Place, recording: Awaited<ReturnType<Bench['record']>>) => Promise<number>
}

/** What the load of 100,000 endpoints costs a fresh process that does nothing else, code not yet compiled included. */
function costRow({ cost, floor, ...row }: CostRow): Row {
  const prepare = async (bench: Bench): Promise<Contenders> => {
    const recording = floor === undefined ? undefined : await bench.record('nftables-load', { endpoints, sized: false })
    return {
      ours: async (place) => cost(await bench.child(place, 'nftables-load', { endpoints, sized: false })),
      ...(floor && recording && { floor: (place: Place) => floor(bench, place, recording) }),
      peers: {}
    }
  }
  return { ...row, rounds: 5, needs: [], prepare }
}

const mebibyte = 2 ** 20

/** The costs to the process around a load. */
export const processCostRows: readonly Row[] = [
  costRow({
    name: 'process-first-load',
    unit: 'ms',
    about: `the first load of ${endpoints} endpoints in the life of a process`,
    bar: { timesFloorAtMost: 2 },
    cost: ({ milliseconds }) => milliseconds,
    floor: async (bench, place, recording) => (await bench.replay(place, recording, 1))[0] ?? Number.NaN
  }),
  costRow({
    name: 'process-longest-slice',
    unit: 'ms',
    about: `longest slice of the main thread during a load of ${endpoints} endpoints (thread processor time)`,
    bar: { oursAtMost: 10 },
    cost: ({ longestSliceMs }) => longestSliceMs
  }),
  costRow({
    name: 'process-memory-growth',
    unit: 'MiB',
    about: `growth of the resident size at its peak during a load of ${endpoints} endpoints; the floor is the size of the messages`,
    bar: { timesFloorAtMost: 2 },
    cost: ({ residentGrowthBytes }) => residentGrowthBytes / mebibyte,
    floor: (_bench, _place, { workBytes }) => Promise.resolve(workBytes / mebibyte)
  })
]
