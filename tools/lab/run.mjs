// Boots another kernel on this machine's own file system and runs a command in it, as root, in the current folder and with this environment.
//   node tools/lab/run.mjs [--timeout SECONDS] [--memory MEGABYTES] [--counted] MACHINE COMMAND [ARGUMENT…]
// With --counted the clock of a machine of qemu counts instructions: times in it are always the same, however busy this machine is.
// Prints what the command prints and ends with its exit status; 124: the time was over (LAB_TIMEOUT, 600 s), 125: the machine does not boot, 97: it
// went down before the command ended. By a fault of the machine itself that may be tried again, which is said. What its kernel prints goes to a log, which is named when it is of use and is removed when it is not.
// /run, /dev and kernel state are the machine's own; files are shared, so write under a temporary folder only.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { cacheFolder } from './cache.mjs'
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

/**
 * Starts a machine and waits for its end.
 * @param {string[]} argv
 * @param {{ timeoutSeconds: number, bootSeconds: number, hasStarted: () => boolean, stdout: { write(chunk: unknown): unknown },
 *   stderr: { write(chunk: unknown): unknown } }} options
 * @returns {Promise<{ killed?: 'late' | 'stuck' | NodeJS.Signals, log: Buffer }>} `killed`: why it was ended
 */
async function start(argv, { timeoutSeconds, bootSeconds, hasStarted, stdout, stderr }) {
  const [program, ...args] = argv
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] })
  const own = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => own.push(chunk))
  child.stdio[3].on('data', (chunk) => stdout.write(chunk))
  child.stdio[4].on('data', (chunk) => stderr.write(chunk))
  let killed
  const stop = (why) => {
    killed = why
    killGroup(child)
  }
  const timers = [
    setTimeout(() => stop('late'), timeoutSeconds * 1000),
    setTimeout(() => hasStarted() || stop('stuck'), bootSeconds * 1000)
  ]
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, stop)
  try {
    await once(child, 'close')
    return { killed, log: Buffer.concat(own) }
  } finally {
    for (const timer of timers) clearTimeout(timer)
    for (const signal of signals) process.off(signal, stop)
    killGroup(child)
  }
}

/** Where the last log of a machine is kept. */
export const logFile = (name) => path.join(cacheFolder(), `${name}.log`)

function keepLog(name, log) {
  mkdirSync(cacheFolder(), { recursive: true })
  writeFileSync(logFile(name), log)
  return `its log is ${logFile(name)}`
}

/**
 * What became of a command, from its file of status and from why its machine was ended.
 * @returns {{ status: number, why?: string, hasGoneDown?: boolean }} `hasGoneDown`: the machine went down by itself before the command started, or by a fault of its own
 */
function conclude({ name, machine: { title, ownFault }, written, killed, log, timeoutSeconds, bootSeconds }) {
  if (killed !== undefined && killed in os.constants.signals) return { status: 128 + os.constants.signals[killed] }
  if (written === '') {
    const how = killed === undefined ? 'does not boot here' : `has not booted in ${bootSeconds} s`
    return { status: notBooted, hasGoneDown: killed === undefined, why: `${title} ${how} (${keepLog(name, log)})` }
  }
  if (killed === 'late') return { status: timedOut, why: `${title}: killed after ${timeoutSeconds} s` }
  if (written === 'started') {
    const why = `${title} went down before the command ended (${keepLog(name, log)})`
    return { status: noStatus, why, hasGoneDown: ownFault?.test(log.toString()) }
  }
  return { status: Number(written) }
}

/** Boots a machine for a command, once. @returns {Promise<{ status: number, why?: string, hasGoneDown?: boolean }>} */
async function boot(name, machine, argv, { timeoutSeconds, memoryMegabytes, isCounted = false, env, cwd, stdout, stderr }) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-lab-'))
  const status = path.join(folder, 'status')
  const written = () => readFileSync(status, 'utf8').trim()
  const { title } = machine
  const bootSeconds = Math.min(machine.bootSeconds, timeoutSeconds)
  try {
    writeFileSync(path.join(folder, 'command'), commandScript(argv, cwd, env))
    writeFileSync(status, '')
    const init = path.join(import.meta.dirname, 'init')
    const command = await machine.argv({ init, folder, memoryMegabytes, isCounted })
    const { killed, log } = await start(command, { timeoutSeconds, bootSeconds, hasStarted: () => written() !== '', stdout, stderr })
    return conclude({ name, machine, written: written(), killed, log, timeoutSeconds, bootSeconds })
  } catch (error) {
    // A program that is not there, or that fails before it is the machine.
    return { status: notBooted, why: `${title} does not boot here (${keepLog(name, `${error.stack}\n`)})` }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Boots a machine for a command, whatever becomes of it. @returns {Promise<{ status: number, why?: string }>} */
async function attempt(name, machine, argv, options) {
  if (options.isCounted && !machine.canCount)
    return { status: notBooted, why: `${machine.title} emulates no processor whose instructions could be counted` }
  const lacking = await prepare(machine)
  if (lacking !== undefined) return { status: notBooted, why: lacking }
  let result = await boot(name, machine, argv, options)
  for (let boots = 1; result.hasGoneDown && boots < machine.boots; boots += 1) {
    options.stderr.write(`${result.why}; it is booted again\n`)
    result = await boot(name, machine, argv, options)
  }
  return result
}

/**
 * Runs a command in a machine. What goes wrong with the machine itself is said in one line on its standard error.
 * @param {string} name of machines.mjs
 * @param {string[]} argv
 * @param {{ timeoutSeconds?: number, memoryMegabytes?: number, isCounted?: boolean, env?: Record<string, string | undefined>, cwd?: string,
 *   stdout?: { write(chunk: unknown): unknown }, stderr?: { write(chunk: unknown): unknown },
 *   table?: Record<string, import('./machines.mjs').Machine> }} [options] `table`: machines other than those of machines.mjs
 * @returns {Promise<number>} the exit status, as explained at the top
 */
export async function runInLab(name, argv, options = {}) {
  const {
    timeoutSeconds = 600,
    memoryMegabytes = 2048,
    isCounted = false,
    env = process.env,
    cwd = process.cwd(),
    table = machines
  } = options
  const { stdout = process.stdout, stderr = process.stderr } = options
  const machine = table[name]
  const { status, why } =
    machine === undefined
      ? { status: notBooted, why: `there is no machine '${name}', but ${Object.keys(table).join(', ')}` }
      : await attempt(name, machine, argv, { timeoutSeconds, memoryMegabytes, isCounted, env, cwd, stdout, stderr })
  if (why !== undefined) stderr.write(`${why}\n`)
  return status
}

/**
 * Tries a machine and, where it does not boot, its substitute. Says on standard error, in one line, which does not boot and what is used instead.
 * @param {string} name of machines.mjs
 * @param {{ stderr?: { write(chunk: unknown): unknown }, table?: Record<string, import('./machines.mjs').Machine>,
 *   provide?: (machine: import('./machines.mjs').Machine) => Promise<unknown> }} [options] `provide` installs what a machine needs, before it is tried
 * @returns {Promise<string | undefined>} the machine that boots; undefined when none does
 */
export async function findBootable(name, { stderr = process.stderr, table = machines, provide } = {}) {
  const machine = table[name]
  await provide?.(machine)
  const options = { timeoutSeconds: machine.bootSeconds, memoryMegabytes: 512, env: process.env, cwd: '/', stdout: stderr, stderr }
  const { status, why } = await attempt(name, machine, ['true'], options)
  // Ended by a signal, which was meant for all of this process.
  if (status > 128) process.kill(process.pid, status - 128)
  if (why === undefined) return name
  stderr.write(machine.substitute === undefined ? `${why}\n` : `${why}; used instead: ${table[machine.substitute].title}\n`)
  return machine.substitute === undefined ? undefined : findBootable(machine.substitute, { stderr, table, provide })
}

function parse(args) {
  const options = { timeoutSeconds: Number(process.env.LAB_TIMEOUT ?? 600), memoryMegabytes: 2048 }
  const names = { '--timeout': 'timeoutSeconds', '--memory': 'memoryMegabytes' }
  let rest = args
  for (let taken = 1; taken > 0; rest = rest.slice(taken)) {
    taken = rest[0] in names ? 2 : rest[0] === '--counted' ? 1 : 0
    if (taken === 2) options[names[rest[0]]] = Number(rest[1])
    if (taken === 1) options.isCounted = true
  }
  const [machine, ...argv] = rest
  const isComplete = argv.length > 0 && Object.values(names).every((name) => Number.isSafeInteger(options[name]) && options[name] > 0)
  return isComplete ? { machine, argv, options } : undefined
}

if (process.argv[1] === import.meta.filename) {
  const request = parse(process.argv.slice(2))
  if (request === undefined) {
    console.error('usage: node tools/lab/run.mjs [--timeout SECONDS] [--memory MEGABYTES] [--counted] MACHINE COMMAND [ARGUMENT…]')
    process.exitCode = notBooted
  } else {
    process.exitCode = await runInLab(request.machine, request.argv, request.options)
  }
}
