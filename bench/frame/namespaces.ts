import { output } from './process.js'
import type { Place } from './row.js'

let made = 0

/** Runs `use` in a fresh network namespace with the loopback device up, and removes it after. */
export async function inFreshNamespace<T>(use: (place: Place) => Promise<T>): Promise<T> {
  made += 1
  const name = `netplane-bench-${process.pid}-${made}`
  await output('ip', ['netns', 'add', name])
  try {
    await output('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    return await use({ name, path: `/run/netns/${name}` })
  } finally {
    await output('ip', ['netns', 'delete', name])
  }
}
