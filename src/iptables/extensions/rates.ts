/**
 * Rates of packets, which the kernel has as a time between two packets.
 */
import { requireFields, requireInteger } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { Word } from './words.js'

/** Units of time, with their seconds and the word that is printed. */
const UNITS = { second: [1, 'sec'], minute: [60, 'min'], hour: [3600, 'hour'], day: [86_400, 'day'] } as const

/** A unit of time. */
export type RateUnit = keyof typeof UNITS

/** The units, the longest first. */
const LONGEST_FIRST = ['day', 'hour', 'minute', 'second'] as const satisfies readonly RateUnit[]

/** So many packets in a unit of time. */
export interface PacketRate {
  /** At least 1, and not so many that the time between two is less than what the kernel counts. */
  readonly packets: number
  readonly per: RateUnit
}

const MAX_PACKETS = 0x7fff_ffff

/** Seconds of a unit. */
export function secondsOf(unit: RateUnit): number {
  return UNITS[unit][0]
}

/** Checks a rate. @param scale The kernel's ticks in a second. @throws {ValidationError} */
export function requireRate(path: string, given: unknown, scale: number): PacketRate {
  const { packets, per } = requireFields(path, given, 'an object with packets and per')
  if (typeof per !== 'string' || !Object.hasOwn(UNITS, per))
    throw new ValidationError(`${path}.per`, per, `one of ${Object.keys(UNITS).join(', ')}`)
  const unit = per as RateUnit
  return { packets: requireInteger(`${path}.packets`, packets, 1, Math.min(MAX_PACKETS, scale * secondsOf(unit))), per: unit }
}

/** The ticks between two packets. */
export function periodOf({ packets, per }: PacketRate, scale: number): number {
  return Math.floor((scale * secondsOf(per)) / packets)
}

/** The rate as iptables shows it: in the shortest unit in which it is not far from a whole number. Undefined where there is no time between packets. */
export function rateOf(period: number, scale: number): PacketRate | undefined {
  if (period === 0) return undefined
  const ticks = (unit: RateUnit): number => scale * secondsOf(unit)
  const tooShort = LONGEST_FIRST.findIndex(
    (unit, index) => index > 0 && (period > ticks(unit) || Math.floor(ticks(unit) / period) < ticks(unit) % period)
  )
  const per = LONGEST_FIRST[(tooShort < 0 ? LONGEST_FIRST.length : tooShort) - 1]!
  return { packets: Math.floor(ticks(per) / period), per }
}

/** A rate as one word, `3/hour`; without a unit it is by the second, and the begin of a unit is enough. */
export function rateWord(scale: number): Word<PacketRate> {
  return {
    allowed: 'a rate such as 5/second, /minute, /hour or /day',
    read: (word) => {
      const [digits = '', unit = 'second', ...rest] = word.split('/')
      const per = unit === '' ? undefined : LONGEST_FIRST.toReversed().find((name) => name.startsWith(unit.toLowerCase()))
      const packets = /^[0-9]{1,10}$/.test(digits) ? Number(digits) : 0
      if (per === undefined || rest.length > 0) return undefined
      return packets < 1 || packets > Math.min(MAX_PACKETS, scale * secondsOf(per)) ? undefined : { packets, per }
    },
    print: (rate) => {
      const { packets, per } = rateOf(periodOf(rate, scale), scale) ?? rate
      return `${packets}/${UNITS[per][1]}`
    }
  }
}
