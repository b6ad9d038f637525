/** The error that a promise rejects with; fails when it resolves. */
export async function rejection<T extends Error = Error>(promise: Promise<unknown>): Promise<T> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    return error as T
  }
  throw new Error(`it should have rejected, but resolved with ${String(value)}`)
}
