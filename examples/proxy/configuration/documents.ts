import { isAlias, isMap, isScalar, LineCounter, parseAllDocuments, type Document, type Node, type Pair, type YAMLMap } from 'yaml'
import type { FaultSink, Place } from './faults.js'

/** A key of a map, and what stands behind it. */
export interface Entry {
  readonly key: string
  /** Where the key stands. */
  readonly place: Place
  readonly value: ConfigurationNode
}

/** A value of a file, with its place. */
export interface ConfigurationNode {
  readonly place: Place
  /** As JSON has it; null where nothing stands. */
  readonly raw: unknown
  /** How a scalar is written. */
  readonly text: string | undefined
  /** The entries of a map, with those that it merges (`<<`) first; undefined: it is no map. */
  readonly entries: readonly Entry[] | undefined
}

/** Finds places in one file. */
class Reader {
  readonly #source: string
  readonly #lines: LineCounter
  readonly #document: Document

  constructor(source: string, lines: LineCounter, document: Document) {
    this.#source = source
    this.#lines = lines
    this.#document = document
  }

  node(found: unknown, fallback: Place): ConfigurationNode {
    const node = (isAlias(found) ? found.resolve(this.#document) : found) as Node | null | undefined
    const place = this.#placeOf(found, fallback)
    if (node === null || node === undefined) return { place, raw: null, text: undefined, entries: undefined }
    return {
      place,
      raw: node.toJS(this.#document),
      text: isScalar(node) ? node.source : undefined,
      entries: isMap(node) ? this.#entries(node, place) : undefined
    }
  }

  #placeOf(found: unknown, fallback: Place): Place {
    const start = (found as Node | null | undefined)?.range?.[0]
    if (start === undefined) return fallback
    const { line, col } = this.#lines.linePos(start)
    return { source: this.#source, line, column: col }
  }

  #entries(map: YAMLMap, around: Place): Entry[] {
    const entry = ({ key, value }: Pair): Entry => {
      const place = this.#placeOf(key, around)
      return { key: String(isScalar(key) ? (key.source ?? key.value) : key), place, value: this.node(value, place) }
    }
    const all = map.items.map(entry)
    const own = all.filter(({ key }) => key !== '<<')
    const names = new Set(own.map(({ key }) => key))
    const merged = all.filter(({ key }) => key === '<<').flatMap(({ value }) => value.entries ?? [])
    return [...merged.filter(({ key }) => !names.has(key)), ...own]
  }
}

/**
 * The documents of a file of YAML or JSON, which is YAML, too; empty ones are left out. YAML is read as version 1.1 has it, as the tools of Kubernetes do.
 *
 * @param source Name of the file in messages.
 */
export function readDocuments(source: string, content: string, faults: FaultSink): ConfigurationNode[] {
  const lineCounter = new LineCounter()
  // Some programs begin a file with a byte order mark.
  const parsed = parseAllDocuments(content.replace(/^\ufeff/, ''), { version: '1.1', uniqueKeys: false, lineCounter, prettyErrors: false })
  const nodes: ConfigurationNode[] = []
  for (const document of Array.isArray(parsed) ? (parsed as Document[]) : []) {
    for (const { pos, message } of document.errors) {
      const { line, col } = lineCounter.linePos(pos[0])
      faults.error({ source, line, column: col }, '', message)
    }
    if (document.errors.length > 0) continue
    const node = new Reader(source, lineCounter, document).node(document.contents, { source, line: 1, column: 1 })
    if (node.raw !== null) nodes.push(node)
  }
  return nodes
}
