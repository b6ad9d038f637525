/**
 * An operation on a single object, as it is queued: its bytes, and how errors name it.
 */
import type { NativeKind, NativeRecord, NativeVerb } from '../native/index.js'
import type { Family } from './families.js'
import type { QueuedOperation } from './transaction-types.js'
import type { AttributeBuffer } from './wire/buffer.js'
import { decodeOperation, encodeOperation, type OperationBytes } from './wire/operation.js'

/** What an operation does, to what kind of object. */
export interface EncodedHead {
  readonly verb: NativeVerb
  readonly kind: NativeKind
  readonly family: Family | 'unspec'
}

/** An operation whose bytes are in a buffer. */
export abstract class EncodedOperation implements QueuedOperation, OperationBytes {
  readonly verb: NativeVerb
  readonly kind: NativeKind
  readonly family: Family | 'unspec'
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number

  constructor({ verb, kind, family }: EncodedHead, { bytes, from, to }: OperationBytes) {
    this.verb = verb
    this.kind = kind
    this.family = family
    this.bytes = bytes
    this.from = from
    this.to = to
  }

  /** Itself: transactions hold thousands of operations. */
  get wire(): OperationBytes {
    return this
  }

  abstract get value(): NativeRecord
  abstract subject(): string
  abstract object(): unknown
}

/** An operation of its own. */
export class QueuedObject extends EncodedOperation {
  readonly #subject: (object: unknown) => string
  readonly #object: unknown
  #value: NativeRecord | undefined

  /**
   * @param value Is copied.
   * @param subject Names the object, by what does not change any more: it is asked for when an error names the operation.
   * @param out Where the bytes go.
   * @throws {ValidationError} A field of the value is malformed.
   */
  constructor(head: EncodedHead, value: NativeRecord, subject: (object: unknown) => string, object: unknown, out: AttributeBuffer) {
    super(head, encodeOperation(head, value, out))
    this.#subject = subject
    this.#object = object
  }

  /** Decoded when it is asked for first: few need it. */
  get value(): NativeRecord {
    return (this.#value ??= decodeOperation(this.kind, this.wire))
  }

  subject(): string {
    return this.#subject(this.#object)
  }

  object(): unknown {
    return this.#object
  }
}
