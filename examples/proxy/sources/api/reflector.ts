import { setTimeout } from 'node:timers/promises'
import { isObject } from '../../kubernetes/shape.js'
import type { ManifestProblem } from '../../manifests/types.js'
import type { SourceListener } from '../types.js'
import { Backoff, REFLECTOR_BACKOFF, type BackoffOptions } from './backoff.js'
import type { ApiClient } from './client.js'
import { ApiError, located, LostError, statusError } from './errors.js'
import type { WatchEvent } from './encoding/types.js'
import type { ApiResource } from './resources.js'
import { ObjectStore } from './store.js'
import { isLater } from './versions.js'

/** How a reflector reads. */
export interface ReflectorOptions {
  /** Objects in a page of a list. */
  readonly pageSize: number
  /** The shortest time after which the server ends a watch; up to twice of it is asked for, so that the watches of many nodes do not end at one moment. */
  readonly watchSeconds: number
  /** The longest silence of a watch, after which its connection counts as dead. A server sends a bookmark about once a minute. */
  readonly silenceMs: number
  /** Pauses until an API server is asked again for what it lacks, or refuses, and the proxy can do without. */
  readonly absent: BackoffOptions
  /** How long what the proxy can do without is kept where an API server refuses it that gave it before: one that has just started does not know all rights yet. */
  readonly startingMs: number
  readonly backoff: BackoffOptions
  readonly random: () => number
}

/** The time of a watch is that of client-go. */
export const REFLECTOR_DEFAULTS: ReflectorOptions = {
  pageSize: 500,
  watchSeconds: 300,
  silenceMs: 90_000,
  absent: { firstMs: 10_000, maxMs: 600_000, resetMs: 600_000 },
  startingMs: 120_000,
  backoff: REFLECTOR_BACKOFF,
  random: Math.random
}

/** A watch that ends sooner, without an event, is a failure, or it would be asked for again and again. */
const SHORT_MS = 1000
const MIN_RETRY_AFTER_MS = 1000

type Event = (store: ObjectStore, object: unknown) => ReturnType<ObjectStore['set']>

const EVENTS: ReadonlyMap<unknown, Event> = new Map<unknown, Event>([
  ['ADDED', (store, object) => store.set(store.read(object))],
  ['MODIFIED', (store, object) => store.set(store.read(object))],
  ['DELETED', (store, object) => store.delete(store.read(object))],
  ['BOOKMARK', () => []]
])

function versionOf(object: unknown): string | undefined {
  const metadata = isObject(object) ? object['metadata'] : undefined
  const version = isObject(metadata) ? metadata['resourceVersion'] : undefined
  return typeof version === 'string' && version !== '' ? version : undefined
}

/** Whether a watch cannot begin where the last one ended: that is too old, of a cluster that was restored from a copy, or nothing that this server can read (400). */
function needsList(error: unknown): boolean {
  if (error instanceof LostError) return true
  return (
    error instanceof ApiError &&
    (error.isGone || error.status === 400 || (error.status === 504 && error.message.includes('Too large resource version')))
  )
}

function isSilence(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'UND_ERR_BODY_TIMEOUT'
}

/** An established watch whose connection went. */
class CutError extends Error {}

/** A watch that is dead, or of which there is nothing to say: it is asked for anew at once. */
class SilenceError extends Error {}

/**
 * Keeps the objects of one kind at what an API server has, as the reflectors of client-go do: a list, then a watch that is resumed from the last version that was seen. It ends never, but by
 * {@link Reflector.close}.
 */
export class Reflector {
  readonly #client: ApiClient
  readonly #resource: ApiResource
  readonly #options: ReflectorOptions
  readonly #store: ObjectStore
  readonly #backoff: Backoff
  readonly #absent: Backoff
  readonly #stop = new AbortController()
  #listener: SourceListener | undefined
  /** Where the next watch begins; undefined: a list is needed. */
  #version: string | undefined
  /** Whether the next list must be the newest one: what the server remembers may be as old as what was refused. */
  #mustBeNewest = false
  #hasSynced = false
  #error: Error | undefined
  /** Since when the server refuses what it gave before. */
  #refusedAt: number | undefined
  #running: Promise<void> | undefined

  constructor(client: ApiClient, resource: ApiResource, options: ReflectorOptions = REFLECTOR_DEFAULTS) {
    this.#client = client
    this.#resource = resource
    this.#options = options
    this.#store = new ObjectStore(resource, (object, problem) => this.#listener?.malformed?.(object, problem))
    this.#backoff = new Backoff(options.backoff, undefined, options.random)
    this.#absent = new Backoff(options.absent, undefined, options.random)
  }

  /** Whether the proxy can do without. */
  get isOptional(): boolean {
    return this.#resource.isOptional === true
  }

  /** Whether a list was told, or the server has none to give. */
  get hasSynced(): boolean {
    return this.#hasSynced
  }

  /** Why the server is not read at the moment. */
  get error(): Error | undefined {
    return this.#error
  }

  get problems(): readonly ManifestProblem[] {
    return this.#store.problems
  }

  /** Begins; what is told is in order. */
  start(listener: SourceListener): void {
    this.#listener = listener
    this.#running = this.#run()
  }

  /** Ends. Nothing is told any more. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        this.#version ??= await this.#list()
        await this.#watch(this.#version)
      } catch (error) {
        if (this.#stop.signal.aborted) return
        await this.#fail(error as Error)
      }
      if (this.#stop.signal.aborted) return
    }
  }

  async #fail(error: Error): Promise<void> {
    if (error instanceof SilenceError) return
    if (this.#isAbsent(error)) return await this.#doWithout()
    if (needsList(error)) {
      this.#version = undefined
      this.#mustBeNewest = true
    }
    const isExpected = error instanceof CutError || (error instanceof ApiError && error.isGone)
    if (!isExpected) {
      this.#error = error
      this.#listener?.failed(error)
      // Who has waited for it goes on without.
      if (this.isOptional) this.#listener?.told([])
    }
    const asked = error instanceof ApiError ? error.retryAfterMs : undefined
    const pauseMs = asked === undefined ? this.#backoff.next() : Math.max(asked, MIN_RETRY_AFTER_MS) * (1 + this.#options.random() / 4)
    await this.#pause(pauseMs)
  }

  async #pause(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }

  /** Whether there is nothing to wait for: an older server has no such kind, and a role may not have the right to it. */
  #isAbsent(error: Error): boolean {
    if (!this.isOptional || !(error instanceof ApiError) || (error.status !== 403 && error.status !== 404)) return false
    if (this.#store.isEmpty) return true
    this.#refusedAt ??= performance.now()
    return performance.now() - this.#refusedAt >= this.#options.startingMs
  }

  async #doWithout(): Promise<void> {
    this.#version = undefined
    this.#hasSynced = true
    this.#error = undefined
    this.#listener?.told(this.#store.replace([]))
    await this.#pause(this.#absent.next())
  }

  #works(): void {
    this.#refusedAt = undefined
    if (this.#error === undefined) return
    this.#error = undefined
    this.#listener?.told([])
  }

  get #selectors(): { readonly labelSelector: string | undefined; readonly fieldSelector: string | undefined } {
    const { labelSelector, fieldSelector } = this.#resource
    return { labelSelector, fieldSelector }
  }

  async #list(): Promise<string> {
    const { pageSize } = this.#options
    // A continuation that has expired: pages would expire again, and one page without an end does not.
    const { version, objects } = await this.#readPages(String(pageSize)).catch((error: unknown) => {
      if (error instanceof ApiError && error.isGone) return this.#readPages(undefined)
      throw error
    })
    this.#stop.signal.throwIfAborted()
    this.#mustBeNewest = false
    this.#hasSynced = true
    this.#error = undefined
    this.#refusedAt = undefined
    this.#listener?.told(this.#store.replace(objects))
    return version
  }

  /** @throws ApiError, LostError */
  async #readPages(limit: string | undefined): Promise<{ readonly version: string; readonly objects: ReturnType<ObjectStore['read']>[] }> {
    const { kind, path } = this.#resource
    const objects: ReturnType<ObjectStore['read']>[] = []
    const take = (items: readonly unknown[]): void => {
      for (const item of items) objects.push(this.#store.read(item))
    }
    let token: string | undefined
    for (;;) {
      // Version 0 is what the server has in memory: many nodes that start at one moment do not all read etcd.
      const from = token !== undefined ? { continue: token } : { resourceVersion: this.#mustBeNewest ? undefined : '0' }
      const page = await this.#client.list(this.#resource, { limit, ...from, ...this.#selectors }, this.#stop.signal, take)
      if (!isObject(page) || page['kind'] !== `${kind}List`) throw new LostError(`GET ${path}: the answer is no ${kind}List`)
      const items = page['items'] ?? []
      const version = versionOf(page)
      if (!Array.isArray(items) || version === undefined)
        throw new LostError(`GET ${path}: a list without items or without a resourceVersion`)
      take(items as unknown[])
      const next = isObject(page['metadata']) ? page['metadata']['continue'] : undefined
      if (typeof next !== 'string' || next === '') return { version, objects }
      token = next
    }
  }

  async #watch(version: string): Promise<void> {
    const { watchSeconds, silenceMs, random } = this.#options
    const timeoutSeconds = String(Math.floor(watchSeconds * (1 + random())))
    const query = { watch: '1', allowWatchBookmarks: 'true', resourceVersion: version, timeoutSeconds, ...this.#selectors }
    const { stream, events } = await this.#client.watch(this.#resource, query, silenceMs, this.#stop.signal)
    const began = performance.now()
    this.#works()
    let taken = 0
    try {
      for await (const piece of stream) {
        if (this.#stop.signal.aborted) return
        taken += this.#take(events.add(piece))
      }
    } catch (error) {
      if (error instanceof ApiError || error instanceof LostError) throw located(error, `GET ${this.#resource.path}`)
      throw isSilence(error) ? new SilenceError() : new CutError()
    } finally {
      stream.destroy()
    }
    if (taken === 0 && performance.now() - began < SHORT_MS) throw new Error(`GET ${this.#resource.path}: the watch ended at once`)
  }

  /** Tells the events of one piece together; also those before one that cannot be understood. @returns How many there were. */
  #take(events: Iterable<WatchEvent>): number {
    const changes: ReturnType<ObjectStore['set']> = []
    let taken = 0
    const { problemChanges } = this.#store
    try {
      for (const event of events) {
        changes.push(...this.#event(event))
        taken++
      }
      return taken
    } finally {
      if (changes.length > 0 || this.#store.problemChanges !== problemChanges) this.#listener?.told(changes)
    }
  }

  #event({ type, object }: WatchEvent): ReturnType<ObjectStore['set']> {
    if (type === 'ERROR') throw statusError(`GET ${this.#resource.path}`, object)
    const apply = EVENTS.get(type)
    const version = versionOf(object)
    if (apply === undefined || version === undefined)
      throw new LostError(`an event of type ${JSON.stringify(type)} without a version, or of an unknown type`)
    const changes = apply(this.#store, object)
    // An event that comes late must not make the next watch begin earlier.
    if (this.#version === undefined || !isLater(this.#version, version)) this.#version = version
    return changes
  }
}
