/**
 * Who moves most: the kernel's connections, live in one table. See USAGE in conntrack-top/options.ts.
 */
import { setTimeout } from 'node:timers/promises'
import { Conntrack } from 'netplane'
import { Churn } from './conntrack-top/churn.js'
import { parseOptions, SORT_KEYS, USAGE, type SortKey, type TopOptions } from './conntrack-top/options.js'
import { Sampler } from './conntrack-top/sample.js'
import { Screen } from './conntrack-top/screen.js'
import { renderScreen, renderText, toJson, type View } from './conntrack-top/table.js'

/** Flows that are kept of a reading: more than any terminal has lines. */
const MOST_LINES = 500
const TEXT_WIDTH = 140

/** Reads the table again and again. */
class Reader {
  readonly #conntrack: Conntrack
  readonly #options: TopOptions
  readonly #sampler = new Sampler()

  constructor(conntrack: Conntrack, options: TopOptions) {
    this.#conntrack = conntrack
    this.#options = options
  }

  async read(sort: SortKey | undefined, limit: number): Promise<Omit<View, 'churn' | 'isPaused'>> {
    const { filter, intervalSeconds, netns } = this.#options
    const { accounting } = await this.#conntrack.readSettings(['accounting'])
    const at = performance.now()
    const pieces = await this.#conntrack.listColumns({ filter })
    const key = sort ?? (accounting === false ? 'timeout' : 'rate')
    const sample = await this.#sampler.take(pieces, at, key, limit)
    return {
      sample,
      ...(await this.#conntrack.readUsage()),
      accounting,
      sort: key,
      intervalSeconds,
      place: netns === undefined ? 'conntrack-top' : `conntrack-top ${netns}`,
      time: new Date().toTimeString().slice(0, 8)
    }
  }
}

/** One table; with counters two readings, as one says nothing of rates. */
async function runOnce(conntrack: Conntrack, options: TopOptions): Promise<void> {
  const reader = new Reader(conntrack, options)
  let view = await reader.read(options.sort, options.limit)
  if (view.sample.isCounted) {
    await setTimeout(options.intervalSeconds * 1000)
    view = await reader.read(options.sort, options.limit)
  }
  const whole: View = { ...view, churn: undefined, isPaused: false }
  process.stdout.write(
    options.json ? `${JSON.stringify(toJson(whole), undefined, 2)}\n` : renderText(whole, process.stdout.columns || TEXT_WIDTH)
  )
}

/** The live table, until q. */
class Live {
  readonly #conntrack: Conntrack
  readonly #options: TopOptions
  readonly #reader: Reader
  readonly #stop = new AbortController()
  readonly #screen = new Screen({ key: (key) => this.#key(key), resize: () => this.#draw() })
  #view: View | undefined
  #sort: SortKey | undefined
  #isPaused = false
  /** Ends the wait between two readings early. */
  #wake = new AbortController()

  constructor(conntrack: Conntrack, options: TopOptions) {
    this.#conntrack = conntrack
    this.#options = options
    this.#reader = new Reader(conntrack, options)
    this.#sort = options.sort
  }

  async run(): Promise<void> {
    const failures: unknown[] = []
    const churn = await Churn.open(this.#conntrack, this.#options, (error) => {
      failures.push(error)
      this.#quit()
    })
    this.#screen.open()
    try {
      while (!this.#stop.signal.aborted) {
        if (!this.#isPaused) {
          const view = await this.#reader.read(this.#sort, MOST_LINES)
          this.#view = { ...view, churn: churn.take(), isPaused: false }
          this.#draw()
        }
        await this.#wait()
      }
    } finally {
      this.#screen.close()
      await churn.close()
    }
    if (failures.length > 0) throw failures[0]
  }

  async #wait(): Promise<void> {
    const { signal } = (this.#wake = new AbortController())
    if (this.#stop.signal.aborted) return
    // Aborted: a key was pressed.
    await setTimeout(this.#options.intervalSeconds * 1000, undefined, { signal }).catch(() => undefined)
  }

  #quit(): void {
    this.#stop.abort()
    this.#wake.abort()
  }

  #key(key: string): void {
    if (key === 'q') this.#quit()
    if (key === 'p') this.#isPaused = !this.#isPaused
    if (key === 's') {
      const current = this.#sort ?? this.#view?.sort ?? 'rate'
      this.#sort = SORT_KEYS[(SORT_KEYS.indexOf(current) + 1) % SORT_KEYS.length]!
    }
    if ((key === 's' || key === 'p') && !this.#isPaused) this.#wake.abort()
    this.#draw()
  }

  #draw(): void {
    if (this.#view === undefined) return
    const view = { ...this.#view, isPaused: this.#isPaused, sort: this.#sort ?? this.#view.sort }
    this.#screen.draw(renderScreen(view, this.#screen.width, this.#screen.height))
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2))
  if (options.help) {
    process.stdout.write(USAGE)
    return
  }
  if (!options.once && !process.stdout.isTTY) throw new Error('standard output is no terminal: use --once, or --once --json')
  const conntrack = await Conntrack.open({ netns: options.netns })
  try {
    if (options.accounting) await conntrack.writeSettings({ accounting: true })
    await (options.once ? runOnce(conntrack, options) : new Live(conntrack, options).run())
  } finally {
    await conntrack.close()
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
