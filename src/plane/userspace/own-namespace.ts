/**
 * Whether a network namespace is that of this process.
 */
import { statSync } from 'node:fs'
import { ValidationError } from '../../core/errors.js'
import { resolveNamespace, type OpenOptions } from '../../core/options.js'

const OWN = '/proc/self/ns/net'

/** One namespace has one inode, whatever it is called (namespaces(7)). */
function isOwn(path: string): boolean {
  try {
    const [own, other] = [statSync(OWN), statSync(path)]
    return own.dev === other.dev && own.ino === other.ino
  } catch {
    // What cannot be looked at is not known to be the same.
    return false
  }
}

/** Refuses to work in a namespace in which relays of this process do not listen. @throws {ValidationError} */
export function requireOwnNamespace(netns: OpenOptions['netns']): void {
  const place = resolveNamespace(netns)
  if (place === undefined || (typeof place === 'string' && isOwn(place))) return
  throw new ValidationError('netns', netns, 'nothing, or the network namespace of this process: relays listen there')
}
