/**
 * The attribute tables of nf_tables (native/nftables/schema_*.cc), linked: what objects are on the wire, and which names their fields have here. `tables.json` is written
 * by native/test/nftables_tables_test.cc, which also compares it.
 */
import type { NativeKind, NativeVerb } from '../../native/index.js'
import type { Family } from '../families.js'
import tables from './tables.json' with { type: 'json' }

/** How numbers lie on the wire. */
interface NumberForm {
  readonly kind: 'unsigned' | 'signed' | 'enum' | 'flags' | 'big' | 'safe'
  readonly bytes: 1 | 2 | 4 | 8
}

const NUMBERS: Readonly<Record<string, NumberForm>> = {
  u8: { kind: 'unsigned', bytes: 1 },
  u16: { kind: 'unsigned', bytes: 2 },
  u32: { kind: 'unsigned', bytes: 4 },
  u64: { kind: 'big', bytes: 8 },
  s32: { kind: 'signed', bytes: 4 },
  safe64: { kind: 'safe', bytes: 8 },
  enum8: { kind: 'enum', bytes: 1 },
  enum16: { kind: 'enum', bytes: 2 },
  enum32: { kind: 'enum', bytes: 4 },
  flags8: { kind: 'flags', bytes: 1 },
  flags16: { kind: 'flags', bytes: 2 },
  flags32: { kind: 'flags', bytes: 4 }
}

/** What a field is; those of numbers are the kinds of {@link NumberForm}. */
export type FieldKind =
  | NumberForm['kind']
  | 'string'
  | 'bytes'
  | 'present'
  | 'nested'
  | 'list'
  | 'stringList'
  | 'dataBytes'
  | 'data'
  | 'variant'
  | 'variantList'
  | 'ignored'

/** One attribute. */
export interface Field {
  readonly attribute: number
  readonly name: string
  readonly kind: FieldKind
  /** Of numbers. */
  readonly bytes: number
  /** The largest unsigned number of so many bytes. */
  readonly largest: number
  /** In the machine's byte order, not in that of the network. */
  readonly isHost: boolean
  readonly isRequired: boolean
  /** Only ever reported by the kernel. */
  readonly isOutput: boolean
  readonly names: ReadonlyMap<string, number>
  /** By the unsigned number; of two names for one the first. */
  readonly byNumber: ReadonlyMap<number, string>
  /** Of what has one: set when all schemas are there. */
  nested: Schema | undefined
  /** Type of the entries of lists. */
  readonly element: number
  /** Longest text or bytes. */
  readonly most: number
  /** Meant only where another attribute, of 8 or 32 bits, has this value. */
  readonly when: { readonly attribute: number; readonly number: number } | undefined
}

/** The fields of a kind of object, or of an expression. */
export interface Schema {
  readonly name: string
  /** An expression: its name is the `type`. */
  readonly isVariant: boolean
  readonly fields: readonly Field[]
  /** Of several that share their name, the one that has no condition, or the first. */
  readonly byName: ReadonlyMap<string, Field>
  /** Fields with conditions that share their name with others. */
  readonly conditional: ReadonlyMap<string, readonly Field[]>
  readonly byAttribute: ReadonlyMap<number, readonly Field[]>
  readonly required: readonly Field[]
}

/** Bytes of the longest payload of an attribute, whose length has 16 bits. */
export const MAX_PAYLOAD = 65_531

interface RawField {
  readonly attribute: number
  readonly name: string
  readonly type: string
  readonly isHost?: boolean
  readonly direction?: string
  readonly names?: Readonly<Record<string, number>>
  readonly nested?: number
  readonly element?: number
  readonly most?: number
  readonly when?: { readonly attribute: number; readonly number: number }
}

function fieldOf({ attribute, name, type, isHost = false, direction, names = {}, element = 1, most, when }: RawField): Field {
  const number = NUMBERS[type]
  const modulus = 2 ** (8 * (number?.bytes ?? 0))
  const entries = Object.entries(names)
  return {
    attribute,
    name,
    kind: number?.kind ?? (type as FieldKind),
    bytes: number?.bytes ?? 0,
    largest: modulus - 1,
    isHost,
    isRequired: direction === 'required',
    isOutput: direction === 'output',
    names: new Map(entries),
    byNumber: new Map(entries.toReversed().map(([named, value]) => [value < 0 ? value + modulus : value, named])),
    nested: undefined,
    element,
    most: most ?? (type === 'string' || type === 'stringList' ? MAX_PAYLOAD - 1 : MAX_PAYLOAD),
    when
  }
}

function namedFields(fields: readonly Field[]): Map<string, Field> {
  const named = new Map<string, Field>()
  for (const field of fields) if (field.when === undefined || !named.has(field.name)) named.set(field.name, field)
  return named
}

function conditionalFields(fields: readonly Field[]): Map<string, readonly Field[]> {
  const shared = fields.filter(({ name, when }) => when !== undefined && fields.filter((other) => other.name === name).length > 1)
  return new Map(shared.map(({ name }) => [name, shared.filter((field) => field.name === name)]))
}

const rawSchemas = tables.schemas as readonly { readonly name: string; readonly isVariant: boolean; readonly fields: readonly RawField[] }[]

const schemas: readonly Schema[] = rawSchemas.map(({ name, isVariant, fields: raw }) => {
  const fields = raw.map(fieldOf)
  const byAttribute = new Map<number, readonly Field[]>()
  for (const field of fields) byAttribute.set(field.attribute, [...(byAttribute.get(field.attribute) ?? []), field])
  return {
    name,
    isVariant,
    fields,
    byName: namedFields(fields),
    conditional: conditionalFields(fields),
    byAttribute,
    required: fields.filter(({ isRequired }) => isRequired)
  }
})
for (const [index, { fields }] of rawSchemas.entries())
  for (const [position, { nested }] of fields.entries())
    if (nested !== undefined) schemas[index]!.fields[position]!.nested = schemas[nested]

/** As C++ counts them (`enum Verb`, `enum Kind` of native/nftables/schemas.h). */
export const VERBS: readonly NativeVerb[] = ['add', 'create', 'insert', 'replace', 'delete', 'destroy', 'flush']
export const KINDS: readonly (NativeKind | 'elements')[] = ['table', 'chain', 'rule', 'set', 'elements', 'object', 'flowtable']

const KIND_SCHEMAS = new Map(KINDS.map((kind, index) => [kind, schemas[tables.kinds[index]!]!]))

/** The fields of a kind. */
export function schemaOf(kind: NativeKind | 'elements'): Schema {
  return KIND_SCHEMAS.get(kind)!
}

/** Expressions by their types. */
export const VARIANTS: ReadonlyMap<string, Schema> = new Map(tables.variants.map((index) => [schemas[index]!.name, schemas[index]!]))

/** An expression that has no fields of its own here: its name, and its attributes as they are. */
export const OPAQUE: Schema = schemas[tables.opaque]!

/** NFPROTO_* by name. */
export const FAMILY_NUMBERS: Readonly<Record<Family | 'unspec', number>> = tables.families

/** Parts of an expression (NFTA_EXPR_*), and what data is (NFTA_DATA_*). */
export const EXPRESSION = { name: 1, data: 2 } as const
export const DATA = { value: 1, verdict: 2 } as const
