import protobuf from 'protobufjs/minimal.js'
import type { KubernetesObject } from '../../../kubernetes/types.js'
import { LostError } from '../errors.js'
import { attempt, DELIMITED, openEnvelope, type Enveloped } from './protobuf-envelope.js'
import { OBJECT_READERS, readListMetadata, readStatus } from './protobuf-messages.js'
import type { EventReader, ListReader, WatchEvent } from './types.js'

const [METADATA, ITEM] = [1, 2]
/** etcd holds objects of at most 1.5 MiB. */
const MAX_OBJECT_BYTES = 32 * 1024 * 1024

/** Bytes that came and were not used yet. Pieces are put together only where there is something to read: a large object may come in many of them. */
class Pending {
  #pieces: Buffer[] = []
  #length = 0
  #wanted = 0

  /** @returns Whether as many bytes are there as are wanted. */
  add(piece: Buffer): boolean {
    this.#pieces.push(piece)
    this.#length += piece.length
    return this.#length >= this.#wanted
  }

  get bytes(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces, this.#length)]
    return this.#pieces[0]!
  }

  use(count: number): void {
    const rest = this.bytes.subarray(count)
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.#length = rest.length
  }

  /** With fewer bytes than these, and with those that are there now, nothing can be done. */
  want(length: number): void {
    this.#wanted = Math.max(length, this.#length + 1)
  }
}

/** A message that cannot be read says so as one of the API. */
function understood<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof LostError ? error : new LostError(`${what} is none of protobuf: ${(error as Error).message}`)
  }
}

/** A field of a list. It may end behind what has come. */
interface ListField {
  readonly number: number
  readonly from: number
  readonly end: number
}

/** Reads a list of one kind in protobuf while it comes, item by item. */
export class ProtobufList implements ListReader {
  readonly #kind: KubernetesObject['kind']
  readonly #pending = new Pending()
  #list: Enveloped | undefined
  /** Bytes of the list that are still to come. */
  #left = 0
  #metadata: Readonly<Record<string, unknown>> = {}

  constructor(kind: KubernetesObject['kind']) {
    this.#kind = kind
  }

  add(piece: Buffer): readonly unknown[] {
    if (this.#isWhole || !this.#pending.add(piece)) return []
    return understood('a list', () => (this.#open() ? this.#items() : []))
  }

  end(): unknown {
    if (!this.#isWhole) throw new LostError('a list of protobuf ends too early')
    const { kind, apiVersion } = this.#list!
    return { kind, apiVersion, metadata: this.#metadata, items: [] }
  }

  get #isWhole(): boolean {
    return this.#list !== undefined && this.#left === 0
  }

  /** @returns Whether the list has begun. */
  #open(): boolean {
    if (this.#list !== undefined) return true
    this.#list = openEnvelope(this.#pending.bytes)
    if (this.#list === undefined) {
      this.#pending.want(0)
      return false
    }
    this.#left = this.#list.length
    this.#pending.use(this.#list.from)
    return true
  }

  #items(): unknown[] {
    const items: unknown[] = []
    const { bytes } = this.#pending
    const reader = protobuf.Reader.create(bytes.subarray(0, this.#left))
    let used = 0
    let field = nextField(reader)
    for (; field !== undefined && field.end <= reader.len; field = nextField(reader)) {
      reader.pos = field.from
      if (field.number === ITEM) items.push(OBJECT_READERS[this.#kind](reader, field.end))
      else if (field.number === METADATA) this.#metadata = readListMetadata(reader, field.end)
      reader.pos = used = field.end
    }
    const wanted = (field?.end ?? used) - used
    if (wanted > MAX_OBJECT_BYTES) throw new LostError(`an object has more than ${MAX_OBJECT_BYTES} bytes`)
    this.#pending.use(used)
    this.#pending.want(wanted)
    this.#left -= used
    return items
  }
}

/** The next field of a list; undefined: its beginning has not come. @throws LostError Lists have no such fields. */
function nextField(reader: protobuf.Reader): ListField | undefined {
  return attempt(() => {
    const tag = reader.uint32()
    if ((tag & 7) !== DELIMITED) throw new LostError(`a list of protobuf has a field of wire type ${tag & 7}`)
    const length = reader.uint32()
    return { number: tag >>> 3, from: reader.pos, end: reader.pos + length }
  })
}

/** The object of an envelope that has come as a whole. @param wanted Its kind, unless it is a Status; absent: it must be one. @throws LostError */
function objectOf(bytes: Buffer, wanted?: KubernetesObject['kind']): unknown {
  const envelope = openEnvelope(bytes)
  if (envelope === undefined || envelope.from + envelope.length > bytes.length) throw new LostError('an object of protobuf ends too early')
  const { kind, from, length } = envelope
  const reader = protobuf.Reader.create(bytes.subarray(from, from + length))
  if (kind === 'Status') return { kind, ...readStatus(reader, length) }
  if (wanted === undefined || kind !== wanted) throw new LostError(`an object of kind ${JSON.stringify(kind)} in protobuf`)
  return OBJECT_READERS[wanted](reader, length)
}

/** The Status object that an answer is; undefined: it is none. */
export function statusOf(bytes: Buffer): unknown {
  try {
    return objectOf(bytes)
  } catch {
    return undefined
  }
}

/** Fields of `WatchEvent`, and of the `RawExtension` in it. */
const [EVENT_TYPE, EVENT_OBJECT, EXTENSION_RAW] = [1, 2, 1]
/** The length of an event stands before it, in the order of networks. */
const LENGTH_BYTES = 4

function eventOf(bytes: Buffer, kind: KubernetesObject['kind']): WatchEvent {
  const reader = protobuf.Reader.create(bytes)
  let [type, object] = ['', undefined as unknown]
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag === ((EVENT_TYPE << 3) | DELIMITED)) type = reader.string()
    else if (tag === ((EVENT_OBJECT << 3) | DELIMITED)) object = objectOf(rawOf(Buffer.from(reader.bytes())), kind)
    else reader.skipType(tag & 7)
  }
  return { type, object }
}

function rawOf(extension: Buffer): Buffer {
  const reader = protobuf.Reader.create(extension)
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag === ((EXTENSION_RAW << 3) | DELIMITED)) return Buffer.from(reader.bytes())
    reader.skipType(tag & 7)
  }
  throw new LostError('an event of protobuf has no object')
}

/** Reads events of a watch of one kind in protobuf. */
export class ProtobufEvents implements EventReader {
  readonly #kind: KubernetesObject['kind']
  readonly #pending = new Pending()

  constructor(kind: KubernetesObject['kind']) {
    this.#kind = kind
  }

  add(piece: Buffer): Iterable<WatchEvent> {
    return this.#pending.add(piece) ? this.#whole() : []
  }

  *#whole(): Iterable<WatchEvent> {
    for (;;) {
      const { bytes } = this.#pending
      const end = bytes.length < LENGTH_BYTES ? LENGTH_BYTES : LENGTH_BYTES + bytes.readUInt32BE()
      if (end > MAX_OBJECT_BYTES) throw new LostError(`an event of a watch has more than ${MAX_OBJECT_BYTES} bytes`)
      this.#pending.want(end)
      if (bytes.length < end) return
      const event = understood('an event', () => eventOf(bytes.subarray(LENGTH_BYTES, end), this.#kind))
      this.#pending.use(end)
      yield event
    }
  }
}
