/**
 * `limit`: so many packets in a time. Source: include/uapi/linux/netfilter/xt_limit.h, iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { struct, u32 } from '../layout.js'
import { periodOf, rateOf, rateWord, requireRate, type PacketRate } from '../rates.js'
import { integerWord, printOption, valueOption } from '../words.js'
import { match } from './match.js'

/** Options of the match `limit`; iptables-nft writes it as a native expression. */
export interface LimitOptions {
  /** Default: 3 packets an hour. */
  readonly rate?: PacketRate
  /** How many packets may come at once, 0–10000; default: 5. */
  readonly burst?: number
}

/** XT_LIMIT_SCALE: the kernel's ticks in a second. */
const SCALE = 10_000
const DEFAULT_RATE: PacketRate = { packets: 3, per: 'hour' }
const DEFAULT_BURST = 5
const MAX_BURST = 10_000
const MAX_PERIOD = 0xffff_ffff

/** After these stands what only the kernel fills. */
const INFO = struct(40, { period: u32(0), burst: u32(4) })

const RATE = rateWord(SCALE)
const BURST = integerWord(0, MAX_BURST)

/** The match. */
export const LIMIT_0 = match<'limit', LimitOptions>({
  name: 'limit',
  revision: 0,
  families: ['ip', 'ip6'],
  module: 'xt_limit',
  size: INFO.size,
  kernelBytes: [[8, 32]],
  fields: ['rate', 'burst'],
  encode: ({ rate = DEFAULT_RATE, burst = DEFAULT_BURST }) => {
    const period = periodOf(requireRate('rate', rate, SCALE), SCALE)
    if (period > MAX_PERIOD) throw new ValidationError('rate', rate, 'at least one packet a day')
    return INFO.write({ period, burst: requireInteger('burst', burst, 0, MAX_BURST) })
  },
  decode: (info) => {
    const read = INFO.read(info)
    const rate = read && rateOf(read.period, SCALE)
    return rate && { rate, ...(read.burst === DEFAULT_BURST ? {} : { burst: read.burst }) }
  },
  print: ({ rate = DEFAULT_RATE, burst = DEFAULT_BURST }) => [
    ...printOption('--limit', rate, RATE),
    ...printOption('--limit-burst', burst === DEFAULT_BURST ? undefined : burst, BURST)
  ],
  draft: () => ({}),
  options: { '--limit': valueOption('rate', RATE), '--limit-burst': valueOption('burst', BURST) },
  finish: (draft) => draft
})
