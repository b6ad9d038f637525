import { existsSync } from 'node:fs'
import type { Bench } from '../frame/bench.js'
import type { Bar, Contender, Contenders, Row } from '../frame/row.js'
import { loadServers } from '../frame/servers.js'
import { proxyProgram, type ProxyMode } from '../proxy/daemon.js'
import type { ClusterSize } from '../proxy/large-cluster.js'
import type { FigureName, Figures } from '../proxy/session.js'

/** What a session found out about each proxy: kube-proxy is there only on an API. */
interface Report {
  readonly ours: Figures
  readonly kubeProxy?: Figures
}

/** One session gives the figures of several rows: the first row of a round that asks runs it, and the others wait for it or find it. */
class Rounds<Found> {
  readonly #measure: (bench: Bench) => Promise<Found>
  readonly #reports: Promise<Found>[] = []

  constructor(measure: (bench: Bench) => Promise<Found>) {
    this.#measure = measure
  }

  /** A contender of a row that asks for a figure, round after round. */
  contender(bench: Bench, of: (report: Found) => number | undefined): Contender {
    let round = 0
    return async () => {
      const found = of(await (this.#reports[round++] ??= this.#measure(bench)))
      if (found === undefined) throw new Error('the session has not measured this')
      return found
    }
  }
}

/** What a row says of a figure. The bars against kube-proxy are those of rows that have it as a peer. */
interface FigureRow {
  readonly unit: string
  readonly about: string
  readonly bar: Bar
  readonly timesFaster?: number
}

/** What is held to a tenth and a twentieth of kube-proxy's time where it runs beside ours; on a folder, of the time that it once took for 10,000 × 4. */
const figureRows: Readonly<Record<FigureName, FigureRow>> = {
  start: { unit: 'ms', about: 'from the start of the program until the kernel has all', bar: { oursAtMost: 1460 }, timesFaster: 10 },
  restart: {
    unit: 'ms',
    about: 'the same of a program that finds the rules of one that was ended by SIGKILL',
    bar: { oursAtMost: 1450 },
    timesFaster: 20
  },
  change: { unit: 'ms', about: 'from the change of one slice until the kernel has it, median', bar: { oursAtMost: 15 } },
  'change-p99': { unit: 'ms', about: 'the time that 99 of 100 such changes do not exceed', bar: { oursAtMost: 30 } },
  changes: { unit: 'ms', about: 'from the first of 100 changes at once until the last commit', bar: { oursAtMost: 300 } },
  idle: { unit: '% of a core', about: 'processor time while nothing changes, 60 to 70 s after the start', bar: { oursAtMost: 0.1 } },
  memory: { unit: 'MiB', about: 'resident size then', bar: { oursAtMost: 180 } },
  'memory-peak': { unit: 'MiB', about: 'resident size at most, in all of that', bar: { oursAtMost: 250 } }
}

const sizes: readonly ClusterSize[] = [
  { services: 1000, endpoints: 10 },
  { services: 5000, endpoints: 10 },
  { services: 10_000, endpoints: 4 }
]

const nameOf = ({ services, endpoints }: ClusterSize): string => `${services}x${endpoints}`
const sayOf = ({ services, endpoints }: ClusterSize): string => `${services} Services of ${endpoints} endpoints`

/** @throws The proxy has not been built. */
function requireProxy({ root }: Bench): void {
  if (!existsSync(proxyProgram(root))) throw new TypeError('build/examples/proxy.js is missing: run `npm run build:examples` first')
}

/** What the rows of one session share. */
interface SessionRows {
  readonly rounds: Rounds<Report>
  /** The beginning of their names. */
  readonly prefix: string
  readonly size: ClusterSize
  readonly about: string
  readonly peer: boolean
  readonly isLong?: boolean
}

/** The programs that kube-proxy runs. */
const peerPrograms = ['nft', 'iptables', 'conntrack']

function rowOf({ rounds, prefix, size, about, peer, isLong = false }: SessionRows, figure: FigureName): Row {
  const { unit, about: what, bar, timesFaster } = figureRows[figure]
  const prepare = (bench: Bench): Promise<Contenders> => {
    requireProxy(bench)
    return Promise.resolve({
      ours: rounds.contender(bench, ({ ours }) => ours[figure]),
      peers: peer ? { 'kube-proxy': rounds.contender(bench, ({ kubeProxy }) => kubeProxy?.[figure]) } : {}
    })
  }
  return {
    name: `${prefix}${nameOf(size)}-${figure}`,
    unit,
    about: `${what}: ${about}, ${sayOf(size)}`,
    bar: peer && timesFaster !== undefined ? { fasterThanPeerAtLeast: { 'kube-proxy': timesFaster } } : bar,
    rounds: 1,
    needs: peer ? peerPrograms : [],
    ...(peer && { onApi: true }),
    ...(isLong && { isLong }),
    prepare
  }
}

const everyFigure = Object.keys(figureRows) as FigureName[]

function folderRows(size: ClusterSize): Row[] {
  const rounds = new Rounds<Report>((bench) => bench.proxy({ kind: 'folder', size }))
  const session = { rounds, prefix: 'proxy-folder-', size, about: 'the example proxy on a folder with a file for each', peer: false }
  return everyFigure.map((figure) => rowOf(session, figure))
}

/** Rows of a session on an API. In mode iptables its start alone is measured. */
function apiRows(size: ClusterSize, mode: ProxyMode = 'nftables', isLong = false): Row[] {
  const startsOnly = mode === 'iptables'
  const rounds = new Rounds<Report>(async (bench) => {
    const { benchPrograms, serverPrograms } = await loadServers(bench.root)
    return await bench.proxy({ kind: 'api', size, mode, startsOnly, programs: serverPrograms(process.env, benchPrograms) })
  })
  const session = {
    rounds,
    prefix: startsOnly ? 'proxy-api-iptables-' : 'proxy-api-',
    size,
    about: `the example proxy of mode ${mode} on an API server`,
    peer: true,
    isLong
  }
  if (startsOnly) return [{ ...rowOf(session, 'start'), bar: { fasterThanPeerAtLeast: { 'kube-proxy': 20 } } }]
  return everyFigure.map((figure) => rowOf(session, figure))
}

const [small, , large] = sizes as [ClusterSize, ClusterSize, ClusterSize]

/** All Services in one file. */
const fileRow: Row = {
  name: `proxy-file-${nameOf(large)}-memory`,
  unit: 'MiB',
  about: `what the example proxy takes at most beyond one with an empty folder, the floor being the size of the one file of YAML: ${sayOf(large)}`,
  bar: { timesFloorAtMost: 5 },
  rounds: 1,
  needs: [],
  prepare: (bench) => {
    requireProxy(bench)
    const rounds = new Rounds((asked) => asked.proxy({ kind: 'file', size: large }))
    return Promise.resolve({
      ours: rounds.contender(bench, ({ growthMiB }) => growthMiB),
      floor: rounds.contender(bench, ({ fileMiB }) => fileMiB),
      peers: {}
    })
  }
}

/** What the example proxy costs, as a program: on a folder, and on an API server beside kube-proxy. */
export const proxyRows: readonly Row[] = [
  ...sizes.flatMap(folderRows),
  fileRow,
  ...sizes.flatMap((size) => apiRows(size)),
  ...apiRows(small, 'iptables'),
  ...apiRows(large, 'iptables', true)
]
