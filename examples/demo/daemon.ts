import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { NODE_NAME } from './manifests.js'

/** A line of the proxy's log. */
export interface LogLine {
  readonly msg: string
  readonly durationMs?: number
  readonly requests?: number
  /** Numbers of what was written and deleted. */
  readonly objects?: { readonly written: number; readonly deleted: number }
  /** What differed, in words. */
  readonly differences?: readonly string[]
}

const OPTIONS = ['--local-sources', '10.244.0.0/16', '--node-name', NODE_NAME]
/** Where the proxy answers on HTTP. */
export const HTTP = '127.0.0.1:10256'
const PROXY = fileURLToPath(new URL('proxy.js', import.meta.url))
const WAIT_MS = 20_000

/** The proxy as a process, followed by its log. */
export class ProxyProcess {
  readonly #child: ChildProcess
  readonly #lines: LogLine[] = []
  #arrived: (() => void) | undefined

  constructor(folder: string) {
    const words = ['--manifests', folder, ...OPTIONS, '--cleanup', '--listen', HTTP, '--ui', '--counters']
    this.#child = spawn(process.execPath, [PROXY, ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // The terminal's Ctrl-C is for the demo, which stops the proxy.
      detached: true
    })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.#lines.push(JSON.parse(line) as LogLine)
      this.#arrived?.()
    })
  }

  /** Waits for a line that is not older than `since` lines. */
  async waitFor(message: string, since: number): Promise<LogLine> {
    const deadline = Date.now() + WAIT_MS
    for (;;) {
      const found = this.#lines.slice(since).find(({ msg }) => msg === message)
      if (found !== undefined) return found
      if (Date.now() > deadline || this.#child.exitCode !== null) throw new Error(`the proxy did not say '${message}'`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200)
        this.#arrived = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Runs `change` and waits for what the log says about it. */
  async after(message: string, change: () => void): Promise<LogLine> {
    const since = this.#lines.length
    change()
    return await this.waitFor(message, since)
  }

  /** Stops the proxy, which removes its rules. */
  async stop(): Promise<number | null> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const [code] = (await exited) as [number | null]
    return code
  }
}

/** What the acts share. */
export interface Stage {
  readonly folder: string
  readonly proxy: ProxyProcess
  readonly client: ChildProcess
}

/** What the proxy would do with a folder, in its own words. */
export function printPlan(folder: string): string {
  return execFileSync(process.execPath, [PROXY, '--manifests', folder, ...OPTIONS, '--plan'], {
    encoding: 'utf8'
  }).trim()
}
