/**
 * Checks of options that all planes have.
 */
import { ValidationError } from '../errors.js'

const DEFAULT_NAME = 'netplane'
const MOST_MILLISECONDS = 3_600_000

/** Checks the name of what is ours in the kernel, of `most` characters. @throws {ValidationError} */
export function checkName(name: unknown, most: number): string {
  if (name === undefined) return DEFAULT_NAME
  if (typeof name === 'string' && name !== '' && name.length <= most && /^[A-Za-z0-9_-]+$/.test(name)) return name
  throw new ValidationError('name', name, `1 to ${most} letters, digits, - and _`)
}

/** Checks how often something is looked at; 0: never. @throws {ValidationError} */
export function checkInterval(field: string, milliseconds: unknown, { least, fallback }: { least: number; fallback: number }): number {
  if (milliseconds === undefined) return fallback
  if (milliseconds === 0 || (typeof milliseconds === 'number' && milliseconds >= least && milliseconds <= MOST_MILLISECONDS))
    return milliseconds
  throw new ValidationError(field, milliseconds, `0, or ${least} to ${MOST_MILLISECONDS}`)
}
