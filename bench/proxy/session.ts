import { setTimeout as sleep } from 'node:timers/promises'
import type { Background } from '../../test/support/run.js'
import type { Netplane } from '../frame/netplane.js'
import type { Place } from '../frame/row.js'
import { median, quantile } from '../frame/statistics.js'
import { openKernel, startDaemon, type Daemon } from './daemon.js'
import { countOrNothing, untilCommitted, untilQuiet, type Kernel, type Moved } from './kernel.js'
import type { ClusterSize } from './large-cluster.js'
import { memoryOf, processorMsOf } from './process.js'

/** Where a proxy reads, and what changes it. */
export interface Source {
  readonly size: ClusterSize
  /** Gives the first endpoint of a Service an address that none has had. Returns that address, and what writes it. */
  move(service: number): { readonly address: string; readonly write: () => Promise<unknown> }
}

/** How much a session does. */
export interface Pace {
  /** From the start to the look at what an idle daemon costs: V8 collects and compiles for half a minute after so much work. */
  readonly settleMs: number
  readonly idleMs: number
  /** No commit for this long: the kernel has all. */
  readonly quietMs: number
  readonly atOnce: number
  /** Changes one by one; default: those of the daemon. */
  readonly changes?: number
  /** For any one step. */
  readonly timeoutMs: number
}

export const usualPace: Pace = { settleMs: 60_000, idleMs: 10_000, quietMs: 2000, atOnce: 100, timeoutMs: 1_500_000 }

/** What a session found out, by the name of the row that shows it. */
export type FigureName = 'start' | 'restart' | 'change' | 'change-p99' | 'changes' | 'idle' | 'memory' | 'memory-peak'

/** Milliseconds, percent of a core and MiB. A session that only starts has two of them. */
export type Figures = Readonly<Partial<Record<FigureName, number>>>

/** What the steps of a session share. */
interface Session {
  readonly daemon: Daemon
  readonly source: Source
  readonly kernel: Kernel
  readonly pace: Pace
}

/** How often the kernel is listed that has not all endpoints yet. */
const listAgainMs = 200

/** Starts the daemon, and says after how many milliseconds the kernel had as many endpoints as the source: kube-proxy may say so before. */
async function startSession(
  { daemon, source: { size }, kernel, pace }: Session,
  node: Place
): Promise<{ readonly program: Background; readonly startMs: number }> {
  const { program, began } = await startDaemon(node, daemon, pace.timeoutMs)
  const wanted = daemon.view.wanted(size)
  for (;;) {
    const startMs = performance.now() - began
    const found = await countOrNothing(daemon.view, kernel)
    if (found >= wanted) return { program, startMs }
    if (startMs > pace.timeoutMs) {
      await program.stop('SIGKILL')
      throw new Error(
        `${daemon.argv[0]} has brought ${found} of ${wanted} Services or endpoints into the kernel:\n${program.output().slice(-4000)}`
      )
    }
    await sleep(listAgainMs)
  }
}

/** Share of a core that an idle daemon takes, in percent. */
async function idleShare(pid: number, idleMs: number): Promise<number> {
  const [before, began] = [await processorMsOf(pid), performance.now()]
  await sleep(idleMs)
  return (((await processorMsOf(pid)) - before) / (performance.now() - began)) * 100
}

/** Whether the kernel has what was moved, as far as it can be seen. */
const hasMoved = async ({ daemon: { view }, kernel }: Session, moved: readonly Moved[]): Promise<boolean> =>
  view.has === undefined || (await view.has(kernel, moved))

/** Changes Services one by one. */
async function changeSingly(session: Session): Promise<Figures> {
  const { daemon, source, kernel, pace } = session
  const times: number[] = []
  for (let service = 0; service < (pace.changes ?? daemon.changes); service += 1) {
    const { address, write } = source.move(service)
    const isDone = (): Promise<boolean> => hasMoved(session, [{ service, address }])
    times.push(await untilCommitted(kernel, write, { timeoutMs: pace.timeoutMs, isDone }))
    await sleep(daemon.pauseMs)
  }
  return { change: median(times), 'change-p99': quantile(times, 0.99) }
}

/** Changes many Services at once. */
async function changeTogether(session: Session): Promise<Figures> {
  const { source, kernel, pace } = session
  const moves = Array.from({ length: pace.atOnce }, (_, index) => {
    const service = source.size.services - 1 - index
    return { service, ...source.move(service) }
  })
  const isDone = (): Promise<boolean> => hasMoved(session, moves)
  const { committedMs } = await untilQuiet(kernel, () => Promise.all(moves.map(({ write }) => write())), { ...pace, isDone })
  return { changes: committedMs }
}

/** Everything about one daemon, from its start to that of the process that follows it after a SIGKILL. */
export async function measureDaemon(netplane: Netplane, node: Place, daemon: Daemon, source: Source, pace = usualPace): Promise<Figures> {
  const kernel = await openKernel(netplane, node)
  const session = { daemon, source, kernel, pace }
  let running = await startSession(session, node)
  try {
    const start = running.startMs
    await sleep(pace.settleMs)
    const idle = await idleShare(running.program.pid, pace.idleMs)
    const { residentMiB } = await memoryOf(running.program.pid)
    const changed = { ...(await changeSingly(session)), ...(await changeTogether(session)) }
    const { peakMiB } = await memoryOf(running.program.pid)
    await running.program.stop('SIGKILL')
    running = await startSession(session, node)
    const second = await memoryOf(running.program.pid)
    return { start, restart: running.startMs, ...changed, idle, memory: residentMiB, 'memory-peak': Math.max(peakMiB, second.peakMiB) }
  } finally {
    await running.program.stop('SIGKILL')
    await kernel.close()
  }
}

/** The start of a daemon alone. */
export async function measureStart(netplane: Netplane, node: Place, daemon: Daemon, source: Source, pace = usualPace): Promise<Figures> {
  const kernel = await openKernel(netplane, node)
  const { program, startMs } = await startSession({ daemon, source, kernel, pace }, node)
  try {
    return { start: startMs, 'memory-peak': (await memoryOf(program.pid)).peakMiB }
  } finally {
    await program.stop('SIGKILL')
    await kernel.close()
  }
}
