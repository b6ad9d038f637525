import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { KubernetesObject } from '../kubernetes/types.js'

/** Something in a folder of manifests that could not be used; everything else was. */
export interface ManifestProblem {
  readonly file: string
  /** Position of the document in its file, from 1; 0: the file itself. */
  readonly document: number
  readonly reason: string
}

/** What a folder holds. */
export interface Manifests {
  readonly objects: readonly KubernetesObject[]
  readonly problems: readonly ManifestProblem[]
}

const KINDS = new Set(['Service', 'EndpointSlice'])

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What `kubectl get … -o yaml` prints is one object, or a list of them. */
function* objectsIn(value: unknown): Generator<Record<string, unknown>> {
  if (!isObject(value)) return
  const { kind, items } = value
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
    // Items of a typed list (ServiceList) leave their kind out.
    const implied = kind.slice(0, -'List'.length)
    for (const item of items)
      for (const object of objectsIn(item)) yield object['kind'] === undefined ? { kind: implied, ...object } : object
    return
  }
  yield value
}

function isNamed(object: Record<string, unknown>): boolean {
  const { metadata } = object
  return isObject(metadata) && typeof metadata['name'] === 'string' && metadata['name'] !== ''
}

/** A document's value, or why it has none. */
type Document = { readonly value: unknown } | { readonly reason: string }

/** JSON is YAML too, but its own parser is far faster. */
function readDocuments(file: string, text: string): Document[] {
  if (file.endsWith('.json')) {
    try {
      return [{ value: JSON.parse(text) as unknown }]
    } catch (error) {
      return [{ reason: (error as Error).message }]
    }
  }
  const documents = parseAllDocuments(text)
  if (!Array.isArray(documents)) return []
  return documents.map((document) =>
    document.errors.length > 0 ? { reason: document.errors[0]!.message.split('\n')[0]! } : { value: document.toJS() as unknown }
  )
}

/** Reads the documents of one file. A broken document spoils none of the others. */
export function parseManifests(file: string, text: string): Manifests {
  const objects: KubernetesObject[] = []
  const problems: ManifestProblem[] = []
  for (const [index, document] of readDocuments(file, text).entries()) {
    const problem = (reason: string): void => void problems.push({ file, document: index + 1, reason })
    if ('reason' in document) {
      problem(document.reason)
      continue
    }
    // An empty document: a file that ends with `---`.
    if (document.value === null) continue
    if (!isObject(document.value)) problem('the document is no object')
    for (const object of objectsIn(document.value)) {
      if (typeof object['kind'] !== 'string') problem('an object has no kind')
      else if (!KINDS.has(object['kind'])) continue
      else if (isNamed(object)) objects.push(object as unknown as KubernetesObject)
      else problem(`a ${object['kind']} has no metadata.name`)
    }
  }
  return { objects, problems }
}

/**
 * Reads all `.yaml`, `.yml` and `.json` files of a folder, in the order of their names.
 *
 * @throws The folder cannot be read: then nothing is known, and nothing should be concluded from it.
 */
export async function readManifests(folder: string): Promise<Manifests> {
  const names = (await readdir(folder)).filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort()
  const objects: KubernetesObject[] = []
  const problems: ManifestProblem[] = []
  for (const name of names) {
    try {
      const parsed = parseManifests(name, await readFile(join(folder, name), 'utf8'))
      objects.push(...parsed.objects)
      problems.push(...parsed.problems)
    } catch (error) {
      // A file that vanished between listing and reading is simply gone.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') problems.push({ file: name, document: 0, reason: (error as Error).message })
    }
  }
  return { objects, problems }
}
