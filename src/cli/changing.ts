/**
 * Commands that change something.
 */
import type { Command } from 'commander'

const changing = new WeakSet<Command>()

/** Says of a command that it changes something: it does not stop half-way where nobody can read what it says. */
export function asChanging(command: Command): Command {
  changing.add(command)
  return command
}

/** Whether a command said so. */
export function isChanging(command: Command): boolean {
  return changing.has(command)
}
