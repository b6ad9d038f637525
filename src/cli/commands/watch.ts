/**
 * `netplane watch`: what `show` shows, again and again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { CommandEnvironment } from '../environment.js'
import { isInterrupt, STATUS } from '../errors.js'
import { modeOption, namespaceOption, parseCount, parseSeconds, type Mode } from '../options.js'
import { widthFor } from '../output/format.js'
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

async function look(environment: CommandEnvironment, screen: Screen, options: WatchOptions): Promise<void> {
  const frontends = await readFrontends(environment, options)
  const width = widthFor(environment, 'text')
  screen.show([`Every ${options.interval} s; Ctrl-C ends it. Now: ${new Date().toISOString()}`, '', ...frontendLines(frontends, width)])
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
    // Ctrl-C is how it is meant to end.
    if (!isInterrupt(signal.reason)) throw signal.reason
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
