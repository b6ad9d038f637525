import type { Service } from 'netplane'
import { clusterRangesOf } from './cluster-ranges.js'
import { externalAddresses } from './frontends.js'
import { healthCheckOf, type HealthCheck } from './health-checks.js'
import { thisNode, type NodeOptions, type ThisNode } from './node.js'
import { isServedByUs, keyOf, serviceKeyOf } from './objects.js'
import type { ObjectChange } from '../sources/types.js'
import { shapeProblem } from './shape.js'
import { reuse, servicesOf } from './translate.js'
import type { EndpointSlice, KubernetesObject, KubernetesService } from './types.js'

/** One service of Kubernetes, and what belongs to it. */
interface Entry {
  service: KubernetesService | undefined
  readonly slices: Map<string, EndpointSlice>
  /** What it was translated to, by name. */
  translated: ReadonlyMap<string, Service>
}

/** The objects of a cluster and their translation, which a change renews for the services alone that it concerns. The whole is what `translate` makes of all objects. */
export class Catalog {
  readonly #options: NodeOptions
  readonly #objects = new Map<string, KubernetesObject>()
  readonly #entries = new Map<string, Entry>()
  /** The own Node. */
  readonly #nodes = new Map<string, KubernetesObject>()
  readonly #ranges = new Map<string, KubernetesObject>()
  readonly #services = new Map<string, Service>()
  readonly #checks = new Map<string, HealthCheck>()
  readonly #refused = new Map<string, readonly string[]>()
  /** Services of Kubernetes that are to be translated. */
  readonly #touched = new Set<string>()
  #node: ThisNode

  constructor(options: NodeOptions) {
    this.#options = options
    this.#node = thisNode([], options)
  }

  /** The services of the model, by name. The map changes with each {@link Catalog.apply}. */
  get services(): ReadonlyMap<string, Service> {
    return this.#services
  }

  /** The Service of Kubernetes that a service of the model is a port of; undefined: there is none any more. @param name Of the service of the model, or namespace and name of the Service. */
  serviceObject(name: string): KubernetesService | undefined {
    return this.#entries.get(name.split(':')[0]!)?.service
  }

  /** The own Node, where it is known. */
  get nodes(): readonly KubernetesObject[] {
    return [...this.#nodes.values()]
  }

  /** The prefixes out of which the cluster gives addresses to Services. */
  get clusterRanges(): readonly string[] {
    return clusterRangesOf(this.#ranges.values())
  }

  /** The health checks that load balancers make here. */
  get healthChecks(): readonly HealthCheck[] {
    return [...this.#checks.values()]
  }

  /** External addresses that are not served, because the options do not allow them, by namespace and name of the Service. */
  get refusedAddresses(): ReadonlyMap<string, readonly string[]> {
    return this.#refused
  }

  /** Takes changes, which the next {@link Catalog.apply} translates: while a source has not told all, most services would be translated twice. */
  take(changes: Iterable<ObjectChange>): void {
    for (const { key, object } of changes) {
      const next = object !== undefined && shapeProblem(object) === undefined ? object : undefined
      const previous = this.#objects.get(key)
      if (previous === next) continue
      if (previous !== undefined) this.#remove(key, previous)
      if (next !== undefined) this.#add(key, next)
    }
  }

  /**
   * Takes changes, and translates all that were taken. Objects of a wrong shape are passed over, as if they were gone.
   *
   * @returns The names of the services of the model that are new, have changed or are gone.
   */
  apply(changes: Iterable<ObjectChange>): Set<string> {
    this.take(changes)
    const names = new Set<string>()
    for (const key of this.#takeNode() ? [...this.#entries.keys()] : this.#touched) this.#translate(key, names)
    this.#touched.clear()
    return names
  }

  #add(key: string, object: KubernetesObject): void {
    this.#objects.set(key, object)
    if (object.kind === 'Node' && object.metadata.name === this.#options.nodeName) this.#nodes.set(key, object)
    if (object.kind === 'ServiceCIDR') this.#ranges.set(key, object)
    const owner = ownerOf(object)
    if (owner === undefined) return
    const entry = this.#entries.get(owner) ?? {
      service: undefined,
      slices: new Map<string, EndpointSlice>(),
      translated: new Map<string, Service>()
    }
    this.#entries.set(owner, entry)
    if (object.kind === 'Service') entry.service = object
    else if (object.kind === 'EndpointSlice') entry.slices.set(key, object)
    this.#touched.add(owner)
  }

  #remove(key: string, object: KubernetesObject): void {
    this.#objects.delete(key)
    this.#nodes.delete(key)
    this.#ranges.delete(key)
    const owner = ownerOf(object)
    const entry = owner === undefined ? undefined : this.#entries.get(owner)
    if (owner === undefined || entry === undefined) return
    if (object.kind === 'Service') entry.service = undefined
    else entry.slices.delete(key)
    this.#touched.add(owner)
  }

  /** Whether this node is another one than before: that concerns all services. */
  #takeNode(): boolean {
    const node = thisNode([...this.#nodes.values()], this.#options)
    const isSame = JSON.stringify(node) === JSON.stringify(this.#node)
    this.#node = node
    return !isSame
  }

  #translate(key: string, names: Set<string>): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    const { service, slices, translated } = entry
    // As the API lists them, whichever changed last.
    const sorted = [...slices].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, slice]) => slice)
    const made = service === undefined ? [] : servicesOf(service, sorted, this.#node)
    const next = new Map(made.map((port) => [port.name, reuse(translated.get(port.name), port)]))
    for (const name of translated.keys()) {
      if (next.has(name)) continue
      // Names that are none of Kubernetes' may be those of two services.
      if (this.#services.get(name) === translated.get(name)) this.#services.delete(name)
      names.add(name)
    }
    for (const [name, port] of next) {
      if (translated.get(name) === port) continue
      this.#services.set(name, port)
      names.add(name)
    }
    entry.translated = next
    const check = service === undefined ? undefined : healthCheckOf(service, sorted, this.#node)
    if (check === undefined) this.#checks.delete(key)
    else this.#checks.set(key, check)
    const refused = service === undefined || !isServedByUs(service) ? [] : externalAddresses(service, this.#node).refused
    if (refused.length === 0) this.#refused.delete(key)
    else this.#refused.set(key, refused)
    if (service === undefined && slices.size === 0) this.#entries.delete(key)
  }
}

/** The service that an object belongs to. */
function ownerOf(object: KubernetesObject): string | undefined {
  if (object.kind === 'Service') return keyOf(object)
  return object.kind === 'EndpointSlice' ? serviceKeyOf(object) : undefined
}
