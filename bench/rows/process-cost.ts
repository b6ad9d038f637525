import type { Bench, Recording } from '../frame/bench.js'
import type { ChildReport } from '../frame/child-task.js'
import { kernelMemoryBytes } from '../frame/machine.js'
import { formatNumber } from '../frame/report.js'
import type { Bar, Contenders, Place, Row } from '../frame/row.js'
import { median } from '../frame/statistics.js'
import type { OptionsOf, SubjectName } from '../subjects/index.js'

/** What is measured in a fresh process, and what the rows say of it. */
interface Work<Name extends SubjectName> {
  readonly prefix: string
  readonly subject: Name
  readonly options: OptionsOf<Name>
  readonly endpoints: number
  readonly about: string
  /** What the kernel must have. */
  readonly requires?: Row['requires']
}

/** A figure of one run of a subject in a fresh process. */
interface CostRow {
  readonly name: string
  readonly unit: string
  readonly about: string
  readonly bar: Bar
  /** What one run of the subject in a fresh process comes to. */
  readonly cost: (report: ChildReport, kernelBytes: number) => number
  /** The floor, where there is one, in the row's unit. */
  readonly floor?: (bench: Bench, place: Place, recording: Recording) => Promise<number>
  /** Whether the cost is of the turns of the event loop; default false. */
  readonly turns?: boolean
  readonly note?: (reports: readonly ChildReport[]) => string
}

/** What a subject costs a fresh process that does nothing else, code not yet compiled included. */
function costRow<Name extends SubjectName>(work: Work<Name>, { cost, floor, note, name, about, turns = false, ...row }: CostRow): Row {
  const prepare = async (bench: Bench): Promise<Contenders> => {
    const recording = floor === undefined ? undefined : await bench.record(work.subject, work.options)
    const reports: ChildReport[] = []
    const ours = async (place: Place): Promise<number> => {
      const before = kernelMemoryBytes()
      const report = await bench.child(place, work.subject, work.options, turns)
      reports.push(report)
      return cost(report, kernelMemoryBytes() - before)
    }
    return {
      ours,
      ...(floor && recording && { floor: (place: Place) => floor(bench, place, recording) }),
      peers: {},
      ...(note && { notes: () => [note(reports)] })
    }
  }
  return {
    ...row,
    name: `${work.prefix}-${name}`,
    about: `${about} ${work.about}`,
    rounds: 5,
    needs: [],
    ...(work.requires && { requires: work.requires }),
    prepare
  }
}

const mebibyte = 2 ** 20

const firstRun: CostRow = {
  name: 'first-load',
  unit: 'ms',
  about: 'time that a fresh process takes for',
  bar: { timesFloorAtMost: 2 },
  cost: ({ milliseconds }) => milliseconds,
  floor: async (bench, place, recording) => (await bench.replay(place, recording, 1))[0] ?? Number.NaN
}

const longestSlice: CostRow = {
  name: 'longest-slice',
  unit: 'ms',
  about: 'longest slice of the main thread (thread processor time) during',
  bar: { oursAtMost: 10 },
  turns: true,
  cost: ({ longestSliceMs }) => longestSliceMs
}

const memoryGrowth: CostRow = {
  name: 'memory-growth',
  unit: 'MiB',
  about: 'growth of the resident size at its peak, the floor being the size of the messages, during',
  bar: { timesFloorAtMost: 2 },
  cost: ({ residentGrowthBytes }) => residentGrowthBytes / mebibyte,
  floor: (_bench, _place, { workBytes }) => Promise.resolve(workBytes / mebibyte)
}

const keptMemory = (endpoints: number, max = 300): CostRow => ({
  name: 'heap-kept',
  unit: 'bytes',
  about: "heap and array buffers per endpoint, the caller's services included, kept after",
  bar: { oursAtMost: max },
  cost: ({ keptBytes, givenBytes }) => (keptBytes + givenBytes) / endpoints,
  note: (reports) =>
    `of them the caller's own services ${formatNumber(median(reports.map(({ givenBytes }) => givenBytes)) / endpoints)}, the plane ${formatNumber(median(reports.map(({ keptBytes }) => keptBytes)) / endpoints)}`
})

const kernelMemory = (endpoints: number): CostRow => ({
  name: 'kernel-memory',
  unit: 'bytes',
  about: 'growth of slab and vmalloc memory of the whole machine per endpoint by',
  bar: { oursAtMost: 300 },
  cost: (_report, kernelBytes) => kernelBytes / endpoints
})

const load: Work<'nftables-load'> = {
  prefix: 'process',
  subject: 'nftables-load',
  options: { endpoints: 100_000, sized: false },
  endpoints: 100_000,
  about: 'a load of 100000 endpoints'
}

function planeSync(services: number, prefix: string, mode: 'nftables' | 'iptables' = 'nftables'): Work<'plane-sync'> {
  const about = `a first sync of the ${mode} plane, ${services} services with 10 endpoints each`
  return { prefix, subject: 'plane-sync', options: { mode, services, endpoints: 10 }, endpoints: services * 10, about }
}

const ipvs: Work<'ipvs-sync'> = {
  prefix: 'ipvs-process',
  subject: 'ipvs-sync',
  options: { services: 10_000, realServers: 10 },
  endpoints: 100_000,
  about: 'a first sync of 10000 virtual services with 10 real servers each',
  requires: 'ipvs'
}

const plane = planeSync(11_000, 'plane-process')
const iptables = planeSync(5000, 'iptables-plane-process', 'iptables')
/** Large enough that what V8 takes for its young generation, 32 MiB whatever the work, no longer decides. */
const largePlane = planeSync(50_000, 'plane-process-large')

/** The costs to the process around a load, around the first sync of a plane, and around one of virtual services. */
export const processCostRows: readonly Row[] = [
  ...[firstRun, longestSlice, memoryGrowth].map((row) => costRow(load, row)),
  ...[firstRun, longestSlice, memoryGrowth, keptMemory(plane.endpoints), kernelMemory(plane.endpoints)].map((row) => costRow(plane, row)),
  costRow(largePlane, memoryGrowth),
  ...[longestSlice, keptMemory(iptables.endpoints)].map((row) => costRow(iptables, row)),
  ...[firstRun, longestSlice, memoryGrowth, keptMemory(ipvs.endpoints, 200)].map((row) => costRow(ipvs, row))
]
