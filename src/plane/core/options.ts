/**
 * Checks of options that all planes have.
 */
import { requireFields, requireInteger, requireKnown, requireOptions } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { SyncOptions } from '../types.js'

const DEFAULT_NAME = 'netplane'
const MAX_MILLISECONDS = 3_600_000
const DEFAULT_TRANSACTION_MS = 100
const MAX_TRANSACTION_MS = 60_000

/** Checks the name of what is ours in the kernel, of `max` characters; nft knows no tables with names that begin otherwise (scanner.l). @throws {ValidationError} */
export function checkName(name: unknown, max: number): string {
  if (name === undefined) return DEFAULT_NAME
  if (typeof name === 'string' && name.length <= max && /^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) return name
  throw new ValidationError('name', name, `1 to ${max} letters, digits, - and _, of which the first is a letter`)
}

/** Checks how often the kernel is audited; 0: never. @throws {ValidationError} */
export function checkAuditMs(milliseconds: unknown, { min, fallback }: { min: number; fallback: number }): number {
  if (milliseconds === undefined) return fallback
  if (milliseconds === 0 || (typeof milliseconds === 'number' && milliseconds >= min && milliseconds <= MAX_MILLISECONDS))
    return milliseconds
  throw new ValidationError('auditMs', milliseconds, `0, or ${min} to ${MAX_MILLISECONDS}`)
}

/** Checks how long a transaction is to keep others waiting. @throws {ValidationError} */
export function checkTransactionMs(milliseconds: number | undefined): number {
  return milliseconds === undefined ? DEFAULT_TRANSACTION_MS : requireInteger('transactionMs', milliseconds, 1, MAX_TRANSACTION_MS)
}

/** Checks the stand-ins for the kernel: an object with one for each subsystem in `names`. @throws {ValidationError} */
export function checkKernel<T extends object>(kernel: T | undefined, names: readonly string[]): T | undefined {
  if (kernel === undefined) return undefined
  if (typeof (kernel as unknown) !== 'object' || (kernel as unknown) === null)
    throw new ValidationError('kernel', kernel, `an object with ${names.join(', ')}`)
  for (const name of names) {
    const fake: unknown = (kernel as Record<string, unknown>)[name]
    if (typeof fake !== 'object' || fake === null) throw new ValidationError(`kernel.${name}`, fake, 'a fake of netplane/testing')
  }
  return kernel
}

/** Options that every plane has. */
const COMMON = [
  'mode',
  'name',
  'localSources',
  'auditMs',
  'staleFlows',
  'stateFile',
  'replaces',
  'carriers',
  'netns',
  'deadlineMs',
  'signal',
  'kernel'
]

/** Refuses options that a mode does not have. @param own Those that only it has. @throws {ValidationError} */
export function checkNames(options: object, own: readonly string[] = []): void {
  requireKnown('', options, [...COMMON, ...own])
}

/** Checks the options of `sync` and `update`. @throws {ValidationError} */
export function checkSyncOptions(options: SyncOptions): SyncOptions {
  const onError: unknown = requireOptions(options).onError
  requireKnown('options.', options, ['onError', 'signal'])
  if (onError === undefined || onError === 'isolate' || onError === 'atomic') return options
  throw new ValidationError('options.onError', onError, "'isolate', 'atomic'")
}

/** Checks the options of `close`: whether everything is to be removed. @throws {ValidationError} */
export function checkCleanup(options: { readonly cleanup?: boolean | undefined }): boolean {
  const { cleanup = false } = requireFields('options', options)
  requireKnown('options.', options, ['cleanup'])
  if (typeof cleanup === 'boolean') return cleanup
  throw new ValidationError('options.cleanup', cleanup, 'true or false')
}
