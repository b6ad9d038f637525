import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Finished {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** How a program is run. */
export interface RunOptions {
  /** Beside that of this process. */
  readonly environment?: NodeJS.ProcessEnv
  /** What is on its standard input. */
  readonly input?: string
  /** It is killed after this time. Default: five minutes. */
  readonly timeoutMs?: number
}

/** Runs a program to its end, whatever its exit status. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { environment = {}, input = '', timeoutMs = 300_000 } = options
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...environment }, timeout: timeoutMs })
  // EPIPE: it has ended without reading, and its exit status says why.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
}

/** Runs a program and returns what it printed; rejects with its standard error unless it exits with 0. */
export async function output(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await run(command, args, options)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}\n${stderr}${stdout}`)
  return stdout
}
