import { onTestFinished } from 'vitest'
import { startProgram, type Background, type ProgramOptions } from './run.js'

/** Starts a program beside the running test, with which it ends. */
export function background(command: string, args: readonly string[], options: ProgramOptions = {}): Background {
  const program = startProgram(command, args, options)
  onTestFinished(() => program.stop('SIGKILL'))
  return program
}
