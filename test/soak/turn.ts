/** Works for some seconds, and takes turns in between. */
export async function takeTurns(seconds: number, turns: readonly (() => Promise<void>)[], work: () => Promise<void>): Promise<void> {
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    await work()
    for (const take of turns) await take()
  }
}

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
