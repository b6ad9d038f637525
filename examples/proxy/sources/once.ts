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
