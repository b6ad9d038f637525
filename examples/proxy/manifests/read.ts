import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { isKnownKind, isObject, shapeProblem } from '../kubernetes/shape.js'
import type { KubernetesObject } from '../kubernetes/types.js'

/** Something in a folder of manifests that could not be used; everything else was. */
export interface ManifestProblem {
  readonly file: string
  /** Position of the document in its file, from 1; 0: the file itself. */
  readonly document: number
  readonly reason: string
}

/** What a file or a folder holds. */
export interface Manifests {
  readonly objects: readonly KubernetesObject[]
  readonly problems: readonly ManifestProblem[]
}

/** What a folder holds, together with what it held before. */
export interface FolderContent extends Manifests {
  /** Files whose content is not known: they cannot be read, or they have a problem and objects of an earlier reading are kept for it. */
  readonly outdated: readonly string[]
}

/** What `kubectl get … -o yaml` prints is one object, or a list of them. Items of a typed list (ServiceList) leave their kind out. */
function objectsIn(value: unknown): unknown[] {
  if (!isObject(value)) return [value]
  const { kind, items } = value
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) return [value]
  const implied = kind.slice(0, -'List'.length)
  return items.map((item: unknown) => (isObject(item) && item['kind'] === undefined ? { kind: implied, ...item } : item))
}

/** A document's value, or why it has none. */
type Document = { readonly value: unknown } | { readonly reason: string }

function attempt(read: () => unknown): Document {
  try {
    return { value: read() }
  } catch (error) {
    return { reason: (error as Error).message }
  }
}

/** JSON is YAML too, but its own parser is far faster. */
function readDocuments(file: string, text: string): Document[] {
  // Comments alone are an answer; nothing at all is a file that somebody is about to write.
  if (text.trim() === '') return [{ reason: 'the file is empty' }]
  if (file.endsWith('.json')) return [attempt(() => JSON.parse(text) as unknown)]
  const documents = parseAllDocuments(text)
  if (!Array.isArray(documents)) return []
  return documents.map((document) =>
    document.errors.length > 0 ? { reason: document.errors[0]!.message.split('\n')[0]! } : attempt(() => document.toJS() as unknown)
  )
}

function describeObject({ kind, metadata }: Record<string, unknown>): string {
  const { namespace, name } = isObject(metadata) ? metadata : {}
  return `${String(kind)} ${typeof namespace === 'string' ? namespace : 'default'}/${typeof name === 'string' ? name : '?'}`
}

/** Why an object cannot be used; undefined where it can, and where nobody wants it. */
function problemOf(object: unknown): string | undefined {
  if (!isObject(object)) return 'the document is no object'
  if (typeof object['kind'] !== 'string') return 'an object has no kind'
  const wrong = isKnownKind(object['kind']) ? shapeProblem(object) : undefined
  return wrong === undefined ? undefined : `${describeObject(object)}: ${wrong}`
}

/** Reads the documents of one file. A broken document or object spoils none of the others. */
export function parseManifests(file: string, text: string): Manifests {
  const objects: KubernetesObject[] = []
  const problems: ManifestProblem[] = []
  for (const [index, document] of readDocuments(file, text).entries()) {
    const report = (reason: string): void => void problems.push({ file, document: index + 1, reason })
    if ('reason' in document) {
      report(document.reason)
      continue
    }
    // An empty document: a file that ends with `---`.
    if (document.value === null) continue
    for (const object of objectsIn(document.value)) {
      const problem = problemOf(object)
      if (problem !== undefined) report(problem)
      else if (isKnownKind((object as KubernetesObject).kind)) objects.push(object as KubernetesObject)
    }
  }
  return { objects, problems }
}

function identityOf({ kind, metadata }: KubernetesObject): string {
  return `${kind} ${metadata.namespace ?? 'default'}/${metadata.name}`
}

/**
 * A folder of manifests: all its `.yaml`, `.yml` and `.json` files, in the order of their names.
 *
 * What cannot be read or understood says nothing about what should be. While a file has a problem, every object that it held before and shows no more is kept: it may be
 * the very one that cannot be understood. Only a file that is gone (ENOENT) takes its objects with it.
 */
export class ManifestFolder {
  readonly #folder: string
  /** The objects of each file, as last known. */
  #known: ReadonlyMap<string, readonly KubernetesObject[]> = new Map()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** @throws The folder cannot be read: then nothing is known, and nothing should be concluded from it. */
  async read(): Promise<FolderContent> {
    const names = (await readdir(this.#folder)).filter((name) => /^[^.].*\.(ya?ml|json)$/s.test(name)).sort()
    const known = new Map<string, readonly KubernetesObject[]>()
    const problems: ManifestProblem[] = []
    const outdated: string[] = []
    for (const name of names) {
      const parsed = await this.#readFile(name)
      if (parsed === undefined) continue
      const kept = parsed.problems.length === 0 ? [] : this.#missing(name, parsed.objects)
      known.set(name, [...parsed.objects, ...kept])
      problems.push(...parsed.problems)
      if (kept.length > 0 || parsed.problems.some(({ document }) => document === 0)) outdated.push(name)
    }
    this.#known = known
    return { objects: [...known.values()].flat(), problems, outdated }
  }

  /** Undefined where the file is gone, also when it went between listing and reading. */
  async #readFile(name: string): Promise<Manifests | undefined> {
    try {
      return parseManifests(name, await readFile(join(this.#folder, name), 'utf8'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      return { objects: [], problems: [{ file: name, document: 0, reason: (error as Error).message }] }
    }
  }

  #missing(name: string, objects: readonly KubernetesObject[]): KubernetesObject[] {
    const shown = new Set(objects.map(identityOf))
    return (this.#known.get(name) ?? []).filter((object) => !shown.has(identityOf(object)))
  }
}
