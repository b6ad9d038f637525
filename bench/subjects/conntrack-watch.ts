import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Subject } from '../frame/subject.js'
import { churnFilter, flows, isChurnMatch } from './conntrack-flows.js'

/** Flows that one turn of the generator makes and removes again. */
export interface ConntrackChurnOptions {
  readonly flows: number
}

/** Makes flows and removes them: two events each for whoever listens. Recorded, it is what the generator repeats. */
export const conntrackChurn: Subject<ConntrackChurnOptions> = async ({ Conntrack }, netns, options) => {
  const conntrack = await Conntrack.open({ netns })
  const made = flows(0, options.flows)
  return {
    work: async () => {
      await conntrack.addFlows(made)
      await conntrack.removeFlows(made)
    },
    close: () => conntrack.close()
  }
}

/** What is watched, and who makes the events. */
export interface ConntrackWatchOptions {
  /** Events of one service in 20, or all. */
  readonly filtered: boolean
  /** Command line of the generator, run when the watch is there. */
  readonly generator: readonly string[]
  /** Flows of a turn, and turns: two events for each flow. */
  readonly flows: number
  readonly turns: number
}

/** Milliseconds without an event after the generator has ended, after which none will come. */
const silenceMs = 500

/** Watches while a generator of its own process makes and removes flows; says how many events came, and how often some were lost. */
export const conntrackWatch: Subject<ConntrackWatchOptions> = async ({ Conntrack }, netns, options) => {
  const conntrack = await Conntrack.open({ netns })
  const matching = options.filtered ? flows(0, options.flows).filter(isChurnMatch).length : options.flows
  const expected = 2 * matching * options.turns
  const figures = { expected, received: 0, lostReports: 0, generatorMs: 0 }
  const generate = async (): Promise<void> => {
    const [command = '', ...args] = options.generator
    const start = performance.now()
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    const [status] = (await once(child, 'close')) as [number | null]
    if (status !== 0) throw new Error(`${command}: status ${status}`)
    figures.generatorMs = performance.now() - start
  }
  return {
    work: async () => {
      await using events = await conntrack.watch({
        new: true,
        destroy: true,
        ...(options.filtered && { filter: churnFilter })
      })
      let seen = -1
      let quiet: NodeJS.Timeout | undefined
      const generated = generate().then(() => {
        quiet = setInterval(() => {
          if (figures.received === seen) events.end()
          seen = figures.received
        }, silenceMs)
      })
      for await (const { type } of events) {
        if (type === 'lost') figures.lostReports += 1
        else if (type !== 'start') figures.received += 1
        if (figures.received === expected) break
      }
      await generated
      clearInterval(quiet)
    },
    close: () => conntrack.close(),
    figures: () => figures
  }
}
