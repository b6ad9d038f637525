/**
 * Objects as attributes: names, types, ranges and lengths are checked by the tables; what only the kernel reports is passed over, so that a listed object can be
 * written again.
 */
import { types } from 'node:util'
import { detachedError, isDetached } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { Expression } from '../expressions.js'
import type { AttributeBuffer } from './buffer.js'
import { EncodedExpressions } from './encoded-expressions.js'
import { DATA, EXPRESSION, MAX_PAYLOAD, OPAQUE, schemaOf, VARIANTS, type Field, type Schema } from './tables.js'

type Record = Readonly<globalThis.Record<string, unknown>>

/** An object may hold itself, through expressions of expressions. */
const MAX_DEPTH = 16
/** More attributes than this, each of at least its header, do not fit into one. */
const MAX_ENTRIES = Math.floor(MAX_PAYLOAD / 4)
/** With the bit that says that other attributes are in it. */
const MAX_OPAQUE_TYPE = 0xffff
const TOO_LONG = `what takes at most ${MAX_PAYLOAD} bytes as an attribute`
const MAX_U64 = 0xffff_ffff_ffff_ffffn

function refuse(path: string, value: unknown, allowed: string): never {
  throw new ValidationError(path, value, allowed)
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

function namesOf({ names }: Field): string {
  return [...names.keys()].join(', ')
}

function range(least: number, most: number): string {
  return `a whole number from ${least} to ${most}`
}

/** What a field's value is put by: where it stands is put together only for what is refused, as that would take longer than the rest. */
class Encoder {
  readonly #out: AttributeBuffer
  readonly #isReported: boolean
  /** Names of fields and numbers of entries that lead to the one that is being written. */
  readonly #path: (string | number)[] = []
  /** How many of them count: a list that is cut and grows again takes memory each time. */
  #depth = 0

  constructor(out: AttributeBuffer, isReported: boolean) {
    this.#out = out
    this.#isReported = isReported
  }

  /** Where the field stands. */
  #at(name: string): string {
    let path = ''
    for (const part of this.#path.slice(0, this.#depth)) path = typeof part === 'number' ? `${path}[${part}]` : joined(path, part)
    return name === '' ? path : joined(path, name)
  }

  /** Names among the parts of the path. */
  #levels(): number {
    return this.#path.slice(0, this.#depth).filter((part) => typeof part === 'string').length
  }

  record(schema: Schema, object: Record): void {
    for (const name in object) {
      const value = object[name]
      if (value === undefined || (name === 'type' && schema.isVariant) || name === 'opaque') continue
      const field = fieldNamed(schema, name, object)
      if (field === undefined || field.kind === 'ignored') return this.#refuseUnknown(schema, name, value)
      if (!field.isOutput || this.#isReported) this.field(field, value)
    }
    for (const { name } of schema.required)
      if (object[name] === undefined) refuse(this.#at(name), undefined, 'a value: the field is required')
    if (object['opaque'] !== undefined) this.#opaque(object['opaque'])
  }

  #refuseUnknown({ fields }: Schema, name: string, value: unknown): never {
    const known = new Set(fields.filter(({ kind }) => kind !== 'ignored').map((field) => field.name))
    refuse(this.#at(name), value, `one of the fields ${[...known].join(', ')}`)
  }

  /** Writes one field of the object that the path leads to. */
  field(field: Field, value: unknown): void {
    switch (field.kind) {
      case 'unsigned':
      case 'signed':
      case 'enum':
      case 'flags':
        return this.#out.putNumber(field.attribute, field.bytes, field.isHost, this.#number(field, value))
      case 'big':
        return this.#big(field, value)
      case 'safe':
        this.#whole(field, value, 0, Number.MAX_SAFE_INTEGER)
        return this.#out.putSafe(field.attribute, field.isHost, value as number)
      case 'string':
        return this.#text(field, field.attribute, value)
      case 'bytes':
        return this.#out.put(field.attribute, this.#bytes(field, value))
      case 'dataBytes':
        return this.#dataValue(field, value)
      case 'data':
        return ArrayBuffer.isView(value) ? this.#dataValue(field, value) : this.#verdict(field, value)
      case 'present':
        return this.#present(field, value)
      case 'nested':
        return this.#nestedField(field, field.attribute, value)
      case 'variant':
        this.#path[this.#depth++] = field.name
        this.#variant(field.attribute, value)
        this.#depth -= 1
        return
      case 'list':
      case 'stringList':
      case 'variantList':
        if (value instanceof EncodedExpressions && field === RULE_EXPRESSIONS) return this.#out.putRange(value)
        return this.#list(field, value)
      case 'ignored':
    }
  }

  #number(field: Field, value: unknown): number {
    // Verdicts are negative.
    if (field.kind === 'enum') return this.#named(field, value, field.bytes === 4 ? -2_147_483_648 : 0, field.name)
    if (field.kind === 'flags') return this.#flags(field, value)
    if (field.kind === 'signed') return this.#whole(field, value, -2_147_483_648, 2_147_483_647)
    return this.#whole(field, value, 0, field.largest)
  }

  #whole({ name }: Field, value: unknown, least: number, most: number): number {
    if (typeof value === 'number' && value >= least && value <= most && Number.isInteger(value)) return value
    return refuse(this.#at(name), value, range(least, most))
  }

  /** A name, or a number of at least `least` that has none. */
  #named(field: Field, value: unknown, least: number, name: string): number {
    if (typeof value === 'string') return field.names.get(value) ?? refuse(this.#at(name), value, namesOf(field))
    const most = field.largest
    if (typeof value === 'number' && value >= least && value <= most && Number.isInteger(value)) return value
    return refuse(this.#at(name), value, `${namesOf(field)}, or ${range(least, most)}`)
  }

  #flags(field: Field, value: unknown): number {
    if (!Array.isArray(value)) return refuse(this.#at(field.name), value, `a list of ${namesOf(field)}`)
    let bits = 0
    for (let index = 0; index < value.length; index++) bits |= this.#named(field, value[index], 0, `${field.name}[${index}]`)
    return bits
  }

  #big({ attribute, isHost, name }: Field, value: unknown): void {
    if (typeof value === 'bigint' && value >= 0n && value <= MAX_U64) return this.#out.putBig(attribute, isHost, value)
    if (typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)) return this.#out.putSafe(attribute, isHost, value)
    refuse(this.#at(name), value, 'a bigint from 0 to 18446744073709551615')
  }

  #text({ name, most }: Field, type: number, value: unknown): void {
    if (typeof value === 'string' && this.#out.putText(type, value, most)) return
    refuse(this.#at(name), value, `text of at most ${most} bytes without NUL`)
  }

  #bytes({ name, most }: Field, value: unknown): Uint8Array {
    if (!types.isUint8Array(value) || value.length > most) return refuse(this.#at(name), value, `a Uint8Array of at most ${most} bytes`)
    if (value.length === 0 && isDetached(value)) throw detachedError(this.#at(name), value)
    return value
  }

  #dataValue(field: Field, value: unknown): void {
    const bytes = this.#bytes(field, value)
    const token = this.#out.beginNest(field.attribute)
    this.#out.put(DATA.value, bytes)
    this.#end(token, field.name)
  }

  #verdict(field: Field, value: unknown): void {
    const token = this.#out.beginNest(field.attribute)
    this.#nestedField(field, DATA.verdict, value)
    this.#end(token, field.name)
  }

  #present({ attribute, name }: Field, value: unknown): void {
    if (typeof value !== 'boolean') refuse(this.#at(name), value, 'true or false')
    if (value) this.#out.put(attribute, NOTHING)
  }

  /** Ends an attribute that holds others. */
  #end(token: number, name: string): void {
    if (!this.#out.endNest(token)) refuse(this.#at(name), undefined, TOO_LONG)
  }

  /** An object that stands in a field. */
  #nestedField({ name, nested }: Field, type: number, value: unknown): void {
    const token = this.#out.beginNest(type)
    this.#path[this.#depth++] = name
    this.#nested(nested!, value)
    this.#depth -= 1
    this.#end(token, name)
  }

  /** The fields of the object that the path leads to. */
  #nested(schema: Schema, value: unknown): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
      return refuse(this.#at(''), value, 'an object')
    if (this.#depth > MAX_DEPTH && this.#levels() > MAX_DEPTH + 1) refuse(this.#at(''), value, `at most ${MAX_DEPTH} levels of objects`)
    this.record(schema, value as Record)
  }

  #list(field: Field, value: unknown): void {
    if (!Array.isArray(value)) return refuse(this.#at(field.name), value, 'a list')
    // An array may say any length without holding anything.
    if (value.length > MAX_ENTRIES) refuse(this.#at(field.name), value, `a list of at most ${MAX_ENTRIES} entries`)
    const token = this.#out.beginNest(field.attribute)
    for (let index = 0; index < value.length; index++) this.#entry(field, value[index], index)
    this.#end(token, field.name)
  }

  #entry(field: Field, value: unknown, index: number): void {
    if (this.#out.length > ENOUGH) refuse(this.#at(field.name), undefined, TOO_LONG)
    if (field.kind === 'stringList') return this.#text({ ...field, name: `${field.name}[${index}]` }, field.element, value)
    this.#path[this.#depth++] = field.name
    this.#path[this.#depth++] = index
    if (field.kind === 'variantList') this.#variant(field.element, value)
    else {
      const token = this.#out.beginNest(field.element)
      this.#nested(field.nested!, value)
      this.#end(token, '')
    }
    this.#depth -= 2
  }

  /** An expression. */
  #variant(type: number, value: unknown): void {
    if (typeof value !== 'object' || value === null) return refuse(this.#at(''), value, 'an object with a type')
    const { type: name } = value as Record
    const schema = name === 'opaque' ? OPAQUE : typeof name === 'string' ? VARIANTS.get(name) : undefined
    if (schema === undefined) return refuse(this.#at('type'), name, ['opaque', ...VARIANTS.keys()].join(', '))
    const token = this.#out.beginNest(type)
    if (schema === OPAQUE) this.#opaqueVariant(value as Record)
    else this.#knownVariant(schema, value)
    this.#end(token, '')
  }

  #knownVariant(schema: Schema, value: object): void {
    this.#out.putText(EXPRESSION.name, schema.name, MAX_PAYLOAD)
    // As libnftnl does: what has no attributes at all (notrack) has no DATA either.
    if (schema.fields.length === 0) return this.#nested(schema, value)
    const token = this.#out.beginNest(EXPRESSION.data)
    this.#nested(schema, value)
    this.#end(token, '')
  }

  #opaqueVariant(value: Record): void {
    for (const name in value)
      if (name !== 'type' && value[name] !== undefined && !OPAQUE.byName.has(name)) return this.#refuseUnknown(OPAQUE, name, value[name])
    for (const { name } of OPAQUE.required)
      if (value[name] === undefined) return refuse(this.#at(name), undefined, 'a value: the field is required')
    this.#text(OPAQUE.byName.get('name')!, EXPRESSION.name, value['name'])
    const data = this.#bytes(OPAQUE.byName.get('data')!, value['data'])
    if (data.length > 0) this.#out.put(EXPRESSION.data | 0x8000, data)
  }

  /** Attributes that have no field, as they were listed. */
  #opaque(value: unknown): void {
    const allowed = `a list of { type: 0 to ${MAX_OPAQUE_TYPE}, payload: Uint8Array }, as it was listed`
    if (!Array.isArray(value)) return refuse(this.#at('opaque'), value, allowed)
    for (const entry of value as readonly unknown[]) {
      const { type, payload } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record
      const isType = typeof type === 'number' && type >= 0 && type <= MAX_OPAQUE_TYPE
      if (!isType || !types.isUint8Array(payload) || payload.length > MAX_PAYLOAD) return refuse(this.#at('opaque'), value, allowed)
      this.#out.put(Math.trunc(type), payload)
    }
  }
}

/** Whether the attribute of a condition is given with its value. */
function holds({ when }: Field, schema: Schema, object: Record): boolean {
  const [field] = schema.byAttribute.get(when!.attribute)!
  const value = object[field!.name]
  return (typeof value === 'string' ? field!.names.get(value) : value) === when!.number
}

/** The field that a property means: where several have its name, the first whose condition holds, but for bytes the one without. */
function fieldNamed(schema: Schema, name: string, object: Record): Field | undefined {
  const field = schema.byName.get(name)
  const among = schema.conditional.size === 0 ? undefined : schema.conditional.get(name)
  if (among === undefined) return field
  const chosen = ArrayBuffer.isView(object[name]) ? undefined : among.find((one) => holds(one, schema, object))
  return chosen ?? (field?.when === undefined ? field : undefined)
}

const NOTHING = new Uint8Array(0)
const RULE_EXPRESSIONS = schemaOf('rule').byName.get('expressions')!
/** Bytes of an operation beyond which a list in it is too long whatever comes before it. */
const ENOUGH = 1 << 20

/**
 * Appends the attributes of an object.
 *
 * @param isReported Whether with what only the kernel reports.
 * @throws {ValidationError} Its path is that of the field within the object.
 */
export function encodeRecord(schema: Schema, object: Record, out: AttributeBuffer, isReported = false): void {
  new Encoder(out, isReported).record(schema, object)
}

/** Encodes the expressions of a rule, for rules that are queued later. @throws {ValidationError} One is malformed: its path begins with `expressions`. */
export function encodeExpressions(expressions: readonly Expression[], out: AttributeBuffer): EncodedExpressions {
  out.start()
  try {
    new Encoder(out, false).field(RULE_EXPRESSIONS, expressions)
  } catch (error) {
    out.abandon()
    throw error
  }
  const { bytes, from, to } = out.finish()
  return new EncodedExpressions(bytes, from, to)
}
