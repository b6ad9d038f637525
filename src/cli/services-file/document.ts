/**
 * Services in a file of YAML or JSON, and where in it each of their fields stands.
 */
import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, type Document } from 'yaml'
import { requireFields, requireKnown } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import type { Service, Services } from '../../plane/model.js'
import { CommandError, STATUS } from '../errors.js'
import { fewOf } from './few.js'
import { findMistakes } from './mistakes.js'
import { composeDocument } from './syntax.js'
import { wordsOf } from './words.js'

/** A place in a file; both numbers begin at 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** The file is no list of services, or some are malformed. The message has a line for each mistake: `FILE:LINE:COLUMN: MESSAGE`. */
export class ServicesFileError extends CommandError {
  /** @param isAll Whether there are no further mistakes than these. */
  constructor(mistakes: readonly string[], isAll = true) {
    super(STATUS.usage, fewOf(mistakes, (more) => `and ${isAll ? '' : 'at least '}${more} more mistakes`).join('\n'))
    this.name = 'ServicesFileError'
  }
}

type Segment = string | number

const SEGMENT = /\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|\.?([^.[\]]+)/g

/** The names and numbers of a path: `services["web"].frontends[0].port`. */
function segmentsOf(path: string): Segment[] {
  return [...path.matchAll(SEGMENT)].map(([, index, quoted, name]) => {
    if (index !== undefined) return Number(index)
    return quoted === undefined ? name! : (JSON.parse(quoted) as string)
  })
}

/** The services of a file. */
export class ServicesDocument {
  readonly services: Services
  readonly #file: string
  readonly #document: Document
  readonly #lines: LineCounter
  readonly #indices: ReadonlyMap<string, number>

  private constructor(file: string, document: Document, lines: LineCounter, services: readonly Service[]) {
    this.#file = file
    this.#document = document
    this.#lines = lines
    this.services = new Map(services.map((service) => [service.name, service]))
    this.#indices = new Map(services.map(({ name }, index) => [name, index]))
  }

  /**
   * Reads services from the text of a file, and checks each of them as a plane does.
   *
   * @param file What the text is called in errors.
   * @throws {ServicesFileError} It is no YAML or JSON, no list of services, or some are malformed.
   */
  static async parse(file: string, text: string): Promise<ServicesDocument> {
    const lines = new LineCounter()
    const { document, faults } = composeDocument(file, text, lines)
    const unsaid = new ServicesDocument(file, document, lines, [])
    if (faults.length > 0) throw new ServicesFileError(faults.map(({ offset, message }) => unsaid.#textAt(offset, message)))
    return new ServicesDocument(file, document, lines, await unsaid.#check())
  }

  /** Where the field of a path stands, or the closest thing around it that the file has. */
  positionOf(path: string): Position {
    return this.#positionAt(this.#offsetOf(segmentsOf(path)))
  }

  /** A mistake with its place in the file. @param path `services["web"].frontends[0].port` */
  describe(path: string, message: string): string {
    return this.#textAt(this.#offsetOf(segmentsOf(path)), message)
  }

  #positionAt(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }

  #textAt(offset: number, message: string): string {
    const { line, column } = this.#positionAt(offset)
    return `${this.#file}:${line}:${column}: ${message}`
  }

  /** Walks down as far as there are nodes. A field is where its name is, an entry of a list where it begins. */
  #offsetOf(segments: readonly Segment[]): number {
    let node: unknown = this.#document.contents
    let offset = 0
    for (const [depth, segment] of segments.entries()) {
      // A service is called by its name where the plane speaks, and has a number in the file.
      const key = depth === 1 && typeof segment === 'string' ? (this.#indices.get(segment) ?? segment) : segment
      const found = childOf(node, key)
      if (found === undefined) break
      offset = found.offset
      node = found.node
    }
    return offset
  }

  /** The services, all of them well-formed. */
  async #check(): Promise<readonly Service[]> {
    const entries = this.#entries()
    const slices = new Slices()
    const mistakes: string[] = []
    const names = new Map<string, number>()
    let isAll = true
    for (const [index, entry] of entries.entries()) {
      if (slices.isOver) await slices.turn()
      const found = await findMistakes(entry, slices)
      const errors = [...found.errors, ...findNamesake(names, index, entry)]
      mistakes.push(...this.#inOrder(`services[${index}]`, errors))
      isAll &&= found.isAll
    }
    if (mistakes.length > 0) throw new ServicesFileError(mistakes, isAll)
    return entries as Service[]
  }

  /** The entries of the list `services`, whatever they are. */
  #entries(): readonly unknown[] {
    try {
      const value: unknown = this.#document.toJS()
      const { services } = requireFields('', value ?? undefined, 'an object with a list `services`')
      requireKnown('', value as object, ['services'])
      if (!Array.isArray(services)) throw new ValidationError('services', services, 'a list of services')
      return services as unknown[]
    } catch (error) {
      // ReferenceError: aliases that stand for more than there is memory.
      if (!(error instanceof ValidationError) && !(error instanceof ReferenceError)) throw error
      throw new ServicesFileError(error instanceof ValidationError ? this.#inOrder('', [error]) : [this.describe('', error.message)])
    }
  }

  /** Mistakes in the order of the file. */
  #inOrder(row: string, errors: readonly ValidationError[]): string[] {
    return errors
      .map((error) => ({ offset: this.#offsetOf(segmentsOf(`${row}${error.path}`)), words: wordsOf(row, error) }))
      .sort((left, right) => left.offset - right.offset)
      .map(({ offset, words }) => this.#textAt(offset, words))
  }
}

/** The mistake that another service has the name. The name counts whatever else is wrong with its service. */
function findNamesake(names: Map<string, number>, index: number, entry: unknown): ValidationError[] {
  const { name } = (entry ?? {}) as { readonly name?: unknown }
  // An empty name is a mistake of its own.
  if (typeof name !== 'string' || name === '') return []
  const first = names.get(name)
  if (first === undefined) names.set(name, index)
  return first === undefined ? [] : [new ValidationError('.name', name, `a name of its own: services[${first}] has it`)]
}

/** A child by its name or number, and where it stands. */
function childOf(node: unknown, segment: Segment): { readonly node: unknown; readonly offset: number } | undefined {
  if (isSeq(node) && typeof segment === 'number') {
    const item = node.items[segment]
    return isNode(item) && item.range ? { node: item, offset: item.range[0] } : undefined
  }
  if (!isMap(node)) return undefined
  const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(segment))
  if (pair === undefined || !isScalar(pair.key) || !pair.key.range) return undefined
  return { node: pair.value, offset: pair.key.range[0] }
}
