/** Something that is done whenever it is asked for, but not more often than so, and for a tenth of the time at most. */
export function turn(everyMs: number, act: () => Promise<unknown>): () => Promise<void> {
  let next = 0
  return async () => {
    const began = performance.now()
    if (began < next) return
    await act()
    const took = performance.now() - began
    next = began + Math.max(everyMs, 10 * took)
  }
}
