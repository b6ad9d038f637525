/**
 * What queues operations.
 */
import type { Transaction } from '../transaction.js'

/** A transaction, but for what sends it. */
export type OperationVerbs = Pick<Transaction, 'add' | 'create' | 'insert' | 'replace' | 'delete' | 'destroy' | 'rename' | 'flush'>

/** Those of a transaction. */
export function verbsOf(tx: Transaction): OperationVerbs {
  const { add, create, insert, replace, delete: remove, destroy, rename, flush } = tx
  return { add, create, insert, replace, delete: remove, destroy, rename, flush }
}
