/**
 * What every fake answers where it refuses something, as the addon does.
 */
import type { NativeColumns, NativeFailure } from '../native/index.js'

/** The losing half of an outcome. */
export function failed(errno: number, operation: string, message = ''): { failure: NativeFailure } {
  return { failure: { errno, operation, message, outcomeUnknown: false } }
}

/** A row that was refused. */
export interface FakeRefusal {
  readonly index: number
  /** Positive. */
  readonly errno: number
  readonly message?: string
}

/** Rows that were refused as columns; no field is named. */
export function refusalColumns(refused: readonly FakeRefusal[]): NativeColumns {
  const messages = [...new Set(refused.map(({ message = '' }) => message))]
  return {
    rows: refused.length,
    index: Uint32Array.from(refused, ({ index }) => index),
    errno: Uint32Array.from(refused, ({ errno }) => errno),
    message: Uint32Array.from(refused, ({ message = '' }) => messages.indexOf(message)),
    messageTable: messages,
    field: new Uint32Array(refused.length),
    fieldTable: ['']
  }
}
