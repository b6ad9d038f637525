import protobuf from 'protobufjs/minimal.js'
import type { KubernetesObject } from '../../../kubernetes/types.js'
import { LostError } from '../errors.js'
import { Pending } from './pending.js'
import { attempt, openEnvelope, type Enveloped } from './protobuf-envelope.js'
import { DELIMITED } from './protobuf-fields.js'
import { OBJECT_READERS, readEvent, readListMetadata, readStatus, type EventMessage } from './protobuf-messages.js'
import type { EventReader, ListReader, WatchEvent } from './types.js'

const [METADATA, ITEM] = [1, 2]
/** etcd holds objects of at most 1.5 MiB. */
const MAX_OBJECT_BYTES = 32 * 1024 * 1024

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

/** The length of an event stands before it, in the order of networks. */
const LENGTH_BYTES = 4

function eventOf(bytes: Buffer, kind: KubernetesObject['kind']): WatchEvent {
  const { type = '', object } = readEvent(protobuf.Reader.create(bytes), bytes.length) as EventMessage
  if (object?.raw === undefined) throw new LostError('an event of protobuf has no object')
  return { type, object: objectOf(object.raw, kind) }
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
