/**
 * Operations that are repeated for rows.
 */
import type { NativeKind, NativeRecord, NativeVerb } from '../../native/index.js'
import type { Family } from '../families.js'
import type { QueuedOperation } from '../transaction-types.js'
import type { AttributeBuffer } from '../wire/buffer.js'
import { decodeOperation, type OperationBytes } from '../wire/operation.js'
import { rowAt, type AnyRow, type OwnColumn } from './columns.js'
import { Repetition } from './repetition.js'
import type { Piece } from './template.js'

/** What a row makes: one operation. */
interface OperationPiece extends Piece {
  readonly verb: NativeVerb
  readonly kind: NativeKind
  readonly family: Family | 'unspec'
}

/** Sets, and chains that belong to rules, have a number of their own in each row. */
function hasNumber({ kind, value }: QueuedOperation): boolean {
  return kind === 'set' || kind === 'elements' || value['id'] !== undefined || value['chainId'] !== undefined
}

function pieceOf({ verb, kind, family, wire }: QueuedOperation): OperationPiece {
  const { bytes, from, to } = wire
  return { verb, kind: kind as NativeKind, family, same: `${verb} ${kind} ${family}`, bytes: bytes.subarray(from, to) }
}

/** An operation of a row. */
class RepeatedOperation implements QueuedOperation, OperationBytes {
  readonly verb: NativeVerb
  readonly kind: NativeKind
  readonly family: Family | 'unspec'
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
  readonly #row: number
  readonly #index: number
  readonly #again: (row: number) => readonly QueuedOperation[]

  constructor(
    piece: OperationPiece,
    { bytes, from, to }: OperationBytes,
    row: number,
    index: number,
    again: (row: number) => readonly QueuedOperation[]
  ) {
    this.verb = piece.verb
    this.kind = piece.kind
    this.family = piece.family
    this.bytes = bytes
    this.from = from
    this.to = to
    this.#row = row
    this.#index = index
    this.#again = again
  }

  /** Itself: transactions hold thousands of operations. */
  get wire(): OperationBytes {
    return this
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

function recorded(queue: RowQueue, row: AnyRow): readonly OperationPiece[] | undefined {
  if (queue.dependsOnOthers) return undefined
  try {
    const made = queue.record(row)
    return made === undefined || made.some(hasNumber) ? undefined : made.map(pieceOf)
  } catch {
    // What is thrown for a made-up row says nothing of those of the caller, for which the function is called then.
    return undefined
  }
}

/** Queues rows. */
export function queueRows(queue: RowQueue, rows: number, columns: readonly OwnColumn[]): void {
  const again = (row: number): readonly QueuedOperation[] => queue.record(rowAt(columns, row))!
  new Repetition<OperationPiece>(columns, {
    run: (row) => queue.run(row),
    make: (row) => recorded(queue, row),
    take: ({ pieces }, begin, row) => {
      const { bytes } = queue.out
      let from = begin
      for (let index = 0; index < pieces.length; index++) {
        const piece = pieces[index]!
        const to = from + piece.bytes.length
        queue.operations.push(new RepeatedOperation(piece, { bytes, from, to }, row, index, again))
        from = to
      }
    }
  }).run(rows, queue.out)
}
