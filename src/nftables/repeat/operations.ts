/**
 * Operations that are repeated for rows.
 */
import type { NativeKind, NativeRecord } from '../../native/index.js'
import { EncodedOperation, type EncodedHead } from '../queued-object.js'
import type { QueuedOperation } from '../transaction-types.js'
import type { AttributeBuffer } from '../wire/buffer.js'
import { decodeOperation, type OperationBytes } from '../wire/operation.js'
import { rowAt, type AnyRow, type OwnColumn } from './columns.js'
import { Repetition } from './repetition.js'
import type { Piece } from './template.js'

/** What a row makes: one operation. */
interface OperationPiece extends Piece, EncodedHead {}

/** Sets, and chains that belong to rules, have a number of their own in each row. */
function hasNumber({ kind, value }: QueuedOperation): boolean {
  return kind === 'set' || kind === 'elements' || value['id'] !== undefined || value['chainId'] !== undefined
}

function pieceOf({ verb, kind, family, wire }: QueuedOperation): OperationPiece {
  const { bytes, from, to } = wire
  return { verb, kind: kind as NativeKind, family, same: `${verb} ${kind} ${family}`, bytes: bytes.subarray(from, to) }
}

/** An operation of a row. */
class RepeatedOperation extends EncodedOperation {
  readonly #row: number
  readonly #index: number
  readonly #again: (row: number) => readonly QueuedOperation[]

  /** @param again Queues a row once more. */
  constructor(head: OperationPiece, bytes: OperationBytes, row: number, index: number, again: (row: number) => readonly QueuedOperation[]) {
    super(head, bytes)
    this.#row = row
    this.#index = index
    this.#again = again
  }

  get value(): NativeRecord {
    return decodeOperation(this.kind, this)
  }

  subject(): string {
    return this.#again(this.#row)[this.#index]!.subject()
  }

  object(): unknown {
    return this.#again(this.#row)[this.#index]!.object()
  }
}

/** The transaction that rows are queued in. */
export interface RowQueue {
  readonly operations: QueuedOperation[]
  readonly out: AttributeBuffer
  /** Lets the caller's function queue what a row is. */
  run(row: AnyRow): void
  /** The operations that it queues for a row by itself, in a transaction of its own; undefined where one is malformed. */
  record(row: AnyRow): readonly QueuedOperation[] | undefined
  /** Whether what is queued may mean something else in a transaction of its own. */
  readonly dependsOnOthers: boolean
}

/** Queues rows. */
export function queueRows(queue: RowQueue, rows: number, columns: readonly OwnColumn[]): void {
  const again = (row: number): readonly QueuedOperation[] => queue.record(rowAt(columns, row))!
  new Repetition<OperationPiece>(columns, {
    run: (row) => queue.run(row),
    make: (row) => {
      const made = queue.dependsOnOthers ? undefined : queue.record(row)
      return made === undefined || made.some(hasNumber) ? undefined : made.map(pieceOf)
    },
    take: (piece, bytes, row, index) => queue.operations.push(new RepeatedOperation(piece, bytes, row, index, again))
  }).run(rows, queue.out)
}
