/**
 * Command lines from standard input (-R), as few calls as keep their order.
 */
import type { Ipvs } from 'netplane'
import { applyChanges, isChange, serviceKey, type ChangeCommand } from './changes.js'
import type { Names } from './names.js'
import { readRequest, type Request } from './request.js'
import { TRY_HELP, UsageError } from './switches.js'

/** Lines that go together, at most; more would only take memory. */
const MOST_LINES = 50_000

interface Line {
  readonly number: number
  readonly request: Request
}

/** What `-R` needs. */
export interface RestoreContext {
  readonly ipvs: Ipvs
  readonly names: Names
  /** Carries out what is no change of services or real servers; returns the exit status. */
  readonly runOther: (request: Request, refuse: (message: string) => void) => Promise<number>
  readonly refuse: (message: string) => void
}

const keyText = ({ service }: Request): string => JSON.stringify(serviceKey(service))

/**
 * Changes that can be carried out together: those of one kind, or new services with new real servers, all the services first. That is the same as one after
 * the other, but for real servers that stand before their service.
 */
class Batch {
  readonly #context: RestoreContext
  readonly #lines = new Map<ChangeCommand, Line[]>()
  readonly #servedEarly = new Set<string>()
  #size = 0

  constructor(context: RestoreContext) {
    this.#context = context
  }

  takes(request: Request): boolean {
    if (this.#size === 0) return true
    if (this.#size === MOST_LINES) return false
    const together: readonly string[] = request.command === 'add-service' ? ['add-service', 'add-server'] : [request.command]
    const fits = (command: string): boolean => together.includes(command) || (request.command === 'add-server' && command === 'add-service')
    return [...this.#lines.keys()].every(fits) && !(request.command === 'add-service' && this.#servedEarly.has(keyText(request)))
  }

  add(command: ChangeCommand, line: Line): void {
    const lines = this.#lines.get(command) ?? []
    this.#lines.set(command, lines)
    lines.push(line)
    this.#size += 1
    if (command === 'add-server') this.#servedEarly.add(keyText(line.request))
  }

  /** Returns the exit status of the last line; undefined where there is none. */
  async apply(): Promise<number | undefined> {
    const outcomes: [number, string | undefined][] = []
    // Services before their real servers.
    for (const command of [...this.#lines.keys()].sort((a, b) => Number(a === 'add-server') - Number(b === 'add-server'))) {
      const lines = this.#lines.get(command)!
      const refusals = await applyChanges(
        this.#context.ipvs,
        command,
        lines.map(({ request }) => request)
      )
      for (const [at, { number }] of lines.entries()) outcomes.push([number, refusals[at]])
    }
    this.#lines.clear()
    this.#servedEarly.clear()
    this.#size = 0
    outcomes.sort(([a], [b]) => a - b)
    for (const [number, refusal] of outcomes) if (refusal !== undefined) this.#context.refuse(`line ${number}: ${refusal}`)
    const last = outcomes.at(-1)
    return last && (last[1] === undefined ? 0 : 255)
  }
}

async function readLine(text: string, number: number, names: Names): Promise<Request | undefined> {
  const words = text.split(/[ \t\r]+/).filter((word) => word !== '' && word !== 'ipvsadm')
  if (words.length === 0) return undefined
  try {
    const request = await readRequest(words, names)
    if (request.command === 'restore') throw new UsageError(TRY_HELP, 255)
    return request
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`line ${number}: ${error.message}`, error.status) : error
  }
}

/**
 * Carries out each line as a command line of its own. Refusals name their line and hinder no other; a line that is wrong ends it, after those before it.
 *
 * @returns The exit status of the last line, as the original does.
 * @throws {UsageError} A line is wrong.
 */
export async function restore(context: RestoreContext, lines: AsyncIterable<string>): Promise<number> {
  const batch = new Batch(context)
  let status = 0
  let number = 0
  const apply = async (): Promise<void> => void (status = (await batch.apply()) ?? status)
  try {
    for await (const text of lines) {
      number += 1
      const request = await readLine(text, number, context.names)
      if (request === undefined) continue
      const { command } = request
      if (!isChange(command) || !batch.takes(request)) await apply()
      if (isChange(command)) batch.add(command, { number, request })
      else status = await context.runOther(request, (message) => context.refuse(`line ${number}: ${message}`))
    }
  } finally {
    await apply()
  }
  return status
}
