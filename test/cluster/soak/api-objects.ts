import type { ApiWriter, NewObject } from '../../support/kubernetes/client.js'
import { objectsOf, type Workload } from './workloads.js'

/** The fields of objects that ever change. */
const changing = (object: NewObject): object => ('spec' in object ? { spec: object['spec'] } : { endpoints: object['endpoints'] })
const keyOf = ({ kind, metadata }: NewObject): string => `${kind} ${metadata.name}`

/** The objects of workloads at an API: only what differs is written. */
export class ApiObjects {
  readonly #writer: ApiWriter
  /** What was written last, by the workload. */
  readonly #written = new Map<string, ReadonlyMap<string, NewObject>>()
  #requests = 0

  constructor(writer: ApiWriter) {
    this.#writer = writer
  }

  /** How many requests were needed so far. */
  get requests(): number {
    return this.#requests
  }

  async #write(request: Promise<unknown>): Promise<void> {
    this.#requests++
    await request
  }

  /** Makes the objects of a workload be there; those of one that is gone go, the Service first. */
  async #put(name: string, workload: Workload | undefined): Promise<void> {
    const old = this.#written.get(name) ?? new Map<string, NewObject>()
    const wanted = new Map((workload === undefined ? [] : objectsOf(workload)).map((object) => [keyOf(object), object]))
    for (const [key, object] of wanted) {
      const before = old.get(key)
      if (before === undefined) await this.#write(this.#writer.create(object))
      else if (JSON.stringify(before) !== JSON.stringify(object)) await this.#write(this.#writer.patch(object, changing(object)))
    }
    for (const [key, object] of old) if (!wanted.has(key)) await this.#write(this.#writer.delete(object))
    this.#written.set(name, wanted)
  }

  /** Several workloads at the same time. */
  async write(set: readonly Workload[], gone: readonly string[] = []): Promise<void> {
    await Promise.all([...set.map((workload) => this.#put(workload.name, workload)), ...gone.map((name) => this.#put(name, undefined))])
  }
}
