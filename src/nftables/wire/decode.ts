/**
 * Attributes as objects, as the kernel takes them: of an attribute that comes twice the last one counts, and what has no field, or not the form of its field, is kept as it
 * came (native/netlink/schema_decode.cc does the same).
 */
import { Buffer } from 'node:buffer'
import { ATTRIBUTE_HEADER, IS_LITTLE } from './buffer.js'
import { DATA, EXPRESSION, OPAQUE, VARIANTS, type Field, type Schema } from './tables.js'

type Decoded = Record<string, unknown>

/** Nests deeper than this are no object of the kernel's (rules need 7). */
const MAX_DEPTH = 16
const TYPE_MASK = 0x3fff

/** An attribute, and where its payload lies. */
interface Attribute {
  readonly rawType: number
  readonly from: number
  readonly to: number
}

const text = new TextDecoder()
/** Texts up to this length are read letter by letter. */
const SHORT_TEXT = 64

class Decoder {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  /** Attributes so far, at any depth, that have no field: an expression that has some is left as it is. */
  #unread = 0

  constructor(bytes: Uint8Array) {
    // Of a Buffer, a slice would share its memory.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Visits attributes. Returns false where a length is impossible, or where `visit` does. */
  #each(from: number, to: number, visit: (type: number, attribute: Attribute) => boolean): boolean {
    for (let at = from; at < to;) {
      const length = to - at < ATTRIBUTE_HEADER ? 0 : this.#view.getUint16(at, IS_LITTLE)
      if (length < ATTRIBUTE_HEADER || at + length > to) return false
      const rawType = this.#view.getUint16(at + 2, IS_LITTLE)
      if (!visit(rawType & TYPE_MASK, { rawType, from: at + ATTRIBUTE_HEADER, to: at + length })) return false
      at += (length + 3) & ~3
    }
    return true
  }

  record(schema: Schema, from: number, to: number, depth = 0): Decoded | undefined {
    if (depth > MAX_DEPTH) return undefined
    const record: Decoded = schema.isVariant ? { type: schema.name } : {}
    let opaque: { type: number; payload: Uint8Array }[] = []
    const isWell = this.#each(from, to, (type, attribute) => {
      const field = this.#fieldOf(schema, type, from, to)
      if (field?.kind === 'ignored') return true
      const value = field === undefined ? undefined : this.#value(field, attribute, depth)
      for (const { name } of schema.byAttribute.get(type) ?? []) if (name in record) Reflect.deleteProperty(record, name)
      if (opaque.length > 0) opaque = opaque.filter((other) => (other.type & TYPE_MASK) !== type)
      if (field !== undefined && value !== undefined) record[field.name] = value
      else opaque.push({ type: attribute.rawType, payload: this.#copy(attribute) })
      return true
    })
    if (!isWell) return undefined
    if (opaque.length > 0) record['opaque'] = opaque
    this.#unread += opaque.length
    return record
  }

  /** The field that an attribute of a run belongs to. */
  #fieldOf({ byAttribute }: Schema, type: number, from: number, to: number): Field | undefined {
    const fields = byAttribute.get(type)
    if (fields === undefined || (fields.length === 1 && fields[0]!.when === undefined)) return fields?.[0]
    return fields.find(({ when }) => when === undefined || this.#numberAt(when.attribute, from, to) === when.number)
  }

  #numberAt(wanted: number, from: number, to: number): number | undefined {
    let found: number | undefined
    this.#each(from, to, (type, attribute) => {
      const length = attribute.to - attribute.from
      if (type === wanted)
        found = length === 1 ? this.#bytes[attribute.from] : length < 4 ? undefined : this.#view.getUint32(attribute.from)
      return true
    })
    return found
  }

  #copy({ from, to }: Attribute): Uint8Array {
    return this.#bytes.slice(from, to)
  }

  #value(field: Field, attribute: Attribute, depth: number): unknown {
    switch (field.kind) {
      case 'string':
        return this.#text(attribute)
      case 'bytes':
        return this.#copy(attribute)
      case 'present':
        return attribute.from === attribute.to ? true : undefined
      case 'nested':
        return this.record(field.nested!, attribute.from, attribute.to, depth + 1)
      case 'data':
      case 'dataBytes':
        return this.#data(field, attribute, depth)
      case 'variant':
        return this.#variant(attribute, depth)
      case 'list':
      case 'stringList':
      case 'variantList':
        return this.#list(field, attribute, depth)
      case 'ignored':
        return undefined
      case 'unsigned':
      case 'signed':
      case 'enum':
      case 'flags':
      case 'big':
      case 'safe':
        return attribute.to - attribute.from === field.bytes ? this.#number(field, attribute.from) : undefined
    }
  }

  #number(field: Field, at: number): unknown {
    const isLittle = field.isHost && IS_LITTLE
    if (field.kind === 'big') return this.#view.getBigUint64(at, isLittle)
    if (field.kind === 'safe') return Number(this.#view.getBigUint64(at, isLittle))
    if (field.kind === 'signed') return this.#view.getInt32(at, isLittle)
    const number =
      field.bytes === 4 ? this.#view.getUint32(at, isLittle) : field.bytes === 2 ? this.#view.getUint16(at, isLittle) : this.#bytes[at]!
    if (field.kind === 'enum') return field.byNumber.get(number) ?? number
    return field.kind === 'flags' ? flagsOf(field, number) : number
  }

  /** A text, with or without its NUL; undefined where bytes follow that. */
  #text({ from, to }: Attribute): string | undefined {
    const nul = this.#bytes.indexOf(0, from)
    const end = nul < 0 || nul > to ? to : nul
    if (end + 1 < to) return undefined
    if (end - from > SHORT_TEXT) return text.decode(this.#bytes.subarray(from, end))
    let read = ''
    for (let at = from; at < end; at++) {
      const code = this.#bytes[at]!
      if (code > 0x7f) return Buffer.from(this.#bytes.subarray(from, end)).toString()
      read += String.fromCharCode(code)
    }
    return read
  }

  /** The only attribute of a run; of several of one type the last one. */
  #only({ from, to }: Attribute): { readonly type: number; readonly attribute: Attribute } | undefined {
    let last: { readonly type: number; readonly attribute: Attribute } | undefined
    const isWell = this.#each(from, to, (type, attribute) => {
      if (last !== undefined && last.type !== type) return false
      last = { type, attribute }
      return true
    })
    return isWell ? last : undefined
  }

  #data(field: Field, attribute: Attribute, depth: number): unknown {
    const only = this.#only(attribute)
    if (only === undefined) return undefined
    if (only.type === DATA.value) return this.#copy(only.attribute)
    if (field.kind === 'dataBytes' || only.type !== DATA.verdict) return undefined
    return this.record(field.nested!, only.attribute.from, only.attribute.to, depth + 1)
  }

  #variant({ from, to }: Attribute, depth: number): Decoded | undefined {
    let name: string | undefined
    let data: Attribute | undefined
    const isWell = this.#each(from, to, (type, attribute) => {
      if (type === EXPRESSION.data) data = attribute
      else if (type === EXPRESSION.name) name = this.#text(attribute)
      return type === EXPRESSION.data || (type === EXPRESSION.name && name !== undefined)
    })
    if (!isWell || name === undefined || name === '') return undefined
    const schema = VARIANTS.get(name)
    const before = this.#unread
    const record = schema && this.record(schema, data?.from ?? 0, data?.to ?? 0, depth + 1)
    if (record !== undefined && this.#unread === before) return record
    this.#unread = before
    return { type: OPAQUE.name, name, data: data === undefined ? new Uint8Array(0) : this.#copy(data) }
  }

  #list(field: Field, { from, to }: Attribute, depth: number): unknown[] | undefined {
    const list: unknown[] = []
    const isWell = this.#each(from, to, (type, attribute) => {
      const entry = type === field.element ? this.#entry(field, attribute, depth) : undefined
      if (entry !== undefined) list.push(entry)
      return entry !== undefined
    })
    return isWell ? list : undefined
  }

  #entry(field: Field, attribute: Attribute, depth: number): unknown {
    if (field.kind === 'stringList') return this.#text(attribute)
    if (field.kind === 'variantList') return this.#variant(attribute, depth)
    return this.record(field.nested!, attribute.from, attribute.to, depth + 1)
  }
}

function flagsOf({ names }: Field, number: number): (string | number)[] {
  const list: (string | number)[] = []
  let bits = number
  for (const [name, mask] of names) {
    if ((bits & mask) !== mask) continue
    list.push(name)
    bits &= ~mask
  }
  for (; bits !== 0; bits &= bits - 1) list.push((bits & -bits) >>> 0)
  return list
}

/** Reads the attributes of an object. Undefined only where the attributes themselves are malformed. */
export function decodeRecord(schema: Schema, bytes: Uint8Array): Decoded | undefined {
  return new Decoder(bytes).record(schema, 0, bytes.length)
}
