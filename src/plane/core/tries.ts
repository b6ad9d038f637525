/**
 * How often work is begun again that another process crossed.
 */
import { setTimeout as pause } from 'node:timers/promises'

/** How often work is begun before it is given up. */
export const MAX_TRIES = 16
/** Pause before the second try that follows another one, doubled each time. */
const FIRST_PAUSE_MS = 1
const MAX_PAUSE_MS = 64

/** Waits before the next try: not at first, and then longer each time. */
export async function pauseBefore(tries: number): Promise<void> {
  if (tries > 2) await pause(Math.min(FIRST_PAUSE_MS * 2 ** (tries - 2), MAX_PAUSE_MS))
}
