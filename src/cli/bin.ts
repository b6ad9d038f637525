#!/usr/bin/env node
/**
 * The program `netplane`.
 */
import { closeSync, fstatSync } from 'node:fs'
import process from 'node:process'
import { isatty } from 'node:tty'
import { thisSystem } from './doctor/system.js'
import { ENDING_SIGNALS, SignalError, type EndingSignal } from './errors.js'
import { main } from './main.js'

const ending = new AbortController()

/** The first signal ends the command in order; the second one ends the process, whatever it does. */
function onSignal(signal: EndingSignal): void {
  const error = new SignalError(signal)
  if (ending.signal.aborted) process.exit(error.status)
  ending.abort(error)
}

for (const signal of ENDING_SIGNALS) process.on(signal, () => onSignal(signal))

/** Puts something before the stop by SIGTSTP, which is then what the kernel makes of it: where no shell would let the process go on, it is none. */
function atStop(before: () => void, after: () => void): () => void {
  const onStop = (): void => {
    before()
    process.off('SIGTSTP', onStop)
    process.kill(process.pid, 'SIGTSTP')
    process.on('SIGTSTP', onStop)
  }
  process.on('SIGTSTP', onStop)
  process.on('SIGCONT', after)
  return () => {
    process.off('SIGTSTP', onStop)
    process.off('SIGCONT', after)
  }
}

// The command itself looks at what is lost; what fails when it has ended changes nothing any more.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

/** Closes a terminal that has gone: Node makes those it knows as they were when it ends (ResetStdio of its node.cc), and crashes where that fails. */
function closeIfGone(fd: number): void {
  try {
    if (fstatSync(fd).isCharacterDevice() && !isatty(fd)) closeSync(fd)
  } catch {
    // It was closed already.
  }
}

process.on('exit', () => [0, 1, 2].forEach(closeIfGone))

const status = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  variables: process.env,
  signal: ending.signal,
  system: thisSystem,
  atExit: (action) => {
    process.on('exit', action)
    return () => process.off('exit', action)
  },
  atStop
})
// Sockets that a signal left open do not keep the process.
process.exit(status)
