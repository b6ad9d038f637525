/**
 * An operation on a single object, as it is queued: its bytes, and how errors name it.
 */
import type { NativeKind, NativeRecord, NativeVerb } from '../native/index.js'
import type { Family } from './families.js'
import type { QueuedOperation } from './transaction-types.js'
import type { AttributeBuffer } from './wire/buffer.js'
import { decodeOperation, encodeOperation, type OperationBytes, type OperationHead } from './wire/operation.js'

/** One operation. */
export class QueuedObject implements QueuedOperation, OperationBytes {
  readonly verb: NativeVerb
  readonly kind: NativeKind
  readonly family: Family | 'unspec'
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
  readonly #subject: (object: unknown) => string
  readonly #object: unknown
  #value: NativeRecord | undefined

  /**
   * @param value Is copied.
   * @param subject Names the object, by what does not change any more: it is asked for when an error names the operation.
   * @param out Where the bytes go.
   * @throws {ValidationError} A field of the value is malformed.
   */
  constructor(
    head: OperationHead & { readonly kind: NativeKind },
    value: NativeRecord,
    subject: (object: unknown) => string,
    object: unknown,
    out: AttributeBuffer
  ) {
    this.verb = head.verb
    this.kind = head.kind
    this.family = head.family
    const { bytes, from, to } = encodeOperation(head, value, out)
    this.bytes = bytes
    this.from = from
    this.to = to
    this.#subject = subject
    this.#object = object
  }

  /** Itself: transactions hold thousands of operations. */
  get wire(): OperationBytes {
    return this
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
