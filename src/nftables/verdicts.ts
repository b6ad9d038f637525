/**
 * Verdicts of verdict maps: NF_* of include/uapi/linux/netfilter.h, NFT_* of include/uapi/linux/netfilter/nf_tables.h.
 */
import { ValidationError } from '../core/errors.js'

/** What happens to a packet. */
export type VerdictName = 'accept' | 'drop' | 'queue' | 'continue' | 'break' | 'jump' | 'goto' | 'return' | number

const VERDICTS: Readonly<Record<string, number>> = { drop: 0, accept: 1, queue: 3, continue: -1, break: -2, jump: -3, goto: -4, return: -5 }

/** The number of a verdict; `jump` and `goto` need a chain, others have none. @throws {ValidationError} */
export function verdictNumber(path: string, verdict: unknown, chain: unknown): number {
  const number =
    typeof verdict === 'number' ? verdict : typeof verdict === 'string' && Object.hasOwn(VERDICTS, verdict) ? VERDICTS[verdict] : undefined
  if (number === undefined || !Number.isInteger(number)) throw new ValidationError(path, verdict, Object.keys(VERDICTS).join(', '))
  const needsChain = number === VERDICTS['jump'] || number === VERDICTS['goto']
  if (needsChain !== (typeof chain === 'string' && chain !== '')) {
    throw new ValidationError(
      path.replace(/verdict$/, 'chain'),
      chain,
      needsChain ? 'the chain to go to' : 'no chain: only jump and goto have one'
    )
  }
  return number
}

/** The name of a verdict; the number itself where it has none. */
export function verdictName(number: number): VerdictName {
  return (Object.keys(VERDICTS).find((name) => VERDICTS[name] === number) as VerdictName | undefined) ?? number
}
