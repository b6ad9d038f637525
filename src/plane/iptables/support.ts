/**
 * What of the model this plane does not carry.
 */
import { UnsupportedError } from '../../core/errors.js'
import type { Service } from '../model.js'

/** Why a service cannot be carried; undefined: it can. @param hasFallback Other schedulers are replaced by `random`. */
export function unsupportedByIptables({ name, scheduler }: Service, hasFallback: boolean): UnsupportedError | undefined {
  if (scheduler === undefined || scheduler === 'random' || hasFallback) return undefined
  const message = `service ${JSON.stringify(name)}: iptables chooses at random, and has no scheduler ${scheduler}; planes of mode 'nftables' or 'ipvs' may have it, and option schedulerFallback 'random' does without`
  return new UnsupportedError(`scheduler ${scheduler}`, message)
}
