import { thisSystem } from '../../src/cli/doctor/system.js'
import { command, type CommandOptions, type CommandResult } from './command.js'
import type { TestNamespace } from './namespace.js'

/** Runs a command on the kernel, in a namespace that it is told by its name. */
export function commandInside({ name }: TestNamespace, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return command([...args, '--netns', name], { kernel: undefined, system: thisSystem, ...options })
}
