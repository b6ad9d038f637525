/**
 * `netplane watch`: what `show` shows, again and again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidArgumentError, type Command } from 'commander'
import type { CommandEnvironment } from '../environment.js'
import { SignalError, STATUS } from '../errors.js'
import { modeOption, namespaceOption, type Mode } from '../options.js'
import { frontendLines } from '../output/frontends.js'
import { Screen } from '../output/screen.js'
import { readFrontends } from '../show/read.js'

interface WatchOptions {
  readonly mode?: Mode | undefined
  readonly netns?: string | number | undefined
  readonly name?: string | undefined
  readonly interval: number
  readonly count?: number | undefined
}

const MIN_SECONDS = 0.1
const MAX_SECONDS = 3600

function parseSeconds(text: string): number {
  const seconds = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (seconds >= MIN_SECONDS && seconds <= MAX_SECONDS) return seconds
  throw new InvalidArgumentError(`It must be a number of seconds from ${MIN_SECONDS} to ${MAX_SECONDS}, without a unit.`)
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number above 0.')
}

async function look(environment: CommandEnvironment, screen: Screen, options: WatchOptions): Promise<void> {
  const { stdout } = environment
  const frontends = await readFrontends(environment, options)
  const width = stdout.isTTY === true ? stdout.columns : undefined
  screen.show([`Every ${options.interval} s; Ctrl-C ends it. Now: ${new Date().toISOString()}`, '', ...frontendLines(frontends, width)])
}

/** Ctrl-C is how it is meant to end. */
function isEnd(reason: unknown): boolean {
  return reason instanceof SignalError && reason.status === STATUS.interrupted
}

async function watch(environment: CommandEnvironment, options: WatchOptions): Promise<number> {
  const { signal } = environment
  // What cannot be read at first is told before the terminal is touched.
  await readFrontends(environment, options)
  using screen = new Screen(environment)
  try {
    for (let looks = 1; ; looks++) {
      await look(environment, screen, options)
      if (looks === options.count) return STATUS.success
      await sleep(options.interval * 1000, undefined, { signal })
    }
  } catch (error) {
    // What was under way says in its own words that it was ended.
    if (!signal.aborted) throw error
    if (!isEnd(signal.reason)) throw signal.reason
    return STATUS.success
  }
}

/** Adds the command. */
export function addWatch(program: Command, environment: CommandEnvironment, done: (status: number) => void): void {
  program
    .command('watch')
    .description('shows what show shows, again and again, until Ctrl-C; changes nothing')
    .addOption(modeOption('the mode that is shown; default: all of them'))
    .addOption(namespaceOption())
    .option('--name <name>', 'the name of the tables, or of the dummy device, of the plane; default: netplane')
    .option('--interval <seconds>', 'seconds between two looks', parseSeconds, 2)
    .option('--count <number>', 'looks after which it ends', parseCount)
    .action(async (options: WatchOptions) => done(await watch(environment, options)))
}
