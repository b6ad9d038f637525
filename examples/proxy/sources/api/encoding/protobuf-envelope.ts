import protobuf from 'protobufjs/minimal.js'
import { LostError } from '../errors.js'
import { DELIMITED } from './protobuf-fields.js'
import { readType } from './protobuf-messages.js'

/** Stands before each object and each list (`runtime.Unknown`). */
const MAGIC = Buffer.from('k8s\0')
/** Fields of `runtime.Unknown`. */
const [TYPE, RAW] = [1, 2]
/** A kind and a version have some dozen bytes. */
const MAX_TYPE_BYTES = 4096

/** What is in an envelope. */
export interface Enveloped {
  readonly kind: unknown
  readonly apiVersion: unknown
  /** Where the content begins in the bytes that were read, and how long it is: it may go on behind them. */
  readonly from: number
  readonly length: number
}

/** Does with bytes what may end too early. @returns Undefined: it does. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function readEnvelope(bytes: Buffer): Enveloped {
  const reader = protobuf.Reader.create(bytes)
  reader.skip(MAGIC.length)
  let type: Readonly<Record<string, unknown>> = {}
  for (;;) {
    const tag = reader.uint32()
    if (tag === ((RAW << 3) | DELIMITED)) {
      const length = reader.uint32()
      return { kind: type['kind'], apiVersion: type['apiVersion'], from: reader.pos, length }
    }
    if (tag === ((TYPE << 3) | DELIMITED)) {
      const length = reader.uint32()
      type = readType(reader, reader.pos + length)
    } else reader.skipType(tag & 7)
  }
}

/** The beginning of an envelope; undefined: more bytes are needed. @throws LostError It is none. */
export function openEnvelope(bytes: Buffer): Enveloped | undefined {
  if (!MAGIC.subarray(0, bytes.length).equals(bytes.subarray(0, MAGIC.length)))
    throw new LostError('an answer of protobuf does not begin as one')
  const envelope = attempt(() => readEnvelope(bytes))
  if (envelope === undefined && bytes.length > MAX_TYPE_BYTES) throw new LostError('an envelope of protobuf has no content')
  return envelope
}
