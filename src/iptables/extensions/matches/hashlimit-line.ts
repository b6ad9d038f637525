/**
 * The words of the match `hashlimit`.
 */
import type { ExtensionContext, OptionReader } from '../extension.js'
import { rateWord } from '../rates.js'
import { flagOption, integerWord, printFlag, textWord, valueOption, type Word } from '../words.js'
import {
  DEFAULT_GC_MS,
  defaultExpireMs,
  HASHLIMIT_KEYS,
  INVERT,
  isRateMatch,
  keysOf,
  rateOfInfo,
  wholePrefix,
  type HashlimitInfo,
  type HashlimitOptions,
  type HashlimitRevision,
  type HashlimitTable
} from './hashlimit-options.js'
import { printByteBurst, printByteRate, readBytes, type HashlimitRate } from './hashlimit-rate.js'

/** What the options of a line say. */
export type HashlimitDraft = { -readonly [Name in keyof HashlimitTable]?: HashlimitTable[Name] } & {
  upto?: HashlimitRate
  above?: HashlimitRate
  burst?: number
}

const MAX_U32 = 0xffff_ffff
/** The kernel's ticks in a second, of the revisions that lines are read for. */
const TICKS = 1_000_000

const PACKETS = rateWord(TICKS)

const RATE: Pick<Word<HashlimitRate>, 'allowed' | 'read'> = {
  allowed: `${PACKETS.allowed}, or bytes such as 512kb/s`,
  read: (word) => {
    const given = /^(.*b)\/s(?:ec(?:ond)?)?$/.exec(word)?.[1]
    if (given === undefined) return PACKETS.read(word)
    const bytes = readBytes(given)
    return bytes === undefined ? undefined : { bytes }
  }
}

const BURST = { allowed: 'a number of packets, or of bytes such as 512kb', read: readBytes }

const KEYS = {
  allowed: HASHLIMIT_KEYS.allowed,
  read: (word: string) => HASHLIMIT_KEYS.read(word.replaceAll('|', ','))
}

/** `!` makes the one the other. */
function rateOption(isAbove: boolean): OptionReader<HashlimitDraft> {
  return {
    values: 1,
    isInvertible: true,
    read: (draft, [word = ''], place) => {
      if (draft.upto !== undefined || draft.above !== undefined) place.fail('one of --hashlimit-upto and --hashlimit-above, once')
      draft[isAbove === place.isInverted ? 'upto' : 'above'] = RATE.read(word) ?? place.fail(RATE.allowed, 0)
    }
  }
}

const NUMBER = integerWord(0, MAX_U32)
const PREFIX = integerWord(0, 128)
const UPTO = rateOption(false)

/** The options of all revisions. */
export const HASHLIMIT_OPTIONS: Readonly<Record<string, OptionReader<HashlimitDraft>>> = {
  '--hashlimit-upto': UPTO,
  '--hashlimit': UPTO,
  '--hashlimit-above': rateOption(true),
  '--hashlimit-burst': valueOption('burst', BURST),
  '--hashlimit-mode': valueOption('mode', KEYS),
  '--hashlimit-name': valueOption('name', textWord(254)),
  '--hashlimit-srcmask': valueOption('sourcePrefix', PREFIX),
  '--hashlimit-dstmask': valueOption('destinationPrefix', PREFIX),
  '--hashlimit-htable-size': valueOption('size', NUMBER),
  '--hashlimit-htable-max': valueOption('max', NUMBER),
  '--hashlimit-htable-gcinterval': valueOption('gcIntervalMs', NUMBER),
  '--hashlimit-htable-expire': valueOption('expireMs', NUMBER)
}

/** Those of revision 3. */
export const HASHLIMIT_RATE_OPTIONS: Readonly<Record<string, OptionReader<HashlimitDraft>>> = {
  ...HASHLIMIT_OPTIONS,
  '--hashlimit-rate-match': flagOption('rateMatch'),
  '--hashlimit-rate-interval': valueOption('rateIntervalSeconds', integerWord(1, 0x7fff_ffff))
}

/** Makes options of a draft. */
export function finishHashlimit(draft: HashlimitDraft, _: ExtensionContext, fail: (allowed: string) => never): HashlimitOptions {
  const { upto, above, burst, name = fail('--hashlimit-name'), ...table } = draft
  if (table.rateIntervalSeconds !== undefined && !table.rateMatch) fail('--hashlimit-rate-match beside --hashlimit-rate-interval')
  const rate = { ...(upto ?? above ?? fail('--hashlimit-upto or --hashlimit-above')), ...(burst === undefined ? {} : { burst }) }
  return upto === undefined ? { above: rate, name, ...table } : { upto: rate, name, ...table }
}

/** The words of a number unless it is what it would be anyway. */
function printUnless(option: string, value: number, absent: number): string[] {
  return value === absent ? [] : [option, String(value)]
}

function printRate(info: HashlimitInfo, rate: HashlimitRate, { scale }: HashlimitRevision): string[] {
  if ('bytes' in rate)
    return [printByteRate(info.average), ...(rate.burst === undefined ? [] : ['--hashlimit-burst', printByteBurst(rate.burst)])]
  return [rateWord(scale.ticks).print(rate), '--hashlimit-burst', String(info.burst)]
}

/** The words of a structure's numbers. */
export function printHashlimit(info: HashlimitInfo, context: ExtensionContext, revision: HashlimitRevision): string[] {
  const rate = rateOfInfo(info, revision)!
  const keys = keysOf(info)
  const whole = wholePrefix(context)
  return [
    (info.mode & INVERT) === 0 ? '--hashlimit-upto' : '--hashlimit-above',
    ...printRate(info, rate, revision),
    ...(keys === undefined ? [] : ['--hashlimit-mode', HASHLIMIT_KEYS.print(keys)]),
    '--hashlimit-name',
    info.name,
    ...printUnless('--hashlimit-htable-size', info.size, 0),
    ...printUnless('--hashlimit-htable-max', info.max, 0),
    ...printUnless('--hashlimit-htable-gcinterval', info.gcIntervalMs, DEFAULT_GC_MS),
    ...printUnless('--hashlimit-htable-expire', info.expireMs, defaultExpireMs(rate)),
    ...printUnless('--hashlimit-srcmask', info.sourcePrefix, whole),
    ...printUnless('--hashlimit-dstmask', info.destinationPrefix, whole),
    ...printFlag('--hashlimit-rate-match', isRateMatch(info)),
    ...(isRateMatch(info) ? printUnless('--hashlimit-rate-interval', info.interval, 1) : [])
  ]
}
