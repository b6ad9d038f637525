import path from 'node:path'
import { expect } from 'vitest'
import { makeNamespace } from '../support/namespace.js'
import { isSanitized, nodeEnvironment } from '../support/node.js'

interface Scenario {
  readonly name: string
  readonly file: string
  /** Arguments under sanitizers, where everything is slow; default none. */
  readonly sanitizedArguments?: readonly string[]
}

/** The programs of `scenarios/`, each of which is a process that must end by itself with status 0 and 'ok' as its last line. */
export const scenarios: readonly Scenario[] = [
  { name: 'a hundred workers are terminated with jobs and monitors in flight', file: 'terminate.mjs', sanitizedArguments: ['40'] },
  { name: 'workers are terminated with flows watched, iterated, listed and cut', file: 'conntrack.mjs', sanitizedArguments: ['6'] },
  { name: 'the process and its workers end with jobs pending', file: 'exit-pending.mjs' },
  { name: 'sockets and monitors are opened and closed, and leave no descriptor', file: 'reopen.mjs' },
  { name: 'a socket is closed during a job, twice, and used afterwards', file: 'close.mjs' },
  { name: 'sockets, monitors, batches and listings are collected while open', file: 'garbage.mjs' },
  { name: 'two copies of the addon live in one process', file: 'copies.mjs' },
  { name: 'a monitor is overrun several times', file: 'overrun.mjs' },
  { name: 'a monitor keeps the process alive only while referenced', file: 'unref.mjs' },
  { name: 'a watch of the generation tells once, and keeps nothing alive', file: 'generation-watch.mjs' },
  { name: 'an idle client and an idle plane of IPVS let the process end', file: 'idle.mjs' },
  { name: "a monitor's callback throws", file: 'callback-error.mjs' },
  { name: 'more jobs wait than may run at a time', file: 'places.mjs' },
  { name: 'a thread that is busy for long holds nobody up', file: 'busy.mjs' },
  { name: 'memory crosses in both directions', file: 'memory.mjs' }
]

const minuteMs = 60_000

/** Runs a scenario in a process and a network namespace of its own, within a minute. */
export async function play({ file, sanitizedArguments = [] }: Scenario): Promise<void> {
  const namespace = await makeNamespace()
  const program = path.join(import.meta.dirname, 'scenarios', file)
  const args = ['--expose-gc', program, ...(isSanitized ? sanitizedArguments : [])]
  const finished = await namespace.attempt(process.execPath, args, { env: nodeEnvironment(), timeoutMs: minuteMs })
  const { status, signal, stdout, stderr } = finished
  const lastLine = stdout.trimEnd().split('\n').at(-1)
  expect({ status, signal, lastLine }, `${stdout}${stderr}`).toEqual({ status: 0, signal: null, lastLine: 'ok' })
}
