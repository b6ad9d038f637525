/**
 * How a transaction is sent while the thread waits.
 */
import { ENOENT, ERESTART } from '../core/errno.js'
import { ValidationError } from '../core/errors.js'
import { failureError } from '../core/failures.js'
import type { NativeCommitResult } from '../native/index.js'
import type { ElementColumns } from './columns.js'
import { placeOf } from './describe.js'
import { IntervalChecks, type ReadSet } from './intervals/checks.js'
import { kindOf } from './intervals/operations.js'
import { isUnstated, type UnstatedOperation } from './intervals/unstated.js'
import { commitRequest, echoedBy, handOver, locateOperation, MAX_READS, readSet } from './sending.js'
import type { QueuedOperation, SyncCommitOptions, TransactionHost } from './transaction-types.js'

const OPERATION = 'nftables.commitSync'

/** The elements of all operations, by the operation's index. @throws {ValidationError} An element is malformed, or a range. */
function encodeElements(operations: readonly QueuedOperation[]): Map<number, ElementColumns> {
  const encoded = new Map<number, ElementColumns>()
  for (const [index, queued] of operations.entries()) {
    const columns = columnsOf(queued, index)
    if (columns === undefined) continue
    const { elements } = queued
    if (elements !== undefined && !elements.isChecked && kindOf(elements, columns) !== undefined)
      throw new ValidationError(placeOf(queued, index), queued.object(), 'elements of a set without ranges: `commit` checks ranges')
    encoded.set(index, columns)
  }
  return encoded
}

function columnsOf(queued: QueuedOperation, index: number): ElementColumns | undefined {
  try {
    return queued.columnsHere?.()
  } catch (error) {
    throw locateOperation(placeOf(queued, index), queued.object(), error)
  }
}

/** One sending of a transaction on the thread that calls. */
class SendingHere {
  readonly #host: TransactionHost
  readonly #operations: readonly QueuedOperation[]
  readonly #options: SyncCommitOptions
  readonly #deadlineAt: number

  constructor(host: TransactionHost, operations: readonly QueuedOperation[], options: SyncCommitOptions, deadlineMs: number) {
    this.#host = host
    this.#operations = operations
    this.#options = options
    this.#deadlineAt = performance.now() + deadlineMs
  }

  send(): NativeCommitResult {
    const encoded = encodeElements(this.#operations)
    const checks = this.#checksOf(encoded)
    const isLast = (tries: number): boolean => checks.reads.size === 0 || tries === MAX_READS || this.#options.generation !== undefined
    for (let tries = 1; ; tries++) {
      const generation = this.#check(checks)
      // Declarations that were the same all the time are no reason to give up.
      const isFree = tries === MAX_READS && this.#options.generation === undefined
      const result = this.#commit(encoded, isFree ? undefined : generation)
      if (result.failure?.errno !== ERESTART || isLast(tries)) return result
    }
  }

  /** What has to be known of sets before elements are written to them. */
  #checksOf(encoded: ReadonlyMap<number, ElementColumns>): IntervalChecks {
    const unstated: UnstatedOperation[] = []
    for (const [index, columns] of encoded) {
      const queued = this.#operations[index]!
      if (isUnstated(queued, columns)) unstated.push({ index, queued })
    }
    return new IntervalChecks(this.#operations, [], unstated)
  }

  /** Reads the declarations of sets, and refuses those that hold ranges. @returns The generation for which that was found; undefined: whichever. */
  #check(checks: IntervalChecks): number | undefined {
    let { generation } = this.#options
    const sets = new Map<string, ReadSet | undefined>()
    for (const [key, { set }] of checks.reads) {
      const { family, table, name } = set
      const outcome = this.#host.listHere({ family, table, name, sets: true, elements: false, deadlineMs: this.#leftMs() })
      if (outcome.failure === undefined) {
        generation ??= outcome.value.generation
        sets.set(key, readSet(outcome.value))
      } else if (outcome.failure.errno !== ENOENT)
        throw failureError(outcome.failure, { operation: OPERATION, subject: `set ${family} ${table} ${name}` })
    }
    checks.checkUnstated(sets)
    return generation
  }

  #commit(encoded: ReadonlyMap<number, ElementColumns>, generation: number | undefined): NativeCommitResult {
    const batch = this.#host.beginBatch()
    const handing = handOver(batch, this.#operations, (index) => encoded.get(index), echoedBy(this.#options))
    while (handing.next().done !== true);
    return batch.commitHere(commitRequest(this.#options, this.#leftMs(), generation))
  }

  #leftMs(): number {
    return Math.max(1, this.#deadlineAt - performance.now())
  }
}

/**
 * Sends a transaction, and waits for the kernel. A refusal of the kernel is in the result, not thrown.
 *
 * @throws {ValidationError} An operation is malformed, or about ranges.
 * @throws {NetplaneError} `ERR_NETPLANE_BUSY`: other calls of the client are under way.
 */
export function sendHere(host: TransactionHost, operations: readonly QueuedOperation[], options: SyncCommitOptions): NativeCommitResult {
  return host.runHere(OPERATION, options, (deadlineMs) => new SendingHere(host, operations, options, deadlineMs).send())
}
