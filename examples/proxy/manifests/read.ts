import { constants } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { describeObject, ObjectChoice } from './choice.js'
import type { FolderContent, ManifestProblem, Manifests } from './types.js'
import { isBeginningOfKind, isKnown, isObject, KNOWN_LISTS, shapeProblem } from '../kubernetes/shape.js'
import type { KubernetesObject } from '../kubernetes/types.js'

/** What `kubectl get … -o yaml` prints is one object, or a list of them. Items of a typed list (ServiceList) leave their kind out. */
function objectsIn(value: unknown): unknown[] {
  if (!isObject(value)) return [value]
  const { kind, apiVersion, items } = value
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) return [value]
  const implied = { apiVersion, kind: kind.slice(0, -'List'.length) }
  return items.flatMap((item: unknown) => objectsIn(isObject(item) && item['kind'] === undefined ? { ...implied, ...item } : item))
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
function readDocuments(file: string, raw: string): Document[] {
  // Some programs begin a file with a byte order mark, which JSON does not have.
  const text = raw.replace(/^\ufeff/, '')
  // Comments alone are an answer; nothing at all is a file that somebody is about to write.
  if (text.trim() === '') return [{ reason: 'the file is empty' }]
  if (file.endsWith('.json')) return [attempt(() => JSON.parse(text) as unknown)]
  // As the tools of Kubernetes do, which take YAML 1.1: `<<: *other`.
  const documents = parseAllDocuments(text, { merge: true })
  if (!Array.isArray(documents)) return []
  return documents.map((document) =>
    document.errors.length > 0 ? { reason: document.errors[0]!.message.split('\n')[0]! } : attempt(() => document.toJS() as unknown)
  )
}

/** Why an object cannot be used; undefined where it can, and where nobody wants it. */
function problemOf(object: unknown): string | undefined {
  if (!isObject(object)) return 'the document is no object'
  if (typeof object['kind'] !== 'string') return 'an object has no kind'
  const { kind, items } = object
  // A file that is being written may end in the midst of a kind, or before the items of a list.
  if (isBeginningOfKind(kind)) return `kind ${JSON.stringify(kind)} is the beginning of another one`
  if (KNOWN_LISTS.has(kind) && items !== null) return `${kind}: items is ${items === undefined ? 'missing' : 'no list'}`
  const wrong = isKnown(object) ? shapeProblem(object) : undefined
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
      else if (isKnown(object as KubernetesObject)) objects.push(object as KubernetesObject)
    }
  }
  return { objects, problems }
}

/** Text of a regular file. Of a FIFO or a device no end may come: opening one must not wait, and reading it is not tried. */
async function readText(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is no regular file')
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/** True where the folder has no such name any more, not even as a link to nowhere. */
async function isGone(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => false,
    (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT'
  )
}

/**
 * A folder of manifests: all its `.yaml`, `.yml` and `.json` files, in the order of their names.
 *
 * What cannot be read or understood says nothing about what should be. While a file has a problem, every object that it held before and shows no more is kept: it may be
 * the very one that cannot be understood. Only a file whose name is gone takes its objects with it.
 */
export class ManifestFolder {
  readonly #folder: string
  /** The objects of each file, as last known. */
  #known: ReadonlyMap<string, readonly KubernetesObject[]> = new Map()
  /** What was read last of each file: one that did not change is not parsed again. */
  #parsed = new Map<string, { readonly text: string; readonly manifests: Manifests }>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** @throws The folder cannot be read: then nothing is known, and nothing should be concluded from it. */
  async read(): Promise<FolderContent> {
    const names = (await readdir(this.#folder)).filter((name) => /^[^.].*\.(ya?ml|json)$/s.test(name)).sort()
    const known = new Map<string, readonly KubernetesObject[]>()
    const choice = new ObjectChoice()
    const problems: ManifestProblem[] = []
    const outdated: string[] = []
    for (const name of names) {
      const parsed = await this.#readFile(name)
      if (parsed === undefined) continue
      const kept = parsed.problems.length === 0 ? [] : this.#missing(name, parsed.objects)
      known.set(name, [...parsed.objects, ...kept])
      choice.add(name, parsed.objects, kept)
      problems.push(...parsed.problems)
      if (kept.length > 0 || parsed.problems.some(({ document }) => document === 0)) outdated.push(name)
    }
    this.#known = known
    for (const name of this.#parsed.keys()) if (!known.has(name)) this.#parsed.delete(name)
    return { objects: choice.objects, problems: [...problems, ...choice.problems], outdated }
  }

  /** Undefined where the file is gone, also when it went between listing and reading. */
  async #readFile(name: string): Promise<Manifests | undefined> {
    const path = join(this.#folder, name)
    try {
      const text = await readText(path)
      const last = this.#parsed.get(name)
      const manifests = last?.text === text ? last.manifests : parseManifests(name, text)
      this.#parsed.set(name, { text, manifests })
      return manifests
    } catch (error) {
      if (await isGone(path)) return undefined
      return { objects: [], problems: [{ file: name, document: 0, reason: (error as Error).message }] }
    }
  }

  #missing(name: string, objects: readonly KubernetesObject[]): KubernetesObject[] {
    const shown = new Set(objects.map(describeObject))
    return (this.#known.get(name) ?? []).filter((object) => !shown.has(describeObject(object)))
  }
}
