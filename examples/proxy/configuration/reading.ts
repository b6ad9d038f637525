import type { ConfigurationNode, Entry } from './documents.js'
import type { FaultSink, Place } from './faults.js'
import type { Field, Fields } from './fields.js'

/** A value that was given, and where. */
export interface Given {
  readonly value: unknown
  readonly place: Place
  /** Whether the kind's zero is meant, also where a file asks for the default by it. */
  readonly isExact?: boolean
}

/** The fields that a document, or a command line, gives: by their paths. */
export type GivenFields = ReadonlyMap<string, Given>

const COMMON_KEYS: readonly string[] = ['apiVersion', 'kind']

/** The maps that hold fields: `ipvs`, `logging.options`. */
function sectionsOf(fields: Fields): ReadonlySet<string> {
  const parents = (path: string): string[] => {
    const parts = path.split('.')
    return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('.'))
  }
  return new Set(Object.keys(fields).flatMap(parents))
}

/** What an unknown path was meant to be, if that can be told: another spelling of its letters, or another depth. */
function suggest(path: string, known: readonly string[]): string {
  const [name = ''] = path.split('.').slice(-1)
  const similar =
    known.find((other) => other.toLowerCase() === path.toLowerCase()) ?? known.find((other) => other.endsWith(`.${name}`) || other === name)
  return similar === undefined ? '' : `; ${similar} was meant, perhaps`
}

/** Reads the fields of one document. */
export class FieldReader {
  readonly #fields: Fields
  readonly #sections: ReadonlySet<string>
  readonly #faults: FaultSink
  readonly #unknown: 'error' | 'warn'
  readonly #given = new Map<string, Given>()

  /** @param unknown What a field that there is not is: kube-proxy reads a file of v1alpha1 leniently where it cannot be read strictly, and warns. */
  constructor(fields: Fields, unknown: 'error' | 'warn', faults: FaultSink) {
    this.#fields = fields
    this.#sections = sectionsOf(fields)
    this.#unknown = unknown
    this.#faults = faults
  }

  /** Adds what a document gives. */
  read(document: ConfigurationNode): GivenFields {
    this.#readSection('', document)
    return this.#given
  }

  #readSection(prefix: string, { entries }: ConfigurationNode): void {
    const seen = new Set<string>()
    for (const entry of entries ?? []) {
      const path = `${prefix}${entry.key}`
      if (seen.has(path)) this.#faults[this.#unknown](entry.place, path, 'the field is there twice, and the last one counts')
      seen.add(path)
      this.#readEntry(path, entry)
    }
  }

  #readEntry(path: string, { place, value }: Entry): void {
    if (COMMON_KEYS.includes(path)) return
    const field = Object.hasOwn(this.#fields, path) ? (this.#fields[path] as unknown as Field<unknown>) : undefined
    if (field !== undefined) return this.#readValue(path, field, value)
    if (this.#sections.has(path)) {
      if (value.entries !== undefined) this.#readSection(`${path}.`, value)
      else if (value.raw !== null) this.#faults.error(value.place, path, `${shown(value)} stands where a map of fields is wanted`)
      return
    }
    this.#faults[this.#unknown](place, path, `there is no such field${suggest(path, [...Object.keys(this.#fields), ...this.#sections])}`)
  }

  #readValue(path: string, field: Field<unknown>, node: ConfigurationNode): void {
    // Null stands for a field that is absent, also for one that stood there before.
    if (node.raw === null) {
      this.#given.delete(path)
      return
    }
    const value = field.kind.read(node.raw, node.text)
    if (value === undefined) this.#faults.error(node.place, path, `${shown(node)} is not ${field.kind.wanted}`)
    else this.#given.set(path, { value, place: node.place })
  }
}

function shown({ raw, text }: ConfigurationNode): string {
  return typeof raw === 'string' || text === undefined ? JSON.stringify(raw) : text
}

/** Whether a value counts as absent. */
function isUnset({ kind, isZeroUnset }: Field<unknown>, { value, isExact = false }: Given): boolean {
  return isZeroUnset && !isExact && value === kind.zero
}

/**
 * All fields with their values: what was given, checked, and the defaults of the rest.
 *
 * @param isLenient Whether a value that is out of range is only warned about, because nobody reads the field.
 */
export function resolveFields(
  fields: Fields,
  given: GivenFields,
  faults: FaultSink,
  isLenient: (path: string) => boolean = () => false
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields as unknown as Record<string, Field<unknown>>).map(([path, field]) => {
      const found = given.get(path)
      if (found === undefined || isUnset(field, found)) return [path, field.unset]
      const allowed = field.check(found.value)
      if (allowed === undefined) return [path, found.value]
      faults[isLenient(path) ? 'warn' : 'error'](found.place, path, `${JSON.stringify(field.kind.write(found.value))}: ${allowed}`)
      // So that rules about several fields do not tell it again.
      return [path, field.unset]
    })
  )
}
