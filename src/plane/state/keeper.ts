/**
 * Keeps a file of services at what a plane holds.
 */
import { asNetplaneError, type NetplaneError } from '../../core/errors.js'
import type { ServiceChange } from '../core/changes/change.js'
import type { ChangeListener } from '../core/listener.js'
import type { Service, Services } from '../model.js'
import { removeServices, writeServices } from './file.js'

/** Milliseconds from one write to the next, at least. */
const PAUSE_MS = 1000
/** Part of the time that writing may take: after each, so many times as long is waited. */
const REST = 20
/** Milliseconds after which a write that failed is tried again. */
const RETRY_MS = 10_000

/** Writes the services after changes, many changes at a time. */
export class StateKeeper implements ChangeListener {
  readonly #file: string
  readonly #onError: (error: NetplaneError) => void
  /** Undefined before the first sync: what the file holds is of an earlier process. */
  #services: Map<string, Service> | undefined
  #isDirty = false
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #nextAt = 0
  #isClosed = false
  /** The file is not this one's yet. */
  #isHeld: boolean

  /**
   * @param onError Told when the file cannot be written; that is tried again.
   * @param isHeld The file is left alone until {@link StateKeeper.begin}: the plane is to succeed another one, which carries the services until it does.
   */
  constructor(file: string, onError: (error: NetplaneError) => void, isHeld = false) {
    this.#file = file
    this.#onError = onError
    this.#isHeld = isHeld
  }

  /** The file is this one's from now on. Resolves when it has been written, or could not be. */
  async begin(): Promise<void> {
    this.#isHeld = false
    if (this.#isDirty) this.#writeSoon()
    await this.#writing
  }

  before(): Promise<void> {
    return Promise.resolve()
  }

  done(): void {
    // What was tried does not matter; what was done is told.
  }

  after(changes: readonly ServiceChange[]): void {
    const services = (this.#services ??= new Map())
    for (const { name, after } of changes) {
      if (after === undefined) services.delete(name)
      else services.set(name, after)
    }
    this.#changed()
  }

  reset(services: Services, changes: readonly ServiceChange[]): void {
    // A repair changes no service.
    if (changes.length === 0 && this.#services !== undefined) return
    this.#services = new Map(services)
    this.#changed()
  }

  nodeAddressesChanged(): void {
    // They are the node's, not the services'.
  }

  status(): undefined {
    return undefined
  }

  /** Writes what is not written yet; with `cleanup` the file is removed instead, as nothing of it is in the kernel any more. */
  async close(cleanup: boolean): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    if (this.#isHeld) return
    await this.#writing
    try {
      if (cleanup) await removeServices(this.#file)
      else if (this.#isDirty) await this.#write()
    } catch (error) {
      this.#onError(asNetplaneError(error))
    }
  }

  #changed(): void {
    this.#isDirty = true
    if (this.#writing === undefined && !this.#isHeld) this.#schedule(this.#nextAt - performance.now())
  }

  #schedule(milliseconds: number): void {
    if (this.#isClosed) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#writeSoon()
    }, milliseconds).unref()
  }

  #writeSoon(): void {
    this.#writing = this.#writeNow().finally(() => {
      this.#writing = undefined
      if (this.#isDirty) this.#schedule(this.#nextAt - performance.now())
    })
  }

  async #writeNow(): Promise<void> {
    const startedAt = performance.now()
    try {
      await this.#write()
      const endedAt = performance.now()
      this.#nextAt = endedAt + Math.max(PAUSE_MS, REST * (endedAt - startedAt))
    } catch (error) {
      this.#nextAt = performance.now() + RETRY_MS
      this.#onError(asNetplaneError(error))
    }
  }

  async #write(): Promise<void> {
    this.#isDirty = false
    try {
      await writeServices(this.#file, [...(this.#services ?? new Map<string, Service>()).values()])
    } catch (error) {
      this.#isDirty = true
      throw error
    }
  }
}
