/**
 * What the test process itself holds.
 */
import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** How many descriptors are open, that of the look itself among them. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

/** What collects garbage at once, though the process was not started with `--expose-gc`. */
export function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
