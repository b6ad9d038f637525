/**
 * Which scheduler of IPVS a service gets: the one it asks for, or another where the kernel lacks that.
 */
import { ValidationError } from '../../core/errors.js'
import { SCHEDULERS } from '../core/accept/service.js'
import { isModelScheduler, type Scheduler, type Service } from '../model.js'
import type { PlaneEvent } from '../types.js'
import type { SchedulerNames } from './options.js'

/** What the options say of schedulers. */
export interface SchedulerSettings {
  /** Of IPVS, for those of the model. */
  readonly names: SchedulerNames
  /** Of services that name none. */
  readonly usual: Scheduler
  /** In the place of one that the kernel lacks; undefined: services that ask for such a one are refused. */
  readonly fallback: Scheduler | undefined
}

/** Checks an option that names a scheduler, of the model or of IPVS. @throws {ValidationError} */
export function checkScheduler(path: string, scheduler: unknown): Scheduler | undefined {
  if (scheduler === undefined || (typeof scheduler === 'string' && SCHEDULERS.includes(scheduler)))
    return scheduler as Scheduler | undefined
  throw new ValidationError(path, scheduler, SCHEDULERS.map((name) => `'${name}'`).join(', '))
}

/** The schedulers of one plane. */
export class Schedulers {
  readonly #settings: SchedulerSettings
  readonly #lacks: (name: string) => Promise<boolean>
  readonly #tell: (event: PlaneEvent) => void
  readonly #missing = new Set<string>()
  /** Those that the kernel had when it was asked. */
  readonly #present = new Set<string>()

  /**
   * @param lacks Asks the kernel whether it lacks a scheduler of this name.
   * @param tell Told of each that it lacks, once.
   */
  constructor(settings: SchedulerSettings, lacks: (name: string) => Promise<boolean>, tell: (event: PlaneEvent) => void) {
    this.#settings = settings
    this.#lacks = lacks
    this.#tell = tell
  }

  /** Those that the kernel lacks, as far as services have asked for them. */
  get missing(): readonly string[] {
    return [...this.#missing].sort()
  }

  /** The name in IPVS of the scheduler of a service, as far as {@link Schedulers.ask} has found out what there is. */
  of({ scheduler = this.#settings.usual }: Pick<Service, 'scheduler'>): string {
    const name = this.#nameOf(scheduler)
    const { fallback } = this.#settings
    return fallback !== undefined && this.#missing.has(name) ? this.#nameOf(fallback) : name
  }

  /**
   * Finds out which schedulers of services the kernel has, where there is another one to take. Each is asked for once: the kernel starts a program that looks for its module.
   *
   * @throws {NetlinkError}
   */
  async ask(services: Iterable<Service | undefined>): Promise<void> {
    const { fallback, usual } = this.#settings
    if (fallback === undefined) return
    const other = this.#nameOf(fallback)
    for (const service of services) {
      if (service === undefined) continue
      const name = this.#nameOf(service.scheduler ?? usual)
      if (name === other || this.#present.has(name) || this.#missing.has(name)) continue
      if (!(await this.#lacks(name))) {
        this.#present.add(name)
        continue
      }
      this.#missing.add(name)
      this.#tell({ type: 'schedulerMissing', scheduler: name, fallback: other })
    }
  }

  /** A service was refused: a module that was there may be gone, so that the kernel is asked again. */
  doubt(): void {
    this.#present.clear()
  }

  #nameOf(scheduler: Scheduler): string {
    return isModelScheduler(scheduler) ? this.#settings.names[scheduler] : scheduler
  }
}
