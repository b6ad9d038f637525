/**
 * What was found, as the plane is told of it.
 */
import type { Inspection, ObjectCounts, Work } from '../../core/backend.js'
import { changesBetween } from '../../core/changes/change.js'
import { describeService, numbersText, planEntries, type PlanEntry } from '../../core/changes/plan.js'
import type { Service, Services } from '../../model.js'
import { isNothing } from '../edits.js'
import type { ChainSnapshot } from '../../../iptables/state/snapshot.js'
import { listedRule } from './comments.js'
import type { Comparison } from './compare.js'
import { endpointOf, serviceOfEndpoint } from './endpoints.js'
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
    const left = leavingEndpoints(strays)
    const entries: PlanEntry[] = []
    for (const [service, { written, deleted, comingEndpoints }] of services) {
      const leaving = left.get(service)
      left.delete(service)
      if (deleted === 0 && leaving === undefined) {
        entries.push({ action: 'add', service, details: [describeService(this.#services.get(service)!)] })
        continue
      }
      const going = (leaving?.endpoints ?? []).map((endpoint) => `- endpoint ${endpoint}`)
      const coming = comingEndpoints.map((endpoint) => `+ endpoint ${endpoint}`)
      entries.push({
        action: 'change',
        service,
        details: [...going, ...coming, numbersText('rule', { written, deleted: deleted + (leaving?.rules ?? 0) })]
      })
    }
    for (const [service, { endpoints, rules }] of left) {
      const isThere = this.#services.has(service)
      const details = [...endpoints.map((endpoint) => `- endpoint ${endpoint}`), numbersText('rule', { written: 0, deleted: rules })]
      entries.push({ action: isThere ? 'change' : 'remove', service, details })
    }
    return entries
  }
}

/** What chains of endpoints have that are wanted no more. */
interface Leaving {
  readonly endpoints: string[]
  rules: number
}

function leavingEndpoints(strays: readonly ChainSnapshot[]): Map<string, Leaving> {
  const left = new Map<string, Leaving>()
  for (const stray of strays) {
    const service = serviceOfEndpoint(stray)
    if (service === undefined) continue
    const leaving = left.get(service) ?? { endpoints: [], rules: 0 }
    const endpoint = endpointOf(
      stray.chain.name,
      stray.rules.map(listedRule).filter((rule) => rule !== undefined)
    )
    if (endpoint !== undefined) leaving.endpoints.push(endpoint)
    leaving.rules += stray.rules.length
    left.set(service, leaving)
  }
  return left
}
