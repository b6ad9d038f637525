import type protobuf from 'protobufjs/minimal.js'
import type { Parts } from '../../../kubernetes/prune.js'

type Reader = InstanceType<typeof protobuf.Reader>

/** The type of a field. Of what is not kept, JSON leaves an empty value out (`omitempty`), which Go writes here all the same. */
export type FieldType =
  | 'text'
  | 'kept text'
  /** One that comes again and again. */
  | 'word'
  | 'kept word'
  | 'number'
  | 'kept number'
  | 'long'
  | 'kept flag'
  | 'time'
  | 'bytes'
  | 'texts'
  | 'map of texts'
  | { readonly message: Fields }
  | { readonly messages: Fields }

/** The fields of a message by their names in JSON, with their numbers. Those that are missing here are passed over. */
export type Fields = Readonly<Record<string, readonly [number: number, type: FieldType]>>

/** Reads a message into an object like that of JSON. @throws RangeError It ends too early, or a field has another type. */
export type ReadMessage = (reader: Reader, end: number) => Record<string, unknown>

/** Reads a field, and puts it into the object. */
type Take = (reader: Reader, into: Record<string, unknown>) => void

const VARINT = 0
/** The wire type of a field that begins with its length. */
export const DELIMITED = 2
const MAX_WORDS = 10_000
const words = new Map<string, string>()

/** The same text as before, where it came before: names of nodes and zones are a handful of texts in many thousand endpoints. */
function wordOf(text: string): string {
  const known = words.get(text)
  if (known !== undefined) return known
  if (words.size >= MAX_WORDS) words.clear()
  words.set(text, text)
  return text
}

/** Where a field of this length ends. @throws RangeError Behind the end of the message. */
function endOf(reader: Reader): number {
  const length = reader.uint32()
  if (reader.pos + length > reader.len) throw new RangeError('a field ends behind its message')
  return reader.pos + length
}

type Value = (reader: Reader) => unknown

/** How the value of a field is read, of which wire type it is, and what stands for one that JSON leaves out. */
interface Scalar {
  readonly wireType: number
  readonly read: Value
  readonly absent?: unknown
}

const text: Value = (reader) => reader.string()
const word: Value = (reader) => wordOf(reader.string())
const number: Value = (reader) => reader.int32()

const long: Value = (reader) => {
  const value = reader.int64()
  return typeof value === 'number' ? value : (value.low >>> 0) + value.high * 2 ** 32
}

const SCALARS: Readonly<Record<Exclude<FieldType, object | 'texts' | 'map of texts'>, Scalar>> = {
  text: { wireType: DELIMITED, read: text, absent: '' },
  'kept text': { wireType: DELIMITED, read: text },
  word: { wireType: DELIMITED, read: word, absent: '' },
  'kept word': { wireType: DELIMITED, read: word },
  number: { wireType: VARINT, read: number, absent: 0 },
  'kept number': { wireType: VARINT, read: number },
  long: { wireType: VARINT, read: long, absent: 0 },
  'kept flag': { wireType: VARINT, read: (reader) => reader.bool() },
  time: { wireType: DELIMITED, read: (reader) => timeOf(readTime(reader, endOf(reader))) },
  bytes: { wireType: DELIMITED, read: (reader) => reader.bytes() }
}

const readTime = messageReader({ seconds: [1, 'long'] }, true)

/** As JSON writes it. */
function timeOf({ seconds = 0 }: { readonly seconds?: unknown }): string {
  return new Date((seconds as number) * 1000).toISOString().replace('.000Z', 'Z')
}

/** A list in the object. */
function listIn(into: Record<string, unknown>, name: string): unknown[] {
  return (into[name] ??= []) as unknown[]
}

const readEntry = messageReader({ key: [1, 'word'], value: [2, 'text'] }, true)

/** Of maps, only the names that are wanted are kept. */
function takeEntry(name: string, parts: Parts): Take {
  const isWanted = (key: string): boolean => parts === true || Object.hasOwn(parts, key)
  return (reader, into) => {
    const map = (into[name] ??= {}) as Record<string, unknown>
    const { key = '', value = '' } = readEntry(reader, endOf(reader)) as { readonly key?: string; readonly value?: string }
    if (isWanted(key)) map[key] = value
  }
}

function takerOf(name: string, type: FieldType, parts: Parts): { readonly wireType: number; readonly take: Take } {
  if (typeof type === 'object') {
    const isList = 'messages' in type
    const inner = isList && Array.isArray(parts) ? (parts as readonly [Parts])[0] : parts
    const read = messageReader(isList ? type.messages : type.message, inner)
    const take: Take = isList
      ? (reader, into) => void listIn(into, name).push(read(reader, endOf(reader)))
      : (reader, into) => void (into[name] = read(reader, endOf(reader)))
    return { wireType: DELIMITED, take }
  }
  if (type === 'texts') return { wireType: DELIMITED, take: (reader, into) => void listIn(into, name).push(reader.string()) }
  if (type === 'map of texts') return { wireType: DELIMITED, take: takeEntry(name, parts) }
  const { wireType, read, absent } = SCALARS[type]
  const take: Take = (reader, into) => {
    const value = read(reader)
    if (value !== absent) into[name] = value
  }
  return { wireType, take }
}

/** A reader of messages that keeps these parts of them. Everything else is passed over by its length, however much it is. */
export function messageReader(fields: Fields, parts: Parts): ReadMessage {
  const wanted = Object.entries(fields).filter(([name]) => parts === true || Object.hasOwn(parts, name))
  const takers: ({ readonly wireType: number; readonly take: Take } | undefined)[] = []
  for (const [name, [number, type]] of wanted) {
    const inner = parts === true ? true : (parts as Readonly<Record<string, Parts>>)[name]!
    takers[number] = takerOf(name, type, inner)
  }
  return (reader, end) => {
    const message: Record<string, unknown> = {}
    while (reader.pos < end) {
      const tag = reader.uint32()
      const taker = takers[tag >>> 3]
      if (taker === undefined) reader.skipType(tag & 7)
      else if (taker.wireType === (tag & 7)) taker.take(reader, message)
      else throw new RangeError(`field ${tag >>> 3} has wire type ${tag & 7}, and not ${taker.wireType}`)
    }
    if (reader.pos !== end) throw new RangeError('a field ends behind its message')
    return message
  }
}
