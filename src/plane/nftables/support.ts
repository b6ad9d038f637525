/**
 * What of the model this plane does not carry.
 */
import { UnsupportedError } from '../../core/errors.js'
import { isModelScheduler, type Service } from '../model.js'

/** Why a service cannot be carried; undefined: it can. @param hasFallback Schedulers of IPVS are replaced by another one. */
export function unsupportedByNftables({ name, scheduler }: Service, hasFallback: boolean): UnsupportedError | undefined {
  if (scheduler === undefined || isModelScheduler(scheduler) || hasFallback) return undefined
  const message = `service ${JSON.stringify(name)}: scheduler ${scheduler} is one of IPVS; planes of mode 'ipvs' have it, and option schedulerFallback names another one`
  return new UnsupportedError(`scheduler ${scheduler}`, message)
}
