import { parseAllDocuments, type YAMLError } from 'yaml'
import { describeObject } from './choice.js'
import { cutterFor, type Format } from './cut.js'
import type { CutPiece, Cutter } from './cutter.js'
import type { ManifestProblem, Manifests, Piece, PieceProblem } from './types.js'
import { isBeginningOfKind, isKnown, isObject, KNOWN_LISTS, shapeProblem } from '../kubernetes/shape.js'
import { prune } from '../kubernetes/prune.js'
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
type Document = { readonly value: unknown } | Omit<PieceProblem, 'document'>

function attempt(read: () => unknown): Document {
  try {
    return { value: read() }
  } catch (error) {
    return { reason: (error as Error).message }
  }
}

/** The first line of a message says what is wrong, and where; the others show it. */
function problemIn({ message, linePos }: YAMLError): Omit<PieceProblem, 'document'> {
  const reason = message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, '')
  return { reason, position: linePos && { line: linePos[0].line, column: linePos[0].col } }
}

/** JSON is YAML too, but its own parser is far faster. */
const READERS: Readonly<Record<Format, (text: string) => Document[]>> = {
  json: (text) => [attempt(() => JSON.parse(text) as unknown)],
  // As the tools of Kubernetes do, which take YAML 1.1: `<<: *other`.
  yaml: (text) =>
    [...parseAllDocuments(text, { merge: true })].map((document) =>
      document.errors.length > 0 ? problemIn(document.errors[0]!) : attempt(() => document.toJS() as unknown)
    )
}

function readDocuments(format: Format, text: string): Document[] {
  // Comments alone are an answer; nothing at all is a file that somebody is about to write.
  return text.trim() === '' ? [{ reason: 'the file is empty' }] : READERS[format](text)
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

/** Parses a piece of a file. A broken document or object spoils none of the others. What no proxy reads is left out: it is most of an object. */
export function parsePiece(format: Format, text: string): Piece {
  const objects: KubernetesObject[] = []
  const problems: PieceProblem[] = []
  const documents = readDocuments(format, text)
  for (const [index, document] of documents.entries()) {
    const report = (reason: string): void => void problems.push({ document: index + 1, reason })
    if ('reason' in document) {
      problems.push({ document: index + 1, ...document })
      continue
    }
    // An empty document: a file that ends with `---`.
    if (document.value === null) continue
    for (const object of objectsIn(document.value)) {
      const problem = problemOf(object)
      if (problem !== undefined) report(problem)
      else if (isKnown(object as KubernetesObject)) objects.push(prune(object, (object as KubernetesObject).kind) as KubernetesObject)
    }
  }
  const isBroken = documents.some((document) => 'reason' in document)
  return { documents: documents.length, objects, problems, isBroken }
}

/** A piece of a file that was parsed, and what it is in the file. */
export interface PlacedPiece extends Pick<CutPiece, 'lines' | 'isPart'> {
  readonly piece: Piece
}

/** Whether documents must be parsed as wholes, because their parts may say something else. */
export function needsWholes(cutter: Cutter, pieces: readonly PlacedPiece[]): boolean {
  return cutter.isDoubtful || pieces.some(({ piece, isPart }) => isPart && piece.isBroken)
}

/** Reads pieces, and documents as wholes where their parts may say something else. @param read Begins anew with each cutter. */
export async function readSurely<P extends PlacedPiece>(format: Format, read: (cutter: Cutter) => Promise<P[]>): Promise<P[]> {
  const cutter = cutterFor(format)
  const pieces = await read(cutter)
  return needsWholes(cutter, pieces) ? await read(cutterFor(format, 'documents')) : pieces
}

/** Puts together what the pieces of a file hold, in their order. */
export function join(file: string, pieces: Iterable<PlacedPiece>): Manifests {
  const objects: KubernetesObject[] = []
  const problems: ManifestProblem[] = []
  let [documents, lines] = [0, 0]
  for (const { piece, lines: own, isPart } of pieces) {
    for (const object of piece.objects) objects.push(object)
    for (const { document, reason, position } of piece.problems) {
      const where = position === undefined ? '' : ` at line ${lines + position.line}, column ${position.column}`
      problems.push({ file, document: documents + document, reason: reason + where })
    }
    documents += isPart ? 0 : piece.documents
    lines += own
  }
  return { objects, problems }
}

/** Parses pieces of files, at once or elsewhere. */
export interface PieceParser {
  /** @throws Nothing is known of these pieces then. */
  parse(format: Format, texts: readonly string[]): readonly Piece[] | Promise<readonly Piece[]>
  /** Ends: nothing is parsed any more. */
  close(): void
}

export const parserAtOnce: PieceParser = {
  parse: (format, texts) => texts.map((text) => parsePiece(format, text)),
  close: () => undefined
}
