/**
 * A plane that goes on in another mode.
 */
import path from 'node:path'
import { asNetplaneError, ClosedError, NetplaneError, ValidationError } from '../../core/errors.js'
import type { Broadcast } from '../../core/events/broadcast.js'
import type { Backend } from '../core/backend.js'
import { takeServices, takeUpdate } from '../core/changes/desired.js'
import type { Plan } from '../core/changes/plan.js'
import type { PlaneCounters } from '../core/counters.js'
import { checkCleanup, checkSyncOptions } from '../core/options.js'
import type { ModePlane } from '../core/mode-plane.js'
import type { Explanation, ExplainRequest } from '../explanation.js'
import type { Services } from '../model.js'
import { takeOptions, type PlaneMode, type PlaneOptions } from '../options.js'
import type { Plane, PlaneEvent, PlaneStatus, ServiceUpdate, SwitchOptions, SwitchReport, SyncOptions, SyncReport } from '../types.js'
import { identityOf, withoutPlanes, type PlaneIdentity } from './identity.js'
import { LeavingPlanes } from './leaving.js'
import type { SwitchNotes } from './notes.js'
import { checkSwitchOptions, DRAIN_SECONDS, type SwitchSettings } from './options.js'

const NO_CARRIERS =
  'none, of the plane and of the new mode: a plane with carriers keeps its mode; close it, and open one of the other mode with option replaces'

/** A plane of one mode, and what it was opened with. */
export interface OpenedPlane {
  readonly options: PlaneOptions
  readonly identity: PlaneIdentity
  readonly plane: ModePlane
  /** Lets one that succeeds another plane keep its services on disk; before, it leaves the file to that one. */
  readonly keepState: () => Promise<void>
}

/** What {@link SwitchingPlane} is made of. */
export interface SwitchingParts {
  readonly events: Broadcast<PlaneEvent>
  readonly notes: SwitchNotes
  /** Modes that are replaced, noted or not. */
  readonly replaces: readonly PlaneMode[]
  /** Checks options, and says how a plane is opened with them; nothing is written. @throws {ValidationError} */
  readonly prepare: (options: PlaneOptions) => () => Promise<OpenedPlane>
  /** Opens what another process left of a plane. */
  readonly openLeft: (plane: PlaneIdentity) => Promise<Backend | undefined>
  /** Removes what carriers of earlier processes have in the kernel, but for those of the plane itself. */
  readonly dropCarriers: (options: PlaneOptions) => Promise<void>
}

/** Whether planes keep services in the same file, or none does. */
function hasSameFile({ stateFile }: PlaneOptions, { stateFile: other }: PlaneOptions): boolean {
  return stateFile === other || (stateFile !== undefined && other !== undefined && path.resolve(stateFile) === path.resolve(other))
}

/** Made by {@link openPlane}. */
export class SwitchingPlane implements Plane {
  readonly #parts: SwitchingParts
  readonly #leaving: LeavingPlanes
  #current: OpenedPlane
  /** What others left, until the first `sync` is in the kernel; undefined: it was not looked for yet. */
  #left: readonly PlaneIdentity[] | undefined
  /** What calls have to wait for before they are handed on. */
  #before: Promise<unknown> | undefined
  #noting: Promise<void> = Promise.resolve()
  #hasDroppedCarriers = false
  #closing: { readonly cleanup: boolean; readonly done: Promise<void> } | undefined

  constructor(first: OpenedPlane, parts: SwitchingParts) {
    this.#current = first
    this.#parts = parts
    this.#leaving = new LeavingPlanes({
      note: () => this.#note(),
      onLeft: (plane) => parts.events.push({ type: 'left', ...plane }),
      onError: (error) => parts.events.push({ type: 'error', error })
    })
  }

  async plan(services: Services): Promise<Plan> {
    const taken = takeServices(services)
    this.#lookOnce()
    return await this.#hand((plane) => plane.plan(taken))
  }

  async sync(services: Services, options: SyncOptions = {}): Promise<SyncReport> {
    checkSyncOptions(options)
    const taken = takeServices(services)
    this.#lookOnce()
    const report = await this.#hand((plane) => plane.sync(taken, options))
    await this.#retireLeft()
    return report
  }

  async update(update: ServiceUpdate, options: SyncOptions = {}): Promise<SyncReport> {
    checkSyncOptions(options)
    const taken = takeUpdate(update)
    return await this.#hand((plane) => plane.update(taken, options))
  }

  async explain(request: ExplainRequest): Promise<Explanation> {
    const taken = this.#before === undefined ? request : { ...request }
    return await this.#hand((plane) => plane.explain(taken))
  }

  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterableIterator<PlaneEvent> {
    return this.#current.plane.watch(options)
  }

  async counters(): Promise<PlaneCounters> {
    return await this.#hand((plane) => plane.counters())
  }

  status(): PlaneStatus {
    const { details, ...status } = this.#current.plane.status()
    return { ...status, ...this.#leaving.status(), details }
  }

  async switchTo(given: PlaneOptions, how: SwitchOptions = {}): Promise<SwitchReport> {
    if (this.#closing !== undefined) throw new ClosedError('the plane')
    const settings = checkSwitchOptions(how)
    const options = takeOptions(given)
    const open = this.#parts.prepare(options)
    for (const { carriers = [] } of [options, this.#current.options])
      if (carriers.length > 0) throw new ValidationError('carriers', carriers, NO_CARRIERS)
    if (options.netns !== this.#current.options.netns)
      throw new ValidationError('netns', options.netns, 'the network namespace of the plane, as it was given before')
    this.#lookOnce()
    return await this.#inTurn(() => this.#switch(open, options.mode, settings))
  }

  async close(options: { readonly cleanup?: boolean | undefined } = {}): Promise<void> {
    const cleanup = checkCleanup(options)
    this.#closing ??= { cleanup, done: this.#close(cleanup) }
    if (cleanup && !this.#closing.cleanup) throw new ClosedError('the plane')
    await this.#closing.done
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Hands a call on, once what was begun before is done. */
  async #hand<T>(call: (plane: ModePlane) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new ClosedError('the plane')
    const before = this.#before
    if (before !== undefined) await before
    return await call(this.#current.plane)
  }

  /** Calls wait for the work, which waits for that of before. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = (this.#before ?? Promise.resolve()).then(work)
    const settled = turn.catch(() => undefined)
    this.#before = settled
    try {
      return await turn
    } finally {
      if (this.#before === settled) this.#before = undefined
    }
  }

  /** Before the first call that goes by addresses of this node: looks for a switch that was interrupted. What cannot be read then is read with the next such call. */
  #lookOnce(): void {
    if (this.#left !== undefined || this.#before !== undefined || this.#closing !== undefined) return
    const looking = this.#look()
    const done = looking.finally(() => {
      if (this.#before === done) this.#before = undefined
    })
    done.catch(() => undefined)
    this.#before = done
  }

  async #look(): Promise<void> {
    const { identity, options } = this.#current
    const replaced = this.#parts.replaces.map((mode) => identityOf(mode, options.name))
    this.#left = withoutPlanes([...(await this.#parts.notes.read(replaced)), ...replaced], [identity])
  }

  /** The services are in the kernel: what others left is led to its end. */
  async #retireLeft(): Promise<void> {
    if (!this.#hasDroppedCarriers) await this.#dropCarriers()
    const left = this.#left ?? []
    if (left.length === 0) return
    this.#left = []
    const leaving = left.map((plane) => this.#leaving.add(plane, () => this.#parts.openLeft(plane), DRAIN_SECONDS))
    await this.#tellFailure(this.#note())
    await Promise.all(leaving)
    await this.#tellFailure(this.#current.plane.succeed({ quarantined: [], postponed: new Map() }))
  }

  /** Relays of another process ended with it: nobody needs what leads to them. */
  async #dropCarriers(): Promise<void> {
    this.#hasDroppedCarriers = true
    await this.#tellFailure(this.#parts.dropCarriers(this.#current.options))
  }

  async #switch(open: () => Promise<OpenedPlane>, mode: PlaneMode, { sync, drainSeconds }: SwitchSettings): Promise<SwitchReport> {
    if (this.#closing !== undefined) throw new ClosedError('the plane')
    const startedAt = performance.now()
    const old = this.#current
    const from = old.identity.mode
    if (mode === from) throw new ValidationError('mode', mode, `another mode than that of the plane, which is ${from} already`)
    const { hasSynced, services, ...others } = await old.plane.holding()
    if (!hasSynced) throw new NetplaneError('ERR_NETPLANE_BUSY', 'switchTo: sync once before, to say what the whole is')
    const next = await open()
    const report = await this.#carry(next, () => next.plane.sync(takeServices(services), sync), drainSeconds)
    this.#current = next
    this.#parts.events.push({ type: 'switched', from, to: mode })
    const backend = await this.#succeed(old, next)
    await this.#leaving.add(old.identity, () => Promise.resolve(backend), drainSeconds)
    await this.#tellFailure(next.plane.succeed(others))
    return { from, to: mode, sync: report, durationMs: performance.now() - startedAt }
  }

  /** Lets one plane go in favour of another one. A file that both have gets its last words from the new one; of two the old one goes when the new one is there. */
  async #succeed(old: OpenedPlane, next: OpenedPlane): Promise<Backend> {
    const isSame = hasSameFile(old.options, next.options)
    if (!isSame) await next.keepState()
    const backend = await old.plane.release(!isSame)
    if (isSame) await next.keepState()
    return backend
  }

  /** Makes another plane carry the services beside the one that does. Where that fails, nothing of it is to stay. */
  async #carry(next: OpenedPlane, sync: () => Promise<SyncReport>, drainSeconds: number): Promise<SyncReport> {
    try {
      await this.#note(next.identity)
    } catch (error) {
      await (await next.plane.release(false)).close()
      throw error
    }
    await this.#leaving.handOver(next.identity)
    try {
      return await sync()
    } catch (error) {
      const backend = await next.plane.release(false)
      await this.#leaving.add(next.identity, () => Promise.resolve(backend), drainSeconds)
      throw error
    }
  }

  /** Notes the planes of which there is something, if that is more than one. */
  #note(next?: PlaneIdentity): Promise<void> {
    const write = async (): Promise<void> => {
      const own = [this.#current.identity, ...(next === undefined ? [] : [next])]
      const planes = withoutPlanes([...own, ...this.#leaving.planes, ...(this.#left ?? [])], [])
      await this.#parts.notes.write(planes.length > 1 ? planes : [])
    }
    const noting = this.#noting.then(write)
    this.#noting = noting.catch(() => undefined)
    return noting
  }

  /** Nothing is left of the plane: what an interrupted switch left of others before a first `sync` is none of its own. */
  async #forget(): Promise<void> {
    const { notes } = this.#parts
    if (this.#left?.length === 0) await notes.write([])
    else await notes.forget()
  }

  async #tellFailure(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      this.#parts.events.push({ type: 'error', error: asNetplaneError(error) })
    }
  }

  async #close(cleanup: boolean): Promise<void> {
    await this.#before?.catch(() => undefined)
    const failures: unknown[] = []
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      await work().catch((error: unknown) => failures.push(error))
    }
    await attempt(() => this.#leaving.finish(cleanup))
    await this.#noting
    if (cleanup && failures.length === 0) await attempt(() => this.#forget())
    await this.#current.plane.close({ cleanup })
    if (cleanup) await attempt(() => this.#parts.dropCarriers({ ...this.#current.options, carriers: [] }))
    if (failures.length > 0) throw failures[0]
  }
}
