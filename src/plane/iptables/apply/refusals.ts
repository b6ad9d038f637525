/**
 * What the kernel refuses of rules.
 */
import { NetlinkError } from '../../../core/errors.js'
import { refusedExtension } from '../../../iptables/transaction/refusals.js'
import { queuedRule } from '../../../nftables/objects.js'

/** The error with the match or target that the kernel has not, or does not take, and with its module; undefined: it is about none. */
export function withExtension(error: NetlinkError): NetlinkError | undefined {
  const { errno, operation, subject, kernelMessage, index, field, outcomeUnknown } = error
  const object = queuedRule(error.object)
  if (object === undefined || (object.family !== 'ip' && object.family !== 'ip6')) return undefined
  const hint = refusedExtension(error, object.expressions, object.family)
  if (hint === undefined) return undefined
  return new NetlinkError({ errno: -errno, operation, subject, kernelMessage, index, object, field, hint, outcomeUnknown, cause: error })
}
