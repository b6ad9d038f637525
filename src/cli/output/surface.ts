/**
 * What the command line takes, as scripts of shells and the manual page are made of it.
 */
import type { Argument, Command, Option } from 'commander'

/** An option, or an argument. */
export interface SurfaceOption {
  /** `-o, --output <format>`, `<mode>`, or `[file]` where it may be left out. */
  readonly flags: string
  readonly short: string | undefined
  readonly long: string | undefined
  readonly description: string
  readonly choices: readonly string[]
  /** In words; undefined: there is none. */
  readonly fallback: string | undefined
  /** Whether a value follows. */
  readonly takesValue: boolean
}

/** A command. */
export interface SurfaceCommand {
  readonly name: string
  readonly description: string
  readonly arguments: readonly SurfaceOption[]
  readonly options: readonly SurfaceOption[]
}

function optionOf({ flags, short, long, description, argChoices, defaultValue, required, optional }: Option): SurfaceOption {
  const fallback = defaultValue === undefined ? undefined : String(defaultValue)
  return { flags, short, long, description, choices: argChoices ?? [], fallback, takesValue: required || optional }
}

function argumentOf(argument: Argument): SurfaceOption {
  const name = argument.name()
  const { description, argChoices = [] } = argument
  const flags = argument.required ? `<${name}>` : `[${name}]`
  return { flags, short: undefined, long: undefined, description, choices: argChoices, fallback: undefined, takesValue: true }
}

/** The commands in their order. */
export function surfaceOf(program: Command): SurfaceCommand[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    arguments: command.registeredArguments.map(argumentOf),
    options: command.options.map(optionOf)
  }))
}
