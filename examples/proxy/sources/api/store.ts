import { describeObject } from '../../manifests/choice.js'
import type { ManifestProblem } from '../../manifests/types.js'
import { isObject, shapeProblem } from '../../kubernetes/shape.js'
import type { KubernetesObject } from '../../kubernetes/types.js'
import type { ObjectChange } from '../types.js'
import { LostError } from './errors.js'
import type { ApiResource } from './resources.js'
import { isStale } from './versions.js'

interface Known {
  readonly version: string
  /** Undefined: the object cannot be used, and never could. */
  readonly object: KubernetesObject | undefined
}

/** Deletions that are remembered, for changes that come after them and were made before. */
const MAX_DELETED = 1000

/** An object of an answer. */
interface Read {
  readonly key: string
  readonly version: string
  readonly value: KubernetesObject
}

/** The objects of one kind as an API server told of them last, each in one piece that a proxy reads. Tells what differs. */
export class ObjectStore {
  readonly #resource: ApiResource
  readonly #malformed: (object: KubernetesObject, problem: string) => void
  readonly #known = new Map<string, Known>()
  readonly #deleted = new Map<string, string>()
  readonly #problems = new Map<string, ManifestProblem>()
  #problemChanges = 0

  /** @param malformed Told of each version of an object that cannot be used. */
  constructor(resource: ApiResource, malformed: (object: KubernetesObject, problem: string) => void = () => undefined) {
    this.#resource = resource
    this.#malformed = malformed
  }

  /** Objects that could not be used. One that could be before stands as it was. */
  get problems(): readonly ManifestProblem[] {
    return [...this.#problems.values()]
  }

  get isEmpty(): boolean {
    return this.#known.size === 0
  }

  /** How often the problems have changed. */
  get problemChanges(): number {
    return this.#problemChanges
  }

  /** Reads what an object of an answer is called. @param value With the parts alone that a proxy reads. @throws LostError It has no name or no version. */
  read(value: unknown): Read {
    const metadata = isObject(value) ? value['metadata'] : undefined
    const { name, resourceVersion } = isObject(metadata) ? metadata : {}
    if (typeof name !== 'string' || typeof resourceVersion !== 'string')
      throw new LostError(`${this.#resource.kind}: an object has no name or no resourceVersion`)
    return { key: describeObject(value as KubernetesObject), version: resourceVersion, value: value as KubernetesObject }
  }

  /** Takes a whole list: what is not in it is gone. */
  replace(listed: readonly Read[]): ObjectChange[] {
    this.#deleted.clear()
    const keys = new Set(listed.map(({ key }) => key))
    const gone = [...this.#known.keys()].filter((key) => !keys.has(key))
    const changes = gone.flatMap((key) => this.#drop(key))
    // A list is the whole truth, also where a version is earlier: the cluster may have been restored from a copy.
    for (const read of listed) if (this.#known.get(read.key)?.version !== read.version) changes.push(...this.#put(read))
    return changes
  }

  /** Takes an object that was added or changed. What came twice, or after something later, is passed over. */
  set(read: Read): ObjectChange[] {
    if (isStale(read.version, this.#known.get(read.key)?.version) || isStale(read.version, this.#deleted.get(read.key))) return []
    return this.#put(read)
  }

  /** Takes an object that was deleted, with the version of its deletion. */
  delete({ key, version }: Read): ObjectChange[] {
    const known = this.#known.get(key)
    if (known !== undefined && known.version !== version && isStale(version, known.version)) return []
    this.#deleted.delete(key)
    this.#deleted.set(key, version)
    if (this.#deleted.size > MAX_DELETED) this.#deleted.delete(this.#deleted.keys().next().value!)
    return this.#drop(key)
  }

  #put({ key, version, value }: Read): ObjectChange[] {
    this.#deleted.delete(key)
    const problem = shapeProblem(value)
    const previous = this.#known.get(key)?.object
    this.#known.set(key, { version, object: problem === undefined ? value : previous })
    if (problem === undefined) {
      this.#forget(key)
      return [{ key, object: value }]
    }
    this.#problemChanges++
    this.#problems.set(key, { file: this.#resource.path, document: 0, reason: `${key}: ${problem}` })
    this.#malformed(value, problem)
    return []
  }

  #forget(key: string): void {
    if (this.#problems.delete(key)) this.#problemChanges++
  }

  #drop(key: string): ObjectChange[] {
    this.#forget(key)
    const known = this.#known.get(key)
    this.#known.delete(key)
    return known?.object === undefined ? [] : [{ key, object: undefined }]
  }
}
