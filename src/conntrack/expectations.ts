/**
 * The exact deletion of an expectation.
 */
import { isDeepStrictEqual } from 'node:util'
import type { NativeConntrackSocket, NativeRecord } from '../native.js'
import { decodeExpectation } from './details.js'
import { ENOENT, unwrap } from './refusals.js'
import type { Expectation } from './types.js'

interface Deletion {
  readonly family: number
  /** Names it, with its id. */
  readonly record: NativeRecord
  readonly expectation: Expectation
  readonly deadlineMs: number
}

/** Whether it was there. */
export async function deleteExpectation(
  socket: NativeConntrackSocket,
  operation: string,
  { family, record, expectation, deadlineMs }: Deletion
): Promise<boolean> {
  const remove = async (value: NativeRecord): Promise<boolean> => {
    const outcome = await socket.deleteExpectation({ family, value, deadlineMs })
    if (outcome.failure?.errno === ENOENT) return false
    unwrap(outcome, { operation })
    return true
  }
  if (await remove(record)) return true
  // Linux 5.10 lists a hash as the id, but compares what it is given with the place in memory (ctnetlink_del_expect): there it is compared here.
  const listed = unwrap(await socket.listExpectations({ deadlineMs }), { operation }).map(decodeExpectation)
  const isThere = listed.some(({ id, tuple }) => id === expectation.id && isDeepStrictEqual(tuple, expectation.tuple))
  return isThere && (await remove(Object.fromEntries(Object.entries(record).filter(([name]) => name !== 'id'))))
}
