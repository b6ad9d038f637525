/**
 * `netplane watch`: what the kernel holds, again and again, and what happens to it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { CommandEnvironment } from '../environment.js'
import { CommandError, isInterrupt, STATUS } from '../errors.js'
import { missingNamespace } from '../exit-status.js'
import { KERNEL_MODES, modeOption, parseCount, parseSeconds, withPlaneOptions, type PlaneCommandOptions } from '../options.js'
import { paintFor } from '../output/colours.js'
import { widthFor, writeEvent } from '../output/format.js'
import { Screen } from '../output/screen.js'
import { DEFAULT_MODE, withPlane } from '../planes.js'
import { readServicesFile } from '../services-file/read.js'
import type { SeenChange } from '../watch/changes.js'
import { Looker, type Expectation, type Look } from '../watch/look.js'
import { lookPicture } from '../watch/picture.js'

interface WatchOptions extends PlaneCommandOptions {
  readonly interval: number
  readonly count?: number | undefined
}

/** Changes that are remembered for a terminal. */
const MAX_RECENT = 100

/** Where looks are shown. */
interface Display extends Disposable {
  show(look: Look): void
}

/** A document for each look. */
function programDisplay(environment: CommandEnvironment, { output }: WatchOptions): Display {
  return { show: (look) => writeEvent(environment, output, look, () => undefined), [Symbol.dispose]: () => undefined }
}

/** A picture for each look: on a terminal with the changes of all looks, else with its own. */
function peopleDisplay(environment: CommandEnvironment, { output, interval }: WatchOptions): Display {
  const screen = new Screen(environment)
  const paint = paintFor(environment.stdout, environment.variables)
  const recent: SeenChange[] = []
  return {
    show: (look) => {
      if (!screen.isTerminal) recent.length = 0
      recent.push(...look.changes.slice(-MAX_RECENT))
      recent.splice(0, recent.length - MAX_RECENT)
      const { lines, hiddenRows } = lookPicture(look, recent, { width: widthFor(environment, output), maxRows: screen.rows, paint })
      screen.show([`Every ${interval} s; Ctrl-C ends it. Now: ${look.at}`, '', ...lines], hiddenRows)
    },
    [Symbol.dispose]: () => screen[Symbol.dispose]()
  }
}

/** How much later than it was asked for a look may be without a word. */
const LATE = 1.5

function withDelay(look: Look, sinceMs: number, { interval }: WatchOptions): Look {
  const seconds = sinceMs / 1000
  if (seconds < interval * LATE) return look
  return { ...look, notes: [...look.notes, `looks are ${seconds.toFixed(1)} s apart, as that is how long they take`] }
}

/** A network namespace that was there when the first look was made. */
function asLost(error: unknown): never {
  const place = missingNamespace(error)
  throw place === undefined ? error : new CommandError(STATUS.kernel, `network namespace ${place} has gone`, { cause: error })
}

async function watchPlane(environment: CommandEnvironment, options: WatchOptions, expected?: Expectation): Promise<void> {
  const { signal } = environment
  await using looker = new Looker(environment, options, expected)
  // What cannot be read at first is told before the terminal is touched.
  let look = await looker.look()
  let lookedAt = performance.now()
  const isForPrograms = options.output === 'json' || options.output === 'yaml'
  using display = (isForPrograms ? programDisplay : peopleDisplay)(environment, options)
  for (let looks = 1; ; looks++) {
    display.show(look)
    if (looks === options.count) return
    await sleep(options.interval * 1000, undefined, { signal })
    look = withDelay(await looker.look().catch(asLost), performance.now() - lookedAt, options)
    lookedAt = performance.now()
  }
}

/** With a file the plane of its mode says what the kernel lacks. */
async function watchFile(environment: CommandEnvironment, file: string, options: WatchOptions): Promise<void> {
  const document = await readServicesFile(environment, file)
  const { mode = DEFAULT_MODE } = options
  if (mode === 'userspace') throw new CommandError(STATUS.usage, 'mode userspace has no drift: its services live with their process')
  await withPlane(environment, mode, options, (plane) => watchPlane(environment, { ...options, mode }, { plane, document }))
}

async function watch(environment: CommandEnvironment, file: string | undefined, options: WatchOptions): Promise<number> {
  const { signal } = environment
  try {
    await (file === undefined ? watchPlane(environment, options) : watchFile(environment, file, options))
    return STATUS.success
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
  const command = program
    .command('watch')
    .argument('[file]', 'services as plan takes them: what the kernel lacks of them is shown as drift')
  withPlaneOptions(command, modeOption('the mode that is shown; default: all of them, with a file nftables', KERNEL_MODES))
    .description('shows frontends, where their connections go, and what changes, again and again, until Ctrl-C; changes nothing')
    .option('--interval <seconds>', 'seconds between two looks', parseSeconds, 2)
    .option('--count <number>', 'looks after which it ends', parseCount)
    .action(async (file: string | undefined, options: WatchOptions) => done(await watch(environment, file, options)))
}
