/**
 * What was found, as the plane is told of it.
 */
import type { Inspection, ObjectCounts, Work } from '../../core/backend.js'
import { changesBetween } from '../../core/changes/change.js'
import { planEntries, type PlanEntry } from '../../core/changes/plan.js'
import type { Service, Services } from '../../model.js'
import { isNothing } from '../edits.js'
import { serviceOfEndpoint } from './comments.js'
import type { Comparison } from './compare.js'
import type { KernelState } from './kernel.js'

/** The tables compared with services. */
export class IptablesInspection implements Inspection {
  readonly kernel: KernelState
  readonly comparison: Comparison
  readonly isNew: boolean
  readonly #services: Services

  constructor(kernel: KernelState, comparison: Comparison, services: Services, isNew: boolean) {
    this.kernel = kernel
    this.comparison = comparison
    this.#services = services
    this.isNew = isNew
  }

  get faults(): readonly string[] {
    return this.comparison.faults
  }

  get isEmpty(): boolean {
    return isNothing(this.comparison.edits)
  }

  get differences(): ObjectCounts {
    return this.comparison.edits.counts
  }

  work(): Promise<Work> {
    const entries = this.isNew ? planEntries(changesBetween(new Map<string, Service>(), this.#services)) : this.#entries()
    return Promise.resolve({ entries, objects: this.differences })
  }

  /** Names the services whose rules differ; they are not rebuilt from rules. Those that are desired no longer are known by the comments in the chains of their endpoints. */
  #entries(): PlanEntry[] {
    const { services, strays } = this.comparison
    const entries: PlanEntry[] = [...services].map(([service, { written, deleted }]) => ({
      action: deleted === 0 ? 'add' : 'change',
      service,
      details: [`${written} rules to write, ${deleted} to delete`]
    }))
    const gone = new Map<string, number>()
    for (const stray of strays) {
      const service = serviceOfEndpoint(stray)
      if (service !== undefined && !this.#services.has(service)) gone.set(service, (gone.get(service) ?? 0) + stray.rules.length)
    }
    for (const [service, deleted] of gone) entries.push({ action: 'remove', service, details: [`${deleted} rules to delete`] })
    return entries
  }
}
