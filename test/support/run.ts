import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { patience } from './lab.js'

/** What a finished program left. */
export interface Finished {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Written to standard input, which is closed after it. */
  readonly input?: string | Uint8Array
  /** The program is killed and the promise rejects after this time (in the lab six times as long). Default 20 seconds. */
  readonly timeoutMs?: number
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

/** Runs a program to its end, whatever its exit status; rejects only when it cannot be started or exceeds its time. */
export async function attempt(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = spawn(command, args, { env: options.env ?? process.env, cwd: options.cwd, stdio: 'pipe' })
  const timeoutMs = (options.timeoutMs ?? 20_000) * patience
  const deadline = { passed: false }
  const timer = setTimeout(() => {
    deadline.passed = true
    child.kill('SIGKILL')
  }, timeoutMs)
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  // EPIPE: the program ended without reading all of it, which its exit status explains better.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  try {
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    const finished = { status, signal, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
    if (deadline.passed)
      throw new Error(`${command} ${args.join(' ')}: not finished after ${timeoutMs} ms\n${finished.stdout}${finished.stderr}`)
    return finished
  } finally {
    clearTimeout(timer)
  }
}

/** Runs a program and returns its standard output; rejects with what it printed unless it exits with 0. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const finished = await attempt(command, args, options)
  if (finished.status !== 0) {
    const end = finished.signal ?? `status ${finished.status}`
    throw new Error(`${command} ${args.join(' ')}: ${end}\n${finished.stdout}${finished.stderr}`)
  }
  return finished.stdout
}

/** How a program that runs beside others is started. */
export type ProgramOptions = Omit<RunOptions, 'input' | 'timeoutMs'>

/** A program that runs beside tests; it is killed by its own pid. */
export interface Background {
  readonly pid: number
  /** Everything printed so far. */
  output(): string
  /** Resolves once the output contains `text`; rejects after `timeoutMs` (default 10 seconds) or when the program ends without it. */
  waitFor(text: string, timeoutMs?: number): Promise<void>
  /** Resolves when the program has ended, with how it did. */
  readonly ended: Promise<Pick<Finished, 'status' | 'signal'>>
  /** Kills it (default SIGTERM) and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts a program that outlives the running test: who starts it stops it. */
export function startProgram(command: string, args: readonly string[], options: ProgramOptions = {}): Background {
  const child: ChildProcess = spawn(command, args, { env: options.env ?? process.env, cwd: options.cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const { pid } = child
  if (pid === undefined) throw new Error(`${command} cannot be started`)
  let text = ''
  const watchers = new Set<() => void>()
  const note = (chunk: Buffer): void => {
    text += chunk.toString()
    for (const watcher of watchers) watcher()
  }
  child.stdout?.on('data', note)
  child.stderr?.on('data', note)
  const ended = once(child, 'close').then(([status, signal]: (number | NodeJS.Signals | null)[]) => ({
    status: status as number | null,
    signal: signal as NodeJS.Signals | null
  }))
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await ended
  }
  const waitFor = (wanted: string, timeoutMs = 10_000 * patience): Promise<void> =>
    new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        watchers.delete(check)
        clearTimeout(timer)
        if (error) reject(error)
        else resolve()
      }
      const check = (): void => {
        if (text.includes(wanted)) finish()
      }
      const timer = setTimeout(() => finish(new Error(`${command} did not print '${wanted}' in ${timeoutMs} ms:\n${text}`)), timeoutMs)
      watchers.add(check)
      void ended.then(() => {
        check()
        if (watchers.has(check)) finish(new Error(`${command} ended without printing '${wanted}':\n${text}`))
      })
      check()
    })
  return { pid, output: () => text, waitFor, ended, stop }
}

/** Calls `probe` every few milliseconds until it returns something else than undefined or false; rejects, naming `what`, after `timeoutMs`. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000 * patience
): Promise<T> {
  const end = performance.now() + timeoutMs
  for (;;) {
    const value = await probe()
    if (value !== undefined && value !== false) return value
    if (performance.now() > end) throw new Error(`after ${timeoutMs} ms still not: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
