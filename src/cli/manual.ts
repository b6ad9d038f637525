/**
 * The manual page of the program as it is.
 */
import type { Command } from 'commander'
import { VERSION } from '../core/version.js'
import { thisSystem } from './doctor/system.js'
import { makeProgram } from './main.js'
import { manPage } from './output/man.js'
import { surfaceOf } from './output/surface.js'

/** The program with its commands as they describe themselves. None can be run. */
export function describedProgram(): Command {
  const unused = { write: () => true, on: () => undefined, off: () => undefined }
  return makeProgram(
    {
      ...{ stdin: (async function* () {})(), stdout: unused, stderr: unused, variables: {}, system: thisSystem },
      signal: new AbortController().signal,
      atExit: () => () => undefined,
      atStop: () => () => undefined
    },
    () => undefined
  )
}

/** The text of docs/man/netplane.1. */
export function manual(): string {
  return manPage(surfaceOf(describedProgram()), VERSION)
}
