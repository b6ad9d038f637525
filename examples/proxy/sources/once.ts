import type { ManifestProblem } from '../manifests/types.js'
import type { KubernetesObject } from '../kubernetes/types.js'
import type { ObjectChange, ObjectSource } from './types.js'

/**
 * Reads a source once.
 *
 * @throws It cannot be read, or an API server does not answer: who asks for one thing waits for an answer.
 */
export async function readOnce(
  source: ObjectSource
): Promise<{ readonly objects: readonly KubernetesObject[]; readonly problems: readonly ManifestProblem[] }> {
  const objects = new Map<string, KubernetesObject>()
  try {
    source.open()
    await new Promise<void>((resolve, reject) => {
      const told = (changes: readonly ObjectChange[]): void => {
        for (const { key, object } of changes) {
          if (object === undefined) objects.delete(key)
          else objects.set(key, object)
        }
        if (source.status.hasSynced) resolve()
      }
      source.start({ told, failed: reject }).catch(reject)
    })
    return { objects: [...objects.values()], problems: source.status.problems }
  } finally {
    await source.close()
  }
}

/** Reads a source once, but not for longer than until the signal is aborted. @throws The signal's reason, once nothing of the source is open any more. */
export async function readUntil(source: ObjectSource, signal: AbortSignal): ReturnType<typeof readOnce> {
  signal.throwIfAborted()
  const read = new AbortController()
  const aborted = new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true, signal: read.signal })
  ).then(async () => {
    await source.close()
    throw signal.reason
  })
  try {
    return await Promise.race([readOnce(source), aborted])
  } finally {
    read.abort()
  }
}
