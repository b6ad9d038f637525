/**
 * What the kernel refuses of rules.
 */
import { NetlinkError } from '../../../core/errors.js'
import { refusedExtension } from '../../../iptables/transaction/refusals.js'
import type { Rule } from '../../../nftables/index.js'

const isRule = (object: unknown): object is Rule =>
  typeof object === 'object' && object !== null && 'expressions' in object && Array.isArray(object.expressions)

/** The error with the match or target that the kernel has not, or does not take, and with its module; undefined: it is about none. */
export function withExtension(error: NetlinkError): NetlinkError | undefined {
  const { object, errno, operation, subject, kernelMessage, index, field, outcomeUnknown } = error
  if (!isRule(object) || (object.family !== 'ip' && object.family !== 'ip6')) return undefined
  const hint = refusedExtension(error, object.expressions, object.family)
  if (hint === undefined) return undefined
  return new NetlinkError({ errno: -errno, operation, subject, kernelMessage, index, object, field, hint, outcomeUnknown, cause: error })
}
