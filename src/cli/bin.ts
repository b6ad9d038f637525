#!/usr/bin/env node
/**
 * The program `netplane`.
 */
import process from 'node:process'
import { thisSystem } from './doctor/system.js'
import { SignalError } from './errors.js'
import { main } from './main.js'

const ending = new AbortController()

/** The first signal ends the command in order; the second one ends the process, whatever it does. */
function onSignal(signal: 'SIGINT' | 'SIGTERM'): void {
  const error = new SignalError(signal)
  if (ending.signal.aborted) process.exit(error.status)
  ending.abort(error)
}

process.on('SIGINT', () => onSignal('SIGINT'))
process.on('SIGTERM', () => onSignal('SIGTERM'))

// The command itself looks at what is lost; what fails when it has ended changes nothing any more.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

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
  }
})
// Sockets that a signal left open do not keep the process.
process.exit(status)
