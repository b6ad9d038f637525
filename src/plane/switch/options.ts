/**
 * Checks of what a switch takes.
 */
import { requireInteger, requireKnown, requireOptions } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import { checkSyncOptions } from '../core/options.js'
import { PLANE_MODES, type PlaneMode, type PlaneOptions } from '../options.js'
import type { SwitchOptions, SyncOptions } from '../types.js'

/** Seconds for which connections go on that end with a plane; as long as IPVS waits for those of an endpoint. */
export const DRAIN_SECONDS = 900
const MAX_SECONDS = 2_147_483

/** The options, complete. */
export interface SwitchSettings {
  readonly sync: SyncOptions
  readonly drainSeconds: number
}

/** Checks the options of `switchTo`. @throws {ValidationError} */
export function checkSwitchOptions(how: SwitchOptions): SwitchSettings {
  const { onError = 'atomic', drainSeconds = DRAIN_SECONDS, signal } = requireOptions<SwitchOptions>(how)
  requireKnown('how.', how, ['onError', 'drainSeconds', 'signal'])
  requireInteger('how.drainSeconds', drainSeconds, 0, MAX_SECONDS)
  return { sync: checkSyncOptions({ onError, signal }), drainSeconds }
}

/** Checks option `replaces`. @throws {ValidationError} */
export function checkReplaces({ mode, replaces }: PlaneOptions): readonly PlaneMode[] {
  if (replaces === undefined) return []
  const others = PLANE_MODES.filter((one) => one !== mode)
  const allowed = `a list of other modes, each once: ${others.join(', ')}`
  if (!Array.isArray(replaces) || new Set(replaces).size < replaces.length) throw new ValidationError('replaces', replaces, allowed)
  for (const [index, one] of (replaces as readonly PlaneMode[]).entries())
    if (!others.includes(one)) throw new ValidationError(`replaces[${index}]`, one, allowed)
  return replaces as readonly PlaneMode[]
}
