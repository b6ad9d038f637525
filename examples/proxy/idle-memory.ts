/**
 * Gives back what a burst of work has left. V8 does so only when more work comes, and a proxy may rest for hours: after its start it would hold what the lists of the API server took.
 */
import { setInterval } from 'node:timers'
import { withInspector } from './inspector.js'

/** What is asked of the process. */
export interface ProcessUse {
  /** Resident memory, in bytes. */
  readonly residentBytes: () => number
  /** Processor time so far, in milliseconds. */
  readonly processorMs: () => number
  /** Collects all garbage, and gives free pages back. It holds the event loop for some tens of milliseconds a hundred MiB. */
  readonly collect: () => Promise<void>
}

const EVERY_MS = 10_000
/** A process that has worked less of the time is at rest. */
const RESTING_SHARE = 0.02
/** Less is not worth a pause. */
const WORTH_BYTES = 16 << 20
/** Two collections are at least so far apart. */
const PAUSE_MS = 300_000

/** Says when to collect. */
export class IdleMemory {
  readonly #use: ProcessUse
  #processorMs: number
  /** What was left by the last collection. */
  #leastBytes = 0
  #isCollecting = false
  #nextAt = 0

  constructor(use: ProcessUse) {
    this.#use = use
    this.#processorMs = use.processorMs()
  }

  /** To be called every ten seconds. @param now On a clock that nobody sets, in milliseconds. */
  async look(now: number): Promise<void> {
    const processorMs = this.#use.processorMs()
    const isResting = processorMs - this.#processorMs < RESTING_SHARE * EVERY_MS
    this.#processorMs = processorMs
    if (!isResting || this.#isCollecting || now < this.#nextAt || this.#use.residentBytes() < this.#leastBytes + WORTH_BYTES) return
    this.#isCollecting = true
    try {
      await this.#use.collect()
    } finally {
      this.#isCollecting = false
      this.#nextAt = now + PAUSE_MS
      this.#leastBytes = this.#use.residentBytes()
      this.#processorMs = this.#use.processorMs()
    }
  }
}

/** Of this process. */
export const ownUse: ProcessUse = {
  residentBytes: () => process.memoryUsage.rss(),
  processorMs: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
  collect: () => withInspector((session) => session.post('HeapProfiler.collectGarbage'))
}

/** Looks after the memory of this process, for as long as it lives. @param failed A Node.js that was built without an inspector runs the proxy, too: it is called once, and nothing is collected. */
export function giveMemoryBack(failed: (error: Error) => void): void {
  const memory = new IdleMemory(ownUse)
  const timer = setInterval(() => {
    memory.look(performance.now()).catch((error: unknown) => {
      clearInterval(timer)
      failed(error as Error)
    })
  }, EVERY_MS)
  timer.unref()
}
