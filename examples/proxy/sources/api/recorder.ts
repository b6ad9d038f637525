import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { ObjectNotice } from '../types.js'
import { Backoff, type BackoffOptions } from './backoff.js'
import type { ApiClient } from './client.js'
import { ApiError } from './errors.js'
import { abridge, eventName, eventOf, eventsPathOf, namespaceOf, regardingOf, seriesOf } from './object-events.js'
import { RateLimit } from './rate.js'

/** How Events are sent. */
export interface RecorderOptions {
  /** Requests in a second for long, and at once. */
  readonly qps: number
  readonly burst: number
  /** Events that are remembered at a time, of all objects and of one: what comes beyond is not told. */
  readonly maxEvents: number
  readonly maxPerObject: number
  /** Time from the first telling to the next one at least; it is doubled each time, up to the longest. A server forgets an Event that nobody changes, after an hour. */
  readonly firstPauseMs: number
  readonly maxPauseMs: number
  /** Time after which what was not seen again is over: when it comes once more, that is another Event. */
  readonly finishMs: number
  /** How often it is looked for what is over. */
  readonly sweepMs: number
  /** Pauses while the server does not take Events. */
  readonly backoff: BackoffOptions
  /**
   * The first pause for a namespace in which they may not be written, and the longest one; it is doubled each time. The right may be missing there, or a policy may be against them, or the
   * server has just started and does not know all rights yet. Others do not wait.
   */
  readonly firstForbiddenMs: number
  readonly forbiddenMs: number
}

/** The time after which a series is over, and the longest pause, are those of client-go. */
export const RECORDER_DEFAULTS: RecorderOptions = {
  qps: 1,
  burst: 10,
  maxEvents: 500,
  maxPerObject: 5,
  firstPauseMs: 5000,
  maxPauseMs: 1_800_000,
  finishMs: 360_000,
  sweepMs: 60_000,
  backoff: { firstMs: 1000, maxMs: 60_000, resetMs: 120_000 },
  firstForbiddenMs: 10_000,
  forbiddenMs: 600_000
}

/** Something that is the case: one Event, from the first time to the last. */
interface Spell {
  notice: ObjectNotice
  readonly firstAt: Date
  lastAt: Date
  /** When it was seen last, by the clock that nobody sets. */
  seenMs: number
  count: number
  /** The Event's own name; another one where the server has forgotten it. */
  name: string
  isMade: boolean
  /** How often it was seen by what the server knows, and when that was told. */
  told: number
  toldMs: number
  pauseMs: number
  /** It is over: the last count is still to be told. */
  isOver: boolean
}

/** What becomes of an Event that a server did not take. */
type Fate = 'taken' | 'anew' | 'dropped' | 'refused' | 'forbidden' | 'later'

const FATES: readonly { readonly fate: Fate; readonly isSo: (error: ApiError, isMade: boolean) => boolean }[] = [
  // The answer to an earlier attempt was lost. A Conflict is another thing: a server that could not count the Event, which may be made later.
  { fate: 'taken', isSo: ({ status, reason }, isMade) => status === 409 && reason !== 'Conflict' && !isMade },
  { fate: 'anew', isSo: ({ status }, isMade) => status === 404 && isMade },
  { fate: 'dropped', isSo: ({ isTerminating }) => isTerminating },
  { fate: 'forbidden', isSo: ({ status }) => status === 403 },
  // No such namespace, or an Event that the server does not like: it would not like it the next time.
  { fate: 'refused', isSo: ({ status }) => [400, 404, 405, 413, 415, 422].includes(status) }
]

function fateOf(error: unknown, isMade: boolean): Fate {
  if (!(error instanceof ApiError)) return 'later'
  return FATES.find(({ isSo }) => isSo(error, isMade))?.fate ?? 'later'
}

/** What tells the objects of Events apart, and what tells the Events of one object apart: another note is another thing to know. */
function keysOf({ object, reason, note }: ObjectNotice): { readonly object: string; readonly event: string } {
  const { kind, namespace = '', name, uid = '' } = regardingOf(object)
  const of = `${JSON.stringify([kind, namespace, name, uid])} `
  return { object: of, event: of + JSON.stringify([reason, note]) }
}

/**
 * Sends Events, as the recorder of client-go does: what is told again and again becomes one Event whose series grows. What waits to be sent is a count and not a queue; who tells something never
 * waits, and learns of no failure.
 */
export class EventRecorder {
  readonly #client: Pick<ApiClient, 'create' | 'patch' | 'waited'>
  readonly #node: string
  readonly #failed: (error: Error) => void
  readonly #options: RecorderOptions
  readonly #now: () => number
  readonly #rate: RateLimit
  readonly #backoff: Backoff
  readonly #stop = new AbortController()
  readonly #spells = new Map<string, Spell>()
  /** Namespaces in which Events may not be written, until when that is believed, and for how long it was. */
  readonly #forbidden = new Map<string, { readonly untilMs: number; readonly pauseMs: number }>()
  #sweeps: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isFailing = false

  /**
   * @param node The node whose proxy tells them.
   * @param failed Told why Events are not taken, once until one is taken again.
   */
  constructor(
    client: Pick<ApiClient, 'create' | 'patch' | 'waited'>,
    node: string,
    failed: (error: Error) => void,
    options: RecorderOptions = RECORDER_DEFAULTS,
    now: () => number = () => performance.now()
  ) {
    this.#client = client
    this.#node = node
    this.#failed = failed
    this.#options = options
    this.#now = now
    this.#rate = new RateLimit(options)
    this.#backoff = new Backoff(options.backoff)
  }

  /** Events that are remembered. */
  get size(): number {
    return this.#spells.size
  }

  /** Notes something, to be sent as soon as it may be. */
  record(told: ObjectNotice): void {
    if (this.#stop.signal.aborted) return
    const notice = abridge(told)
    const keys = keysOf(notice)
    const spell = this.#spells.get(keys.event)
    if (spell === undefined) this.#begin(keys, notice)
    else {
      spell.notice = notice
      spell.count++
      spell.lastAt = new Date()
      spell.seenMs = this.#now()
      spell.isOver = false
    }
    this.#wake()
  }

  /** Ends: what was not sent is not sent any more. */
  async close(): Promise<void> {
    this.#stop.abort()
    clearInterval(this.#sweeps)
    await this.#running
  }

  #begin(keys: ReturnType<typeof keysOf>, notice: ObjectNotice): void {
    const { maxEvents, maxPerObject, sweepMs } = this.#options
    if (this.#spells.size >= maxEvents) return
    if ([...this.#spells.keys()].filter((key) => key.startsWith(keys.object)).length >= maxPerObject) return
    const at = new Date()
    const seen = { firstAt: at, lastAt: at, seenMs: this.#now(), count: 1 }
    const unsent = { name: this.#newName(notice), isMade: false, told: 0, toldMs: 0, pauseMs: 0, isOver: false }
    this.#spells.set(keys.event, { notice, ...seen, ...unsent })
    this.#sweeps ??= setInterval(() => this.#sweep(), sweepMs).unref()
  }

  #newName({ object }: ObjectNotice): string {
    return eventName(regardingOf(object), randomBytes(8).toString('hex'))
  }

  /** Forgets what is over, once its last count has been told or has waited long enough. */
  #sweep(): void {
    const { finishMs } = this.#options
    // Who tries again soon and is refused again waits for longer.
    for (const [namespace, { untilMs, pauseMs }] of this.#forbidden) if (untilMs + pauseMs <= this.#now()) this.#forbidden.delete(namespace)
    for (const [key, spell] of this.#spells) {
      const silentMs = this.#now() - spell.seenMs
      if (silentMs <= finishMs) continue
      if (spell.told >= spell.count || silentMs > 2 * finishMs) this.#spells.delete(key)
      else spell.isOver = true
    }
    this.#wake()
  }

  #isDue({ notice, count, told, toldMs, pauseMs, isOver }: Spell): boolean {
    return count > told && (isOver || this.#now() - toldMs >= pauseMs) && !this.#isForbidden(notice)
  }

  #isForbidden({ object }: ObjectNotice): boolean {
    return (this.#forbidden.get(namespaceOf(regardingOf(object)))?.untilMs ?? 0) > this.#now()
  }

  #nextDue(): [key: string, spell: Spell] | undefined {
    for (const entry of this.#spells) if (this.#isDue(entry[1])) return entry
    return undefined
  }

  #wake(): void {
    if (this.#running === undefined && this.#nextDue() !== undefined) this.#running = this.#run()
  }

  async #run(): Promise<void> {
    for (let due = this.#nextDue(); due !== undefined; due = this.#nextDue()) {
      const [key, spell] = due
      try {
        this.#client.waited(spell.isMade ? 'PATCH' : 'POST', await this.#rate.take(this.#stop.signal))
        await this.#send(spell)
        this.#isFailing = false
      } catch (error) {
        if (this.#stop.signal.aborted) return
        await this.#fail(key, spell, error as Error)
      }
      if (this.#stop.signal.aborted) return
    }
    // At once: what is told a moment later must begin anew.
    this.#running = undefined
  }

  async #send(spell: Spell): Promise<void> {
    const { notice, name, isMade, firstAt, count, lastAt } = spell
    const path = eventsPathOf(regardingOf(notice.object))
    const seen = { count, lastAt }
    if (isMade) await this.#client.patch(`${path}/${name}`, seriesOf(seen), this.#stop.signal)
    else await this.#client.create(path, eventOf(notice, { name, node: this.#node, firstAt }, seen), this.#stop.signal)
    this.#taken(spell, count)
  }

  #taken(spell: Spell, count: number): void {
    const { firstPauseMs, maxPauseMs } = this.#options
    spell.isMade = true
    spell.told = count
    spell.toldMs = this.#now()
    spell.pauseMs = spell.pauseMs === 0 ? firstPauseMs : Math.min(2 * spell.pauseMs, maxPauseMs)
  }

  async #fail(key: string, spell: Spell, error: Error): Promise<void> {
    const fate = fateOf(error, spell.isMade)
    if (fate === 'taken') return this.#taken(spell, 1)
    if (fate === 'dropped' || (fate === 'anew' && spell.isOver)) return void this.#spells.delete(key)
    if (fate === 'anew') {
      spell.isMade = false
      spell.name = this.#newName(spell.notice)
      return
    }
    this.#say(fate, error)
    if (fate === 'refused') {
      // It stays, so that it is not tried again each time that it is seen.
      spell.told = Infinity
      return
    }
    if (fate === 'forbidden') {
      return this.#forbid(namespaceOf(regardingOf(spell.notice.object)))
    }
    // Others come first when it goes on.
    this.#spells.delete(key)
    this.#spells.set(key, spell)
    await this.#pause(error)
  }

  #forbid(namespace: string): void {
    const { firstForbiddenMs, forbiddenMs } = this.#options
    const before = this.#forbidden.get(namespace)
    const pauseMs = Math.min(before === undefined ? firstForbiddenMs : 2 * before.pauseMs, forbiddenMs)
    this.#forbidden.set(namespace, { untilMs: this.#now() + pauseMs, pauseMs })
  }

  #say(fate: Fate, error: Error): void {
    if (this.#isFailing) return
    this.#isFailing = fate !== 'refused'
    const right = 'the right to create and patch events of events.k8s.io is missing'
    this.#failed(fate === 'forbidden' ? new Error(`${right}: ${error.message}`, { cause: error }) : error)
  }

  async #pause(error: Error): Promise<void> {
    const asked = error instanceof ApiError ? error.retryAfterMs : undefined
    const pauseMs = Math.max(asked ?? 0, this.#backoff.next())
    await setTimeout(pauseMs, undefined, { signal: this.#stop.signal, ref: false }).catch(() => undefined)
  }
}
