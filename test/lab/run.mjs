// Boots another kernel on this machine's own file system and runs a command in it, as root, in the current folder and with this environment.
//   node test/lab/run.mjs [--timeout SECONDS] [--memory MEGABYTES] MACHINE COMMAND [ARGUMENT…]
// Prints what the command prints and ends with its exit status; 124: the time was over (LAB_TIMEOUT, 600 s), 125: the machine cannot be booted,
// 97: it ended without a status. /run, /dev and kernel state are the machine's own; files are shared, so write under a temporary folder only.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { machines, prepare } from './machines.mjs'

export const timedOut = 124
export const notBooted = 125
export const noStatus = 97

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`

/** The script that runs inside: environment, folder, command. */
function commandScript(argv, cwd, env) {
  const variables = Object.entries(env).filter(([name, value]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && value !== undefined)
  const exports = variables.map(([name, value]) => `export ${name}=${quoted(value)}`)
  // First `modprobe` that knows where this kernel's modules are (init), then what the system has: the wrappers of version managers take seconds on
  // an emulated processor.
  exports.push('export PATH="/run/lab:/usr/sbin:/usr/bin:/sbin:/bin:$PATH"')
  return [...exports, `cd ${quoted(cwd)} || exit 126`, `exec ${argv.map(quoted).join(' ')}`, ''].join('\n')
}

/** Ends the machine with all the processes that it is made of: it leads a process group of its own. */
function killGroup(child) {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    // ESRCH: it has ended.
    if (error.code !== 'ESRCH') throw error
  }
}

async function boot(argv, { timeoutSeconds, stdout, stderr }) {
  const [program, ...args] = argv
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] })
  const own = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => own.push(chunk))
  child.stdio[3].on('data', (chunk) => stdout.write(chunk))
  child.stdio[4].on('data', (chunk) => stderr.write(chunk))
  let late = false
  const timer = setTimeout(() => {
    late = true
    killGroup(child)
  }, timeoutSeconds * 1000)
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  let ended
  const stop = (signal) => {
    ended = signal
    killGroup(child)
  }
  for (const signal of signals) process.on(signal, stop)
  try {
    await once(child, 'close')
    return { late, ended, own: Buffer.concat(own).toString() }
  } finally {
    clearTimeout(timer)
    for (const signal of signals) process.off(signal, stop)
    killGroup(child)
  }
}

/**
 * Runs a command in a machine.
 * @param {string} name of machines.mjs
 * @param {string[]} argv
 * @param {{ timeoutSeconds?: number, memoryMegabytes?: number, env?: Record<string, string | undefined>, cwd?: string,
 *   stdout?: { write(chunk: unknown): unknown }, stderr?: { write(chunk: unknown): unknown } }} [options]
 * @returns {Promise<number>} the exit status, as explained at the top
 */
export async function runInLab(name, argv, options = {}) {
  const { timeoutSeconds = 600, memoryMegabytes = 2048, env = process.env, cwd = process.cwd() } = options
  const { stdout = process.stdout, stderr = process.stderr } = options
  const machine = machines[name]
  const why = machine === undefined ? `there is no machine '${name}', but ${Object.keys(machines).join(', ')}` : await prepare(machine)
  if (why !== undefined) {
    stderr.write(`${why}\n`)
    return notBooted
  }
  const folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-lab-'))
  try {
    writeFileSync(path.join(folder, 'command'), commandScript(argv, cwd, env))
    writeFileSync(path.join(folder, 'status'), '')
    const init = path.join(import.meta.dirname, 'init')
    const command = await machine.argv({ init, folder, memoryMegabytes })
    const { late, ended, own } = await boot(command, { timeoutSeconds, stdout, stderr })
    if (ended !== undefined) return 128 + os.constants.signals[ended]
    if (late) {
      stderr.write(`${machine.title}: killed after ${timeoutSeconds} s\n`)
      return timedOut
    }
    const status = readFileSync(path.join(folder, 'status'), 'utf8').trim()
    if (status !== '') return Number(status)
    stderr.write(`${machine.title} ended without a status. It printed:\n${own}`)
    return noStatus
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function parse(args) {
  const options = { timeoutSeconds: Number(process.env.LAB_TIMEOUT ?? 600), memoryMegabytes: 2048 }
  const names = { '--timeout': 'timeoutSeconds', '--memory': 'memoryMegabytes' }
  let rest = args
  while (rest[0] in names) {
    options[names[rest[0]]] = Number(rest[1])
    rest = rest.slice(2)
  }
  const [machine, ...argv] = rest
  const isComplete = argv.length > 0 && Object.values(options).every((value) => Number.isSafeInteger(value) && value > 0)
  return isComplete ? { machine, argv, options } : undefined
}

if (process.argv[1] === import.meta.filename) {
  const request = parse(process.argv.slice(2))
  if (request === undefined) {
    console.error('usage: node test/lab/run.mjs [--timeout SECONDS] [--memory MEGABYTES] MACHINE COMMAND [ARGUMENT…]')
    process.exitCode = notBooted
  } else {
    process.exitCode = await runInLab(request.machine, request.argv, request.options)
  }
}
