import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ChildReport } from './child-task.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** What lies on the heap and in array buffers, garbage not counted. */
export function heapBytes(): number {
  collectGarbage()
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** A field of /proc/self/status, in bytes; the kernel prints KiB. */
function statusBytes(field: 'VmRSS' | 'VmHWM'): number {
  const value = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  if (value === undefined) throw new Error(`/proc/self/status has no ${field}`)
  return Number(value) * 1024
}

/**
 * Runs the work while a chain of setImmediate callbacks turns the event loop: the thread's processor time between two of them is one turn, and
 * a turn is at least as long as each slice in it. Processor time, so what other processes take does not count; garbage collection on this
 * thread does. The greatest resident size is the kernel's own mark (VmHWM), set back before (proc(5), clear_refs): no moment is missed.

 *
 * @param emptyBytes {@link heapBytes} before the set-up.
 * @param turns Whether to watch the turns of the event loop. The callbacks are garbage, 100 MB a second: memory is measured without them.
 */
export async function measureWork(
  threadCpuNs: () => number,
  emptyBytes: number,
  turns: boolean,
  work: () => Promise<void>
): Promise<Omit<ChildReport, 'figures'>> {
  // Whatever the set-up left for later turns.
  await sleep(200)
  const heapBefore = heapBytes()
  let longest = 0
  let isRunning = true
  writeFileSync('/proc/self/clear_refs', '5')
  const residentBefore = statusBytes('VmRSS')
  const start = performance.now()
  const cpuStart = threadCpuNs()
  let last = cpuStart
  const turn = (): void => {
    const now = threadCpuNs()
    longest = Math.max(longest, now - last)
    last = now
    if (isRunning) setImmediate(turn)
  }
  const done = work().finally(() => {
    isRunning = false
  })
  // The part of the work up to its first wait is a slice too.
  if (turns) turn()
  await done
  if (turns) turn()
  const milliseconds = performance.now() - start
  const cpuMs = (threadCpuNs() - cpuStart) / 1e6
  const residentGrowthBytes = statusBytes('VmHWM') - residentBefore
  await sleep(200)
  return {
    milliseconds,
    longestSliceMs: longest / 1e6,
    mainThreadMs: cpuMs,
    residentGrowthBytes,
    keptBytes: heapBytes() - heapBefore,
    givenBytes: heapBefore - emptyBytes
  }
}
