import { parseAllDocuments } from 'yaml'
import { describeObject } from './choice.js'
import type { ManifestProblem, Manifests } from './types.js'
import { isBeginningOfKind, isKnown, isObject, KNOWN_LISTS, shapeProblem } from '../kubernetes/shape.js'
import type { KubernetesObject } from '../kubernetes/types.js'

/** Parses the documents of one file, at once or elsewhere. */
export type ParseManifests = (file: string, text: string) => Manifests | Promise<Manifests>

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
