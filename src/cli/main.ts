/**
 * The command line: arguments in, exit status out.
 */
import { Command, CommanderError } from 'commander'
import { printable } from '../core/errors.js'
import { VERSION } from '../core/version.js'
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

/** Adds a command; `done` takes the exit status. */
export type AddCommand = (program: Command, environment: CommandEnvironment, done: (status: number) => void) => void

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

/** The program with all of its commands. @param done Is called with the exit status of the command that ran. */
export function makeProgram(environment: CommandEnvironment, done: (status: number) => void): Command {
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
      outputError: (text, write) => write(`${PROGRAM}: ${text.replace(/^error: (?:command-argument value )?/, '')}`),
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

async function run(args: readonly string[], environment: CommandEnvironment): Promise<number> {
  let status: number = STATUS.success
  const program = makeProgram(environment, (ended) => (status = ended))
  try {
    environment.signal.throwIfAborted()
    checkHelp(program, args)
    await program.parseAsync(args, { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError) return usageStatus(error)
    const ending = endingOf(error, isDebugging(environment), environment.signal)
    environment.stderr.write(`${PROGRAM}: ${ending.lines.join('\n')}\n`)
    return ending.status
  }
}

/** What the command ended with, or the output that was lost before it did. */
async function runUntilLoss(args: readonly string[], environment: CommandEnvironment, delivery: Delivery): Promise<number | undefined> {
  return await Promise.race([run(args, environment), delivery.lost.then(() => undefined)])
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
  const status = await runUntilLoss(args, environment, delivery)
  const loss = await delivery.flush()
  if (loss === undefined || isReaderGone(loss)) return status ?? STATUS.success
  environment.stderr.write(`${PROGRAM}: ${loss.stream} cannot be written: ${printable(loss.error.message)}\n`)
  await delivery.flush()
  return statusOfLoss(status, environment)
}
