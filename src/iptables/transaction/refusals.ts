/**
 * What the kernel refused of a transaction, as errors that name the caller's operation.
 */
import { NetlinkError } from '../../core/errors.js'
import { extensionsNamed } from '../extensions/registry.js'
import { fromExpression } from '../rule/attributes.js'
import type { IptablesFamily } from '../types.js'
import type { Origin } from './emit.js'

const EXPRESSION = /^expressions\[(\d+)\]/

/** The match or target that the kernel pointed at, and the module it is in. */
function lackingExtension({ field, code }: NetlinkError, { expressions, by }: Origin): string | undefined {
  const index = EXPRESSION.exec(field ?? '')?.[1]
  const expression = index === undefined ? undefined : expressions?.[Number(index)]
  if (expression?.type !== 'opaque') return undefined
  const found = fromExpression(expression)
  const kind = expression.name === 'match' ? 'match' : 'target'
  if (found === undefined) return undefined
  const { name, revision } = found
  const family: IptablesFamily = by.step.place.family
  const module = extensionsNamed(kind, family, name).find((known) => known.revision === revision)?.module ?? `xt_${name}`
  if (code === 'ENOENT') return `this kernel has no ${kind} ${name} of revision ${revision} (modprobe ${module})`
  return `the kernel refuses the ${kind} ${name} in this table, chain or rule; its log may say why`
}

/** The error of a commit, in terms of the caller's operations. */
export function refusalOf(error: NetlinkError, origins: readonly Origin[]): NetlinkError {
  const translate = (each: NetlinkError): NetlinkError => {
    const origin = each.index === undefined ? undefined : origins[each.index]
    return new NetlinkError({
      errno: -each.errno,
      operation: 'iptables.commit',
      subject: origin?.by.subject ?? each.subject,
      kernelMessage: each.kernelMessage,
      index: origin?.by.index,
      object: origin?.by.object,
      hint: (origin === undefined ? undefined : lackingExtension(each, origin)) ?? each.hint,
      outcomeUnknown: each.outcomeUnknown,
      cause: each,
      others: () => each.others.map(translate)
    })
  }
  return translate(error)
}
