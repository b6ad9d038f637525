/**
 * `hashlimit`: so many packets or bytes in a time, for each address or port. Source: include/uapi/linux/netfilter/xt_hashlimit.h, iptables-extensions(8).
 */
import { struct, text, u32, u64, u8 } from '../layout.js'
import { finishHashlimit, HASHLIMIT_OPTIONS, HASHLIMIT_RATE_OPTIONS, printHashlimit, type HashlimitDraft } from './hashlimit-line.js'
import { infoOf, optionsFrom, type HashlimitInfo, type HashlimitOptions, type HashlimitRevision } from './hashlimit-options.js'
import { match } from './match.js'

const MAX_U32 = 0xffff_ffff

const REVISION_1: HashlimitRevision = {
  scale: { ticks: 10_000, maxBurst: 10_000, maxBytes: MAX_U32 },
  nameLength: 16,
  maxAverage: MAX_U32
}

/** Of revisions 2 and 3. */
const REVISION_2: HashlimitRevision = {
  scale: { ticks: 1_000_000, maxBurst: 1_000_000, maxBytes: Number.MAX_SAFE_INTEGER },
  nameLength: 255,
  maxAverage: Number.MAX_SAFE_INTEGER
}

const FIRST = struct(56, {
  name: text(0, REVISION_1.nameLength),
  mode: u32(16),
  average: u32(20),
  burst: u32(24),
  size: u32(28),
  max: u32(32),
  gcIntervalMs: u32(36),
  expireMs: u32(40),
  sourcePrefix: u8(44),
  destinationPrefix: u8(45)
})

const wide = {
  name: text(0, REVISION_2.nameLength),
  average: u64(256),
  burst: u64(264),
  mode: u32(272),
  size: u32(276),
  max: u32(280),
  gcIntervalMs: u32(284),
  expireMs: u32(288)
}
const SECOND = struct(304, { ...wide, sourcePrefix: u8(292), destinationPrefix: u8(293) })
const THIRD = struct(312, { ...wide, interval: u32(292), sourcePrefix: u8(296), destinationPrefix: u8(297) })

const BASE_FIELDS = [
  'upto',
  'above',
  'name',
  'mode',
  'sourcePrefix',
  'destinationPrefix',
  'size',
  'max',
  'gcIntervalMs',
  'expireMs'
] as const

const common = {
  name: 'hashlimit' as const,
  families: ['ip', 'ip6'],
  module: 'xt_hashlimit',
  draft: (): HashlimitDraft => ({}),
  finish: finishHashlimit
} as const

/** Rate and burst of 64 bits. */
interface Wide {
  readonly average: bigint
  readonly burst: bigint
}

function widen({ average, burst, ...info }: HashlimitInfo): Omit<HashlimitInfo, keyof Wide> & Wide {
  return { ...info, average: BigInt(average), burst: BigInt(burst) }
}

/** Numbers that are not held exactly are not read. */
function narrow<Values extends Wide>(read: Values | undefined): (Omit<Values, keyof Wide> & Pick<HashlimitInfo, keyof Wide>) | undefined {
  const max = BigInt(Number.MAX_SAFE_INTEGER)
  if (read === undefined || read.average > max || read.burst > max) return undefined
  return { ...read, average: Number(read.average), burst: Number(read.burst) }
}

/** Revision 1: ticks of 1/10000 s, names of 15 bytes. */
export const HASHLIMIT_1 = match<'hashlimit', HashlimitOptions, HashlimitDraft>({
  ...common,
  revision: 1,
  size: FIRST.size,
  kernelBytes: [[48, 8]],
  fields: BASE_FIELDS,
  encode: (options, context) => FIRST.write(infoOf(options, context, REVISION_1)),
  decode: (info, context) => {
    const read = FIRST.read(info)
    return read && optionsFrom({ ...read, interval: 0 }, context, REVISION_1)
  },
  print: (options, context) => printHashlimit(infoOf(options, context, REVISION_1), context, REVISION_1),
  options: HASHLIMIT_OPTIONS
})

/** Revision 2: ticks of 1/1000000 s. */
export const HASHLIMIT_2 = match<'hashlimit', HashlimitOptions, HashlimitDraft>({
  ...common,
  revision: 2,
  size: SECOND.size,
  kernelBytes: [[296, 8]],
  fields: BASE_FIELDS,
  encode: (options, context) => SECOND.write(widen(infoOf(options, context, REVISION_2))),
  decode: (info, context) => {
    const read = narrow(SECOND.read(info))
    return read && optionsFrom({ ...read, interval: 0 }, context, REVISION_2)
  },
  print: (options, context) => printHashlimit(infoOf(options, context, REVISION_2), context, REVISION_2),
  options: HASHLIMIT_OPTIONS
})

/** Revision 3: as revision 2, with rate matches. */
export const HASHLIMIT_3 = match<'hashlimit', HashlimitOptions, HashlimitDraft>({
  ...common,
  revision: 3,
  size: THIRD.size,
  kernelBytes: [[304, 8]],
  fields: [...BASE_FIELDS, 'rateMatch', 'rateIntervalSeconds'],
  encode: (options, context) => THIRD.write(widen(infoOf(options, context, REVISION_2))),
  decode: (info, context) => {
    const read = narrow(THIRD.read(info))
    return read && optionsFrom(read, context, REVISION_2)
  },
  print: (options, context) => printHashlimit(infoOf(options, context, REVISION_2), context, REVISION_2),
  options: HASHLIMIT_RATE_OPTIONS
})
