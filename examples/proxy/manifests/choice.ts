import { isObject } from '../kubernetes/shape.js'
import type { KubernetesObject } from '../kubernetes/types.js'
import type { ManifestProblem } from './types.js'

/** Kind, namespace and name of an object, as far as it has them. */
export function describeObject({ kind, metadata }: { readonly kind?: unknown; readonly metadata?: unknown }): string {
  const { namespace, name } = isObject(metadata) ? metadata : {}
  return `${String(kind)} ${typeof namespace === 'string' && namespace !== '' ? namespace : 'default'}/${typeof name === 'string' ? name : '?'}`
}

interface Chosen {
  readonly file: string
  readonly object: KubernetesObject
  /** Whether its file holds it, or held it before and cannot be understood now. */
  readonly isShown: boolean
}

/**
 * Takes each object once, whatever files hold it: two Services of one name together would have the ports of both, and two slices the endpoints of both. The last one counts, as if the files were applied one
 * after the other, but what a file held before gives way to what another one holds now.
 */
export class ObjectChoice {
  readonly #chosen = new Map<string, Chosen>()
  readonly #problems: ManifestProblem[] = []

  /** What was chosen, in the order of its names' first appearance. */
  get objects(): KubernetesObject[] {
    return Array.from(this.#chosen.values(), ({ object }) => object)
  }

  /** The objects that were not, because another one of the same name counts. */
  get problems(): readonly ManifestProblem[] {
    return this.#problems
  }

  /** Adds what a file shows, and what is kept of what it showed before. */
  add(file: string, shown: readonly KubernetesObject[], kept: readonly KubernetesObject[]): void {
    for (const object of shown) this.#add({ file, object, isShown: true })
    for (const object of kept) this.#add({ file, object, isShown: false })
  }

  #add(next: Chosen): void {
    const name = describeObject(next.object)
    const known = this.#chosen.get(name)
    if (known?.isShown === true && !next.isShown) return
    this.#chosen.set(name, next)
    if (known?.isShown !== true) return
    const reason = `${name}: ${next.file === known.file ? 'the file has it twice' : `${next.file} has it, too`}, and the last one counts`
    this.#problems.push({ file: known.file, document: 0, reason })
  }
}
