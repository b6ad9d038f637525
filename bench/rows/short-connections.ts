import type { Bench } from '../frame/bench.js'
import { drawChart, type Panel } from '../frame/chart.js'
import { loadPlane, type LoadedMode } from '../frame/loaded-plane.js'
import type { Contenders, Row, RowResult } from '../frame/row.js'
import { median } from '../frame/statistics.js'
import { TrafficGroup } from '../frame/traffic-group.js'
import { serverPort, type RequestTimes, type Target, type TrafficNetwork } from '../frame/traffic.js'
import { mixedService, modelServices, servicePort, type MixedOptions } from '../subjects/mixed-services.js'

/** How much of a load the rows are. */
export interface ShortConnectionOptions {
  /** Connections of all runs of a row together, 1 to `mostRequests`. */
  readonly connections: number
  /** Numbers of services: each plane has a row for each. */
  readonly sizes: readonly number[]
  /** Runs of a row, where they are not as many as it has by itself. */
  readonly rounds?: number | undefined
}

/** What makes services be in effect at a node. */
interface LoadedPlane {
  readonly requires?: Row['requires']
  readonly load: (bench: Bench, node: TrafficNetwork['node'], services: MixedOptions) => Promise<void>
}

const ofNetplane =
  (mode: LoadedMode): LoadedPlane['load'] =>
  ({ netplane }, node, services) =>
    loadPlane(netplane, node, mode, modelServices(services, 'tcp'))

/** What is compared, by name: a further plane is a line here. */
const planes: Readonly<Record<string, LoadedPlane>> = {
  ipvs: { requires: 'ipvs and nftables', load: ofNetplane('ipvs') },
  nftables: { load: ofNetplane('nftables') },
  iptables: { load: ofNetplane('iptables') }
}

const endpoints = 3
/** Runs of a row by itself: short ones in turn, as what else the machine does changes within seconds. */
const runsOfRow = 5
/** At a time, or as many as a run has. */
const concurrent = 1000

const rowName = (plane: string, services: number): string => `s3-${plane}-${services}`

/** Values of a run whose medians a row shows, by the heading of their column. */
const figures: Readonly<Record<string, (times: RequestTimes, count: number) => number>> = {
  'per second': ({ all }, count) => (count / all) * 1000,
  'p50 ms': ({ half }) => half,
  'p99 ms': ({ most }) => most
}

const medianOf = (runs: readonly RequestTimes[], figure: string, count: number): number =>
  median(runs.map((times) => figures[figure]?.(times, count) ?? Number.NaN))

/** One service is asked while all of them exist: the one in the middle, so that what walks a list of services walks half of it. */
function targetsOf(options: MixedOptions): Readonly<Record<'service' | 'direct', Omit<Target, 'protocol'>>> {
  const { address, endpoints: servers } = mixedService(options, options.services >> 1)
  return {
    service: { first: address, addresses: 1, port: servicePort },
    direct: { first: servers[0] ?? '', addresses: servers.length, port: serverPort }
  }
}

/** The networks live as long as the row, so that what one run leaves in tables of connections is there in the next, as it is within one long run. */
async function prepare(bench: Bench, { load }: LoadedPlane, services: number, count: number): Promise<Contenders> {
  const options = { services, sizes: [endpoints] }
  const targets = targetsOf(options)
  const amount = { count, concurrent: Math.min(concurrent, count) }
  const runs: Record<keyof typeof targets, RequestTimes[]> = { service: [], direct: [] }
  const group = new TrafficGroup(bench)
  const open = async (way: keyof typeof targets, makeRules: (network: TrafficNetwork) => Promise<void>): Promise<() => Promise<number>> => {
    const network = await group.open(makeRules)
    return async () => {
      const times = await network.request(targets[way], amount)
      runs[way].push(times)
      return times.all
    }
  }
  return {
    ours: await open('service', ({ node }) => load(bench, node, options)),
    floor: await open('direct', () => Promise.resolve()),
    peers: {},
    figures: () =>
      Object.fromEntries(
        (['service', 'direct'] as const).flatMap((way) =>
          Object.keys(figures).map((figure) => [way === 'direct' ? `direct ${figure}` : figure, medianOf(runs[way], figure, count)])
        )
      ),
    notes: () => [`the longest connection of all runs: ${Math.round(Math.max(...runs.service.map(({ longest }) => longest)))} ms`],
    close: () => group.close()
  }
}

function shortConnectionRow(plane: string, services: number, { connections, rounds = runsOfRow }: ShortConnectionOptions): Row {
  const found = planes[plane]!
  const count = Math.ceil(connections / rounds)
  return {
    name: rowName(plane, services),
    unit: 'ms',
    about: `${count} short TCP connections, ${Math.min(concurrent, count)} at a time, to one of ${services} services through the ${plane} plane; the floor has no rules and no conntrack`,
    bar: { timesFloorAtMost: 1.5 },
    rounds,
    needs: [],
    ...(found.requires === undefined ? {} : { requires: found.requires }),
    prepare: (bench) => prepare(bench, found, services, count)
  }
}

/** Short connections through each plane, by the number of services. */
export const shortConnectionRows = (options: ShortConnectionOptions): Row[] =>
  options.sizes.flatMap((services) => Object.keys(planes).map((plane) => shortConnectionRow(plane, services, options)))

const panels: readonly { readonly title: string; readonly figure: string }[] = [
  { title: 'Connections per second', figure: 'per second' },
  { title: 'Time that 99 of 100 connections do not exceed, ms', figure: 'p99 ms' }
]

/** Plane and number of services of a row's name; undefined for other rows. */
function parseRowName(name: string): { readonly plane: string; readonly services: number } | undefined {
  const [, plane, services] = /^s3-(\w+)-(\d+)$/.exec(name) ?? []
  return plane === undefined ? undefined : { plane, services: Number(services) }
}

/** A curve for each plane, and one for the direct way, of which each row has a value: their medians. */
function panelOf(results: readonly RowResult[], { title, figure }: (typeof panels)[number]): Panel {
  const points = results.flatMap(({ name, figures: values }) => {
    const parsed = parseRowName(name)
    return parsed === undefined || values === undefined
      ? []
      : [{ ...parsed, through: values[figure] ?? Number.NaN, direct: values[`direct ${figure}`] ?? Number.NaN }]
  })
  const curves = [...new Set(points.map(({ plane }) => plane))].map((plane) => ({
    name: `${plane} plane`,
    points: points.filter((point) => point.plane === plane).map(({ services, through }) => [services, through] as const)
  }))
  const direct = [...new Set(points.map(({ services }) => services))].map((size) => {
    const values = points.filter(({ services }) => services === size).map((point) => point.direct)
    return [size, median(values)] as const
  })
  return { title, curves: [...curves, { name: 'direct, without rules', points: direct }] }
}

/** Draws the rows that were measured, as SVG; undefined where a plane is not among them, as there is nothing to compare then. */
export function drawShortConnections(results: readonly RowResult[], caption: readonly string[]): string | undefined {
  const measured = new Set(results.map(({ name }) => parseRowName(name)?.plane))
  if (Object.keys(planes).some((plane) => !measured.has(plane))) return undefined
  return drawChart({
    title: 'Short TCP connections to one of many services',
    caption,
    across: 'services',
    panels: panels.map((panel) => panelOf(results, panel))
  })
}
