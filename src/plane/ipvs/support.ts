/**
 * What of the model this plane does not carry.
 */
import { UnsupportedError } from '../../core/errors.js'
import { isAddressed } from '../core/frontend.js'
import { isIn, type RangesByFamily } from '../core/ranges.js'
import type { Service } from '../model.js'

/**
 * Why a service cannot be carried; undefined: it can.
 *
 * @param excluded Addresses that are left to others.
 */
export function unsupportedByIpvs({ name, frontends }: Service, excluded: RangesByFamily): UnsupportedError | undefined {
  for (const [index, frontend] of frontends.entries()) {
    if (isAddressed(frontend) && isIn(frontend.address, excluded))
      return new UnsupportedError(
        'addresses in excludeCIDRs',
        `service ${JSON.stringify(name)}: frontends[${index}] has address ${frontend.address}, which option excludeCIDRs leaves to others`
      )
  }
  return undefined
}
