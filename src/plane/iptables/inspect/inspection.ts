/**
 * What was found, as the plane is told of it.
 */
import { sumOf, type Inspection, type ObjectCounts, type Work } from '../../core/backend.js'
import { changesBetween } from '../../core/changes/change.js'
import { describeService, differing, numbersText, planEntries, reachText, type PlanEntry } from '../../core/changes/plan.js'
import type { Service, Services } from '../../model.js'
import { isNothing } from '../edits.js'
import { clientWords, serviceOfSources, type ChangedChain } from './clients.js'
import { listedRule } from './comments.js'
import type { Comparison, ServiceDifference } from './compare.js'
import { endpointOf, serviceOfEndpoint } from './endpoints.js'
import { frontendsOf } from './frontends.js'
import type { KernelState } from './kernel.js'

/** Of a service that is as it should be. */
const NO_DIFFERENCE: Omit<ServiceDifference, 'missing'> = {
  ...{ written: 0, deleted: 0, comingEndpoints: [], changedEndpoints: [], chains: [] }
}

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

  /** Rules to write and to delete. Of a table that holds nothing of ours yet, those of services are told alone, as nothing else is changed. */
  get objects(): ObjectCounts {
    return this.isNew ? this.differences : sumOf(this.differences, this.comparison.frame)
  }

  work(): Promise<Work> {
    const entries = this.isNew ? planEntries(changesBetween(new Map<string, Service>(), this.#services)) : this.#entries()
    return Promise.resolve({ entries, objects: this.objects })
  }

  /** Names the services whose rules differ; they are not rebuilt from rules. Those that are desired no longer are known by the comments in the chains of their endpoints. */
  #entries(): PlanEntry[] {
    const { services, present } = this.comparison
    const left = leavingParts(this.comparison)
    const names = new Set([...services.keys(), ...left.keys()])
    return [...names].map((service): PlanEntry => {
      const desired = this.#services.get(service)
      const { written, deleted, comingEndpoints, changedEndpoints, chains } = services.get(service) ?? NO_DIFFERENCE
      const { endpoints, rules, sources } = left.get(service) ?? NOTHING_LEFT
      if (desired !== undefined && deleted + rules === 0 && !present.has(service))
        return { action: 'add', service, details: [describeService(desired)] }
      const numbers = numbersText('rule', { written, deleted: deleted + rules })
      const { there, wanted } = frontendsOf(this.comparison, service)
      if (desired === undefined && there.size > 0)
        return { action: 'remove', service, details: [reachText([...there], endpoints.length), numbers] }
      const clients = clientWords([...chains, ...sources])
      const others = clients.isOfMemory ? [] : [...new Set(changedEndpoints)]
      const phrases = [
        ...differing('frontend', there, wanted),
        ...differing('endpoint', new Set(endpoints), new Set(comingEndpoints)),
        ...clients.phrases,
        ...others.map((endpoint) => `${endpoint} has other rules`)
      ]
      return { action: desired === undefined ? 'remove' : 'change', service, details: [...phrases, numbers] }
    })
  }
}

/** What is there of a service and wanted no more. */
interface Leaving {
  readonly endpoints: string[]
  rules: number
  readonly sources: ChangedChain[]
}

const NOTHING_LEFT: Leaving = { endpoints: [], rules: 0, sources: [] }

function leavingParts({ strays, strayRules }: Comparison): ReadonlyMap<string, Leaving> {
  const left = new Map<string, Leaving>(
    [...strayRules].map(([service, { length }]) => [service, { endpoints: [], sources: [], rules: length }])
  )
  for (const stray of strays) {
    const service = serviceOfEndpoint(stray) ?? serviceOfSources(stray)
    if (service === undefined) continue
    const leaving = left.get(service) ?? { endpoints: [], rules: 0, sources: [] }
    const endpoint = endpointOf(
      stray.chain.name,
      stray.rules.map(listedRule).filter((rule) => rule !== undefined)
    )
    if (endpoint === undefined) leaving.sources.push({ chain: stray.chain.name, listed: stray.rules, wanted: undefined })
    else leaving.endpoints.push(endpoint)
    leaving.rules += stray.rules.length
    left.set(service, leaving)
  }
  return left
}
