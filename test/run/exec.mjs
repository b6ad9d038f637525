import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'

/** What a program gets to end those it has started in groups of their own. */
const graceMs = 2000

/**
 * Runs a program in a process group of its own, which is killed as a whole when the time is over or when this process is asked to end.
 * @param {string[]} argv
 * @param {{ timeoutSeconds: number, quiet?: boolean, cwd?: string, env?: Record<string, string | undefined> }} options
 *   `quiet`: the output is kept, and printed only when the program fails.
 * @returns {Promise<{ status: number, output: string }>} status 124 when the time was over, 127 when it could not be started
 */
export async function exec(argv, { timeoutSeconds, quiet = false, cwd, env }) {
  const [command, ...args] = argv
  const child = spawn(command, args, {
    cwd,
    env: { ...(process.stdout.isTTY ? {} : { NO_COLOR: '1' }), ...process.env, ...env },
    detached: true,
    stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit']
  })
  const chunks = []
  child.stdout?.on('data', (chunk) => chunks.push(chunk))
  child.stderr?.on('data', (chunk) => chunks.push(chunk))
  let late = false
  const killGroup = (signal) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal)
    } catch (error) {
      // ESRCH: everything in the group has ended by itself.
      if (error.code !== 'ESRCH') throw error
    }
  }
  const timer = setTimeout(() => {
    late = true
    killGroup('SIGTERM')
    setTimeout(killGroup, graceMs, 'SIGKILL').unref()
  }, timeoutSeconds * 1000)
  const stop = () => {
    killGroup('SIGTERM')
    setTimeout(() => {
      killGroup('SIGKILL')
      process.exit(130)
    }, graceMs)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, stop)
  try {
    const [code, signal] = await once(child, 'close')
    const output = Buffer.concat(chunks).toString()
    const status = late ? 124 : (code ?? 128)
    if (status !== 0 && quiet) process.stdout.write(output)
    if (late) console.log(`${argv.join(' ')}: killed after ${timeoutSeconds} s`)
    else if (signal !== null) console.log(`${argv.join(' ')}: ended by ${signal}`)
    return { status, output }
  } catch (error) {
    console.log(`${command} cannot be started: ${error.message}`)
    return { status: 127, output: '' }
  } finally {
    clearTimeout(timer)
    for (const signal of signals) process.off(signal, stop)
    // What a failed or killed test left behind in its group.
    killGroup('SIGKILL')
  }
}
