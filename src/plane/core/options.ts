/**
 * Checks of options that all planes have.
 */
import { ValidationError } from '../../core/errors.js'

const DEFAULT_NAME = 'netplane'
const MAX_MILLISECONDS = 3_600_000

/** Checks the name of what is ours in the kernel, of `max` characters. @throws {ValidationError} */
export function checkName(name: unknown, max: number): string {
  if (name === undefined) return DEFAULT_NAME
  if (typeof name === 'string' && name !== '' && name.length <= max && /^[A-Za-z0-9_-]+$/.test(name)) return name
  throw new ValidationError('name', name, `1 to ${max} letters, digits, - and _`)
}

/** Checks how often the kernel is audited; 0: never. @throws {ValidationError} */
export function checkAuditMs(milliseconds: unknown, { min, fallback }: { min: number; fallback: number }): number {
  if (milliseconds === undefined) return fallback
  if (milliseconds === 0 || (typeof milliseconds === 'number' && milliseconds >= min && milliseconds <= MAX_MILLISECONDS))
    return milliseconds
  throw new ValidationError('auditMs', milliseconds, `0, or ${min} to ${MAX_MILLISECONDS}`)
}

/** Checks the stand-ins for the kernel: an object with one for each subsystem in `names`. @throws {ValidationError} */
export function checkKernel<T extends object>(kernel: T | undefined, names: readonly string[]): T | undefined {
  if (kernel === undefined) return undefined
  if (typeof (kernel as unknown) !== 'object') throw new ValidationError('kernel', kernel, `an object with ${names.join(', ')}`)
  for (const name of names) {
    const fake: unknown = (kernel as Record<string, unknown>)[name]
    if (typeof fake !== 'object' || fake === null) throw new ValidationError(`kernel.${name}`, fake, 'a fake of netplane/testing')
  }
  return kernel
}
