/**
 * Structures of xtables, described by a table of their fields, from which they are read and made. Numbers are in the byte order of this machine, save those that
 * the structure has in network order.
 */
import { endianness } from 'node:os'
import { zeros } from '../../core/pool.js'

/** Whether this machine has the lowest byte first. */
const isLittleEndian = endianness() === 'LE'

/** XT_ALIGN of include/uapi/linux/netfilter/x_tables.h: the kernel pads structures to a multiple of this. */
const ALIGNMENT = 8

/** One field of a structure. */
export interface Field<Value> {
  /** Its first byte, from the begin of the structure on. */
  readonly offset: number
  /** Its bytes. */
  readonly length: number
  /** Reads it. */
  read(view: DataView): Value
  /** Writes it; the value must fit. */
  write(view: DataView, value: Value): void
}

/** The fields of a structure by their names; they may share bytes (unions). */
export type Fields = Readonly<Record<string, Field<unknown>>>

/** What a structure holds, by the names of its fields. */
export type FieldValues<Described extends Fields> = {
  readonly [Name in keyof Described]: Described[Name] extends Field<infer Value> ? Value : never
}

/** A structure in both directions. */
export interface Struct<Values extends object> {
  /** Its bytes, without the padding to a multiple of 8. */
  readonly size: number
  /** Reads all fields. Undefined where the bytes are fewer or more than the structure has, with or without its padding. */
  read(info: Uint8Array): Values | undefined
  /** Makes `size` bytes: fields that are absent or undefined, and bytes that no field has, are zero. */
  write(values: { readonly [Name in keyof Values]?: Values[Name] | undefined }): Uint8Array
}

/** Describes a structure of `size` bytes by its fields. */
export function struct<Described extends Fields>(size: number, fields: Described): Struct<FieldValues<Described>> {
  const entries = Object.entries(fields)
  return {
    size,
    read: (info) => {
      if (info.length !== size && info.length !== padded(size)) return undefined
      const view = new DataView(info.buffer, info.byteOffset, info.length)
      return Object.fromEntries(entries.map(([name, field]) => [name, field.read(view)])) as FieldValues<Described>
    },
    write: (values) => {
      const info = zeros(size)
      const view = new DataView(info.buffer, info.byteOffset, size)
      for (const [name, field] of entries) {
        const value = values[name]
        if (value !== undefined) field.write(view, value)
      }
      return info
    }
  }
}

/** The bytes of a structure with its padding (XT_ALIGN). */
export function padded(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT
}

/** `__u8`. */
export function u8(offset: number): Field<number> {
  return { offset, length: 1, read: (view) => view.getUint8(offset), write: (view, value) => view.setUint8(offset, value) }
}

/** `__u16` in the byte order of this machine. */
export function u16(offset: number): Field<number> {
  return sixteen(offset, isLittleEndian)
}

/** `__u32` in the byte order of this machine. */
export function u32(offset: number): Field<number> {
  return thirtyTwo(offset, isLittleEndian)
}

/** `int` in the byte order of this machine. */
export function i32(offset: number): Field<number> {
  return {
    offset,
    length: 4,
    read: (view) => view.getInt32(offset, isLittleEndian),
    write: (view, value) => view.setInt32(offset, value, isLittleEndian)
  }
}

/** `__u64` in the byte order of this machine. */
export function u64(offset: number): Field<bigint> {
  return {
    offset,
    length: 8,
    read: (view) => view.getBigUint64(offset, isLittleEndian),
    write: (view, value) => view.setBigUint64(offset, value, isLittleEndian)
  }
}

/** `__be16`: network order, as ports are. */
export function be16(offset: number): Field<number> {
  return sixteen(offset, false)
}

/** `__be32`: network order. */
export function be32(offset: number): Field<number> {
  return thirtyTwo(offset, false)
}

/** Bytes as they are, such as those of an address. Reading copies; fewer bytes than the field has are followed by zeros. */
export function bytes(offset: number, length: number): Field<Uint8Array> {
  return {
    offset,
    length,
    read: (view) => within(view, offset, length).slice(),
    write: (view, value) => within(view, offset, length).set(value)
  }
}

/** A text in UTF-8 that ends with NUL: at most `length` - 1 bytes. What follows the NUL is not read. */
export function text(offset: number, length: number): Field<string> {
  return {
    offset,
    length,
    read: (view) => {
      const all = within(view, offset, length)
      const end = all.indexOf(0)
      return Buffer.from(all.subarray(0, end < 0 ? length : end)).toString()
    },
    write: (view, value) => {
      if (!writeAscii(view, offset, length - 1, value)) within(view, offset, length - 1).set(Buffer.from(value))
    }
  }
}

/** Writes a text letter by letter, which is sooner done than asked for. Returns false where it is not of ASCII: what was written is written over. */
function writeAscii(view: DataView, offset: number, most: number, value: string): boolean {
  if (value.length > most) return false
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index)
    if (code > 0x7f) return false
    view.setUint8(offset + index, code)
  }
  return true
}

/** `count` fields of one kind, one after the other. A list with fewer is followed by zeros. */
export function list<Value>(offset: number, count: number, kind: (offset: number) => Field<Value>): Field<readonly Value[]> {
  const { length } = kind(offset)
  const fields = Array.from({ length: count }, (_, index) => kind(offset + index * length))
  return {
    offset,
    length: length * count,
    read: (view) => fields.map((field) => field.read(view)),
    write: (view, values) => {
      for (const [index, value] of values.entries()) fields[index]!.write(view, value)
    }
  }
}

function sixteen(offset: number, isLittle: boolean): Field<number> {
  return {
    offset,
    length: 2,
    read: (view) => view.getUint16(offset, isLittle),
    write: (view, value) => view.setUint16(offset, value, isLittle)
  }
}

function thirtyTwo(offset: number, isLittle: boolean): Field<number> {
  return {
    offset,
    length: 4,
    read: (view) => view.getUint32(offset, isLittle),
    write: (view, value) => view.setUint32(offset, value, isLittle)
  }
}

function within(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length)
}
