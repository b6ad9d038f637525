/**
 * What the kernel refused of a transaction, as errors that name the caller's operation.
 */
import { NetlinkError } from '../../core/errors.js'
import type { Expression } from '../../nftables/expressions.js'
import { queuedRule } from '../../nftables/objects.js'
import { extensionsNamed } from '../extensions/registry.js'
import { fromExpression } from '../rule/attributes.js'
import type { IptablesFamily } from '../types.js'
import type { Operation } from './operations.js'

const EXPRESSION = /^expressions\[(\d+)\]/

/** What matches and targets name: where it is not there, the kernel says the same as where they are not. */
const NAMED: Readonly<Record<string, string | undefined>> = {
  CT: 'not the helper or the timeout policy that it names',
  RATEEST: 'not the estimator that it names',
  SET: 'not the set that it names',
  nfacct: 'not the accounting object that it names',
  rateest: 'not the estimators that it names',
  set: 'not the set that it names'
}

/**
 * What the kernel lacks, or refuses, of the match or target that it pointed at, with the module that it is in; undefined: it pointed at none.
 *
 * @param expressions Of the rule that was refused.
 */
export function refusedExtension(
  { field, code }: Pick<NetlinkError, 'field' | 'code'>,
  expressions: readonly Expression[],
  family: IptablesFamily
): string | undefined {
  const index = EXPRESSION.exec(field ?? '')?.[1]
  const expression = index === undefined ? undefined : expressions[Number(index)]
  if (expression?.type !== 'opaque') return undefined
  const found = fromExpression(expression)
  const kind = expression.name === 'match' ? 'match' : 'target'
  if (found === undefined) return undefined
  const { name, revision } = found
  const module = extensionsNamed(kind, family, name).find((known) => known.revision === revision)?.module ?? `xt_${name}`
  const named = NAMED[name] === undefined ? '' : `, or ${NAMED[name]}`
  if (code === 'ENOENT') return `this kernel has no ${kind} ${name} of revision ${revision} (modprobe ${module})${named}`
  return `the kernel refuses the ${kind} ${name} in this table, chain or rule; its log may say why`
}

/** Newer kernels refuse the verdict, and stable ones that were mended: nft has an expression for it, and iptables a target. */
function refusedQueue({ code }: Pick<NetlinkError, 'code'>, expressions: readonly Expression[]): string | undefined {
  const isQueue = (expression: Expression): boolean =>
    expression.type === 'immediate' && 'verdict' in expression.data && expression.data.verdict === 'queue'
  return code === 'EINVAL' && expressions.some(isQueue)
    ? "this kernel refuses the verdict QUEUE: { target: 'NFQUEUE', queue: 0 } does the same"
    : undefined
}

/** The error of a commit, in terms of the caller's operations. @param origins Which operation each operation of nf_tables came from. */
export function refusalOf(error: NetlinkError, origins: readonly Operation[]): NetlinkError {
  const translate = (each: NetlinkError): NetlinkError => {
    const by = each.index === undefined ? undefined : origins[each.index]
    const expressions = queuedRule(each.object)?.expressions ?? []
    return new NetlinkError({
      errno: -each.errno,
      operation: 'iptables.commit',
      subject: by?.subject ?? each.subject,
      kernelMessage: each.kernelMessage,
      index: by?.index,
      object: by?.object,
      hint:
        (by === undefined ? undefined : refusedExtension(each, expressions, by.step.place.family)) ??
        refusedQueue(each, expressions) ??
        each.hint,
      outcomeUnknown: each.outcomeUnknown,
      cause: each,
      others: () => each.others.map(translate)
    })
  }
  return translate(error)
}
