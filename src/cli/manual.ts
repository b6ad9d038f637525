/**
 * The manual page of the program as it is.
 */
import { VERSION } from '../core/version.js'
import { thisSystem } from './doctor/system.js'
import { makeProgram } from './main.js'
import { manPage } from './output/man.js'
import { surfaceOf } from './output/surface.js'

/** The text of docs/man/netplane.1. No command is run for it. */
export function manual(): string {
  const unused = { write: () => true, on: () => undefined, off: () => undefined }
  const program = makeProgram(
    {
      ...{ stdin: (async function* () {})(), stdout: unused, stderr: unused, variables: {}, system: thisSystem },
      signal: new AbortController().signal,
      atExit: () => () => undefined,
      atStop: () => () => undefined
    },
    () => undefined
  )
  return manPage(surfaceOf(program), VERSION)
}
