/**
 * `ttl` of IPv4 and `hl` of IPv6: how many more hops the packet may make. Source: include/uapi/linux/netfilter_ipv4/ipt_ttl.h and netfilter_ipv6/ip6t_hl.h,
 * iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { comparisonOf, printComparison, splitComparison, type Comparison, type ComparisonOperator } from '../comparison.js'
import type { ExtensionContext, OptionReader } from '../extension.js'
import { struct, u8 } from '../layout.js'
import { integerWord, invertibleOption, valueOption } from '../words.js'
import type { Invertible } from '../invertible.js'
import { match } from './match.js'

/** Options of the matches `ttl` and `hl`: one comparison with a number from 0 to 255. */
export type HopsOptions = Comparison<number>

/** What the options of a line say. */
export interface HopsDraft {
  equals?: Invertible<number>
  lessThan?: number
  greaterThan?: number
}

const OPERATORS: readonly ComparisonOperator[] = ['eq', 'ne', 'lt', 'gt']
const INFO = struct(2, { operator: u8(0), hops: u8(1) })
const HOPS = integerWord(0, 255)

/** What both matches have, with the options that begin with `prefix`. */
function hopsOf(prefix: '--ttl' | '--hl') {
  const options: Readonly<Record<string, OptionReader<HopsDraft>>> = {
    [`${prefix}-eq`]: invertibleOption('equals', HOPS),
    [prefix]: invertibleOption('equals', HOPS),
    [`${prefix}-lt`]: valueOption('lessThan', HOPS),
    [`${prefix}-gt`]: valueOption('greaterThan', HOPS)
  }
  return {
    revision: 0,
    module: 'xt_hl',
    size: INFO.size,
    fields: ['equals', 'lessThan', 'greaterThan'],
    encode: (given: HopsOptions): Uint8Array => {
      const { name, operator, value } = splitComparison('equals', given)
      return INFO.write({ operator: OPERATORS.indexOf(operator), hops: requireInteger(name, value, 0, 255) })
    },
    decode: (info: Uint8Array): HopsOptions | undefined => {
      const read = INFO.read(info)
      const operator = read && OPERATORS[read.operator]
      return operator && comparisonOf(operator, read.hops)
    },
    print: (given: HopsOptions): string[] => printComparison(prefix, given),
    draft: (): HopsDraft => ({}),
    options,
    finish: (draft: HopsDraft, _: ExtensionContext, fail: (allowed: string) => never): HopsOptions =>
      Object.keys(draft).length === 1 ? (draft as HopsOptions) : fail(`one of ${prefix}-eq, ${prefix}-lt and ${prefix}-gt`)
  } as const
}

/** The match of IPv4's TTL. */
export const TTL_0 = match<'ttl', HopsOptions, HopsDraft>({ ...hopsOf('--ttl'), name: 'ttl', families: ['ip'] })

/** The match of IPv6's hop limit. */
export const HL_0 = match<'hl', HopsOptions, HopsDraft>({ ...hopsOf('--hl'), name: 'hl', families: ['ip6'] })
