import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { inNamespace } from '../../test/run/namespace.mjs'
import type { OptionsOf, SubjectName } from '../subjects/index.js'
import type { ChildReport, ChildTask } from './child-task.js'
import { inFreshNamespace } from './namespaces.js'
import { loadNetplane, type Netplane } from './netplane.js'
import { output } from './process.js'
import type { ProxyArguments, ProxyReports, ProxyTask } from './proxy-task.js'
import { runRelayLoad, type RelayLoad, type RelayRun } from './relay.js'
import { buildPrograms, type Programs } from './programs.js'
import type { Place } from './row.js'
import { openTrafficNetwork, type TrafficNetwork } from './traffic.js'

/** What a subject's set-up and its work sent to the kernel: files for `replay`. */
export interface Recording {
  readonly setup: string
  readonly work: string
  /** Bytes of the work's datagrams, headers of the file included (28 each). */
  readonly workBytes: number
}

/** What rows build their contenders of. */
export interface Bench {
  readonly netplane: Netplane
  /** The folder of the sources of the bench. */
  readonly sources: string
  /** The repository. */
  readonly root: string
  /** Writes a file that lives as long as the bench, and returns its path. */
  readonly file: (name: string, content: string | Uint8Array) => string
  /** Runs a subject once in a process of its own, in a namespace of its own, and keeps what it sent; of its work, what `replayable` makes of that. */
  record<Name extends SubjectName>(subject: Name, options: OptionsOf<Name>, replayable?: (work: Buffer) => Buffer): Promise<Recording>
  /**
   * Runs a subject once in a fresh process and measures that process.
   *
   * @param turns Whether to watch the turns of the event loop (default true), which makes garbage and so takes memory.
   */
  child<Name extends SubjectName>(place: Place, subject: Name, options: OptionsOf<Name>, turns?: boolean): Promise<ChildReport>
  /** Sends a recording's set-up and then, `times` times, its work; returns the milliseconds of each. */
  replay(place: Place, recording: Pick<Recording, 'setup' | 'work'>, times: number): Promise<number[]>
  /** The command line of such a replay, which begins its work every so many microseconds. */
  replayCommand(place: Place, recording: Pick<Recording, 'setup' | 'work'>, times: number, intervalMicroseconds: number): readonly string[]
  /** Runs a program inside and returns its milliseconds, from fork to end. */
  timed(place: Place, command: readonly string[]): Promise<number>
  /** Makes a node between a client and a server. */
  traffic(): Promise<TrafficNetwork>
  /** Runs a load on a server of Node, through a plane of mode `userspace` or without one. */
  relay(place: Place, load: { readonly load: RelayLoad; readonly amount: number; readonly isRelayed: boolean }): Promise<RelayRun>
  /** Runs a session of the example proxy in a process that has its namespaces for itself. */
  proxy<Task extends ProxyTask>(task: Task): Promise<ProxyReports[Task['kind']]>
  close(): void
}

/** For objects at an API, two daemons and all their steps, the slowest of which takes kube-proxy minutes. */
const proxyTimeoutMs = 3_600_000

interface Context {
  readonly root: string
  readonly cache: string
}

function runChild({ root, cache }: Context, programs: Programs, task: ChildTask, environment: NodeJS.ProcessEnv = {}): Promise<string> {
  const program = path.join(cache, 'js', 'child.mjs')
  return output(process.execPath, [program, JSON.stringify({ root, threadClock: programs.threadClock, task })], { environment })
}

const milliseconds = (nanoseconds: string): number => Number(nanoseconds) / 1e6

/** Compiles the programs, loads the built package and makes a folder for files; `close` removes it. */
export async function openBench(context: Context): Promise<Bench> {
  const programs = await buildPrograms(context.root, context.cache)
  const netplane = await loadNetplane(context.root)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-bench-'))
  let recordings = 0
  const file = (name: string, content: string | Uint8Array): string => {
    const target = path.join(folder, name)
    writeFileSync(target, content)
    return target
  }
  return {
    netplane,
    sources: path.join(context.root, 'bench'),
    root: context.root,
    file,
    record: async (subject, options, replayable = (bytes) => bytes) => {
      recordings += 1
      const name = `recording-${recordings}`
      const whole = path.join(folder, name)
      const environment = { LD_PRELOAD: programs.record, NETPLANE_BENCH_RECORD: whole }
      const printed = await inFreshNamespace((place) =>
        runChild(context, programs, { kind: 'record', netns: place.path, subject, options, recording: whole }, environment)
      )
      const [from = 0, to = 0] = JSON.parse(printed) as number[]
      const bytes = readFileSync(whole)
      rmSync(whole)
      if (to <= from) throw new Error(`${subject} sent nothing that can be replayed`)
      return {
        setup: file(`${name}-setup`, bytes.subarray(0, from)),
        work: file(`${name}-work`, replayable(bytes.subarray(from, to))),
        workBytes: to - from
      }
    },
    child: async (place, subject, options, turns = true) =>
      JSON.parse(await runChild(context, programs, { kind: 'measure', turns, netns: place.path, subject, options })) as ChildReport,
    replay: async (place, { setup, work }, times) => {
      const printed = await output(programs.replay, [place.path, setup, work, String(times)])
      return printed.trim().split('\n').filter(Boolean).map(milliseconds)
    },
    replayCommand: (place, { setup, work }, times, intervalMicroseconds) => [
      programs.replay,
      place.path,
      setup,
      work,
      String(times),
      String(intervalMicroseconds)
    ],
    timed: async (place, command) => {
      const printed = await output(programs.timed, [place.path, ...command])
      return milliseconds(printed.split(' ')[0] ?? '')
    },
    traffic: () => openTrafficNetwork(programs),
    relay: (place, load) => runRelayLoad({ root: context.root, program: path.join(context.cache, 'js', 'relay.mjs') }, place, load),
    proxy: async (task) => {
      const child = path.join(context.cache, 'js', 'proxy.mjs')
      const [command = '', ...args] = inNamespace([
        process.execPath,
        child,
        JSON.stringify({ root: context.root, task } satisfies ProxyArguments)
      ])
      return JSON.parse(await output(command, args, { timeoutMs: proxyTimeoutMs })) as ProxyReports[(typeof task)['kind']]
    },
    close: () => rmSync(folder, { recursive: true, force: true })
  }
}
