/**
 * The command line: arguments in, exit status out.
 */
import { Command, CommanderError } from 'commander'
import { printable } from '../core/errors.js'
import { VERSION } from '../core/version.js'
import { isChanging } from './changing.js'
import { addApply } from './commands/apply.js'
import { addCleanup } from './commands/cleanup.js'
import { addCompletion } from './commands/completion.js'
import { addDoctor } from './commands/doctor.js'
import { addDrain } from './commands/drain.js'
import { addExplain } from './commands/explain.js'
import { addShow } from './commands/show.js'
import { addSwitch } from './commands/switch.js'
import { addTrace } from './commands/trace.js'
import { addWatch } from './commands/watch.js'
import type { CommandEnvironment } from './environment.js'
import { SignalError, STATUS } from './errors.js'
import { endingOf } from './exit-status.js'
import { isReaderGone, watchDelivery, type Delivery } from './output/delivery.js'
import { columnsOf } from './output/terminal.js'

/** The name of the program. */
export const PROGRAM = 'netplane'

/** Help is wrapped beside the names of options as long as so many columns are left for it. */
const MIN_HELP_WIDTH = 12

/** Takes the exit status of a command. @param did What it changed, in a sentence without its point, for whom its answer is lost. Absent: nothing. */
export type Done = (status: number, did?: string) => void

/** Adds a command. */
export type AddCommand = (program: Command, environment: CommandEnvironment, done: Done) => void

const COMMANDS: readonly AddCommand[] = [
  addDoctor,
  addApply,
  addSwitch,
  addShow,
  addWatch,
  addExplain,
  addTrace,
  addDrain,
  addCleanup,
  addCompletion
]

/** What stands in a message of the parser for a line break: one before its advice, and one at the end. */
const BREAK = /(\n(?=\(Did you mean )|\n$)/

/** A message of the parser as it can be shown: it repeats what was written on the command line. */
function usageText(text: string): string {
  const parts = text.replace(/^error: (?:command-argument value )?/, '').split(BREAK)
  return parts.map((part, index) => (index % 2 === 0 ? printable(part) : part)).join('')
}

/** The program with all of its commands. @param done Is called when a command has run. */
export function makeProgram(environment: CommandEnvironment, done: Done): Command {
  const { stdout, stderr } = environment
  const program = new Command(PROGRAM)
  program
    .description('Programs the Linux service data plane (nf_tables, IPVS, iptables) by netlink alone, and shows what the kernel holds.')
    .version(VERSION)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ minWidthToWrap: MIN_HELP_WIDTH })
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      outputError: (text, write) => write(`${PROGRAM}: ${usageText(text)}`),
      getOutHelpWidth: () => columnsOf(stdout),
      getErrHelpWidth: () => columnsOf(stderr)
    })
  for (const add of COMMANDS) add(program, environment, done)
  for (const command of program.commands) command.copyInheritedSettings(program)
  return program
}

/** Help and version end with 0; all else that the parser says is wrong usage. Without a command there is help on standard error. */
function usageStatus({ exitCode }: CommanderError): number {
  return exitCode === 0 ? STATUS.success : STATUS.usage
}

/** `NETPLANE_DEBUG` is a comma list; the native side reads its other topics. */
function isDebugging({ variables }: CommandEnvironment): boolean {
  return (variables['NETPLANE_DEBUG'] ?? '').split(',').some((topic) => topic.trim() === '1')
}

/** Help about what is no command is refused: it would be that of the whole program. */
function checkHelp(program: Command, [first, about]: readonly string[]): void {
  if (first !== 'help' || about === undefined || about.startsWith('-') || about === 'help') return
  if (!program.commands.some((command) => command.name() === about)) program.error(`error: unknown command '${about}'`)
}

/** How a command ended. */
interface Run {
  readonly status: number
  /** As {@link Done} has it. */
  readonly did?: string | undefined
}

/** @param begin Is called with the command before it begins. */
async function run(args: readonly string[], environment: CommandEnvironment, begin: (command: Command) => void): Promise<Run> {
  let ended: Run = { status: STATUS.success }
  const program = makeProgram(environment, (status, did) => (ended = { status, did }))
  program.hook('preAction', (_, command) => begin(command))
  try {
    environment.signal.throwIfAborted()
    checkHelp(program, args)
    await program.parseAsync(args, { from: 'user' })
    return ended
  } catch (error) {
    if (error instanceof CommanderError) return { status: usageStatus(error) }
    const ending = endingOf(error, isDebugging(environment), environment.signal)
    environment.stderr.write(`${PROGRAM}: ${ending.lines.join('\n')}\n`)
    return { status: ending.status }
  }
}

/** What the command ended with; undefined: output was lost before it did, and there is nothing else that it is for. Those that change something come to their end. */
async function runUntilLoss(args: readonly string[], environment: CommandEnvironment, delivery: Delivery): Promise<Run | undefined> {
  let isWhole = false
  const running = run(args, environment, (command) => (isWhole = isChanging(command)))
  return await Promise.race([running, delivery.lost.then(() => (isWhole ? running : undefined))])
}

/** An answer that was lost is a failure, whatever the answer was; where the command itself failed its own status stays. */
function statusOfLoss(status: number | undefined, { signal }: CommandEnvironment): number {
  const reason: unknown = signal.reason
  const own = status ?? (reason instanceof SignalError ? reason.status : STATUS.success)
  return own > STATUS.negative ? own : STATUS.kernel
}

/**
 * Runs the command that the arguments name.
 *
 * @param args What stands behind the name of the program.
 * @returns The exit status, as docs/cli.md lists them. What went wrong stands on standard error.
 */
export async function main(args: readonly string[], environment: CommandEnvironment): Promise<number> {
  using delivery = watchDelivery(environment)
  const ended = await runUntilLoss(args, environment, delivery)
  const loss = await delivery.flush()
  if (loss === undefined || isReaderGone(loss)) return ended?.status ?? STATUS.success
  const did = ended?.did === undefined ? '' : `; all the same, ${ended.did}`
  environment.stderr.write(`${PROGRAM}: ${loss.stream} cannot be written: ${printable(loss.error.message)}${did}\n`)
  await delivery.flush()
  return statusOfLoss(ended?.status, environment)
}
