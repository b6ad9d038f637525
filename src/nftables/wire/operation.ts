/**
 * Operations as they cross to C++, one behind the other: a header each (native/nftables/operation.h), and the attributes of the object.
 */
import type { NativeFamily, NativeKind, NativeListed, NativeRecord, NativeVerb } from '../../native/index.js'
import { IS_LITTLE, type AttributeBuffer } from './buffer.js'
import { decodeRecord } from './decode.js'
import { encodeRecord } from './encode.js'
import { FAMILY_NUMBERS, KINDS, schemaOf, VERBS } from './tables.js'

/** What an operation does, to what kind of object. */
export interface OperationHead {
  readonly verb: NativeVerb
  readonly kind: NativeKind | 'elements'
  readonly family: NativeFamily | 'unspec'
}

/** Where the bytes of an operation are. */
export interface OperationBytes {
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
}

/** Its length, the verb, the kind and the family, and a byte of padding. */
const HEADER = 8

const VERB_NUMBERS = new Map(VERBS.map((verb, index) => [verb, index]))
const KIND_NUMBERS = new Map(KINDS.map((kind, index) => [kind, index]))

/**
 * Appends an operation. The value is copied.
 *
 * @param isReported Whether what only the kernel reports is written, too: for what stands for the kernel.
 * @throws {ValidationError} Of a field: its path is that within the value. Nothing is appended then.
 */
export function encodeOperation(
  { verb, kind, family }: OperationHead,
  value: NativeRecord,
  out: AttributeBuffer,
  isReported = false
): OperationBytes {
  out.start()
  out.skip(HEADER)
  try {
    encodeRecord(schemaOf(kind), value, out, isReported)
  } catch (error) {
    out.abandon()
    throw error
  }
  out.setHeader(VERB_NUMBERS.get(verb)!, KIND_NUMBERS.get(kind)!, FAMILY_NUMBERS[family])
  return out.finish()
}

/** The value of an operation, as it was encoded. */
export function decodeOperation(kind: OperationHead['kind'], { bytes, from, to }: OperationBytes): NativeRecord {
  return decodeRecord(schemaOf(kind), bytes.subarray(from + HEADER, to)) ?? {}
}

const FAMILY_NAMES = new Map(Object.entries(FAMILY_NUMBERS).map(([name, number]) => [number, name as OperationHead['family']]))

/** The operations of a run, for what stands for the kernel. */
export function* readOperations(run: Uint8Array): Generator<OperationHead & { readonly value: NativeRecord }> {
  const view = new DataView(run.buffer, run.byteOffset, run.byteLength)
  for (let from = 0; from < run.length;) {
    const to = from + view.getUint32(from, IS_LITTLE)
    const kind = KINDS[run[from + 5]!]!
    const value = decodeOperation(kind, { bytes: run, from, to })
    yield { verb: VERBS[run[from + 4]!]!, kind, family: FAMILY_NAMES.get(run[from + 6]!)!, value }
    from = (to + 3) & ~3
  }
}

/** The objects of a run, as the kernel lists them. */
export function readListed(run: Uint8Array): NativeListed[] {
  return Array.from(readOperations(run), ({ family, value }) => ({ family: family as NativeFamily, value }))
}
