/**
 * `netplane completion`: scripts that make shells complete its commands.
 */
import { Argument, type Command } from 'commander'
import type { CommandEnvironment } from '../environment.js'
import { STATUS } from '../errors.js'
import { completionScript, SHELLS, type Shell } from '../output/completion.js'
import { surfaceOf } from '../output/surface.js'

/** Adds the command. */
export function addCompletion(program: Command, environment: CommandEnvironment, done: (status: number) => void): void {
  program
    .command('completion')
    .description('prints a script that makes a shell complete commands and options')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .action((shell: Shell) => {
      environment.stdout.write(completionScript(shell, surfaceOf(program)))
      done(STATUS.success)
    })
}
