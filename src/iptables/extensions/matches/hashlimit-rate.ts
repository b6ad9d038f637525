/**
 * What the kernel's match `hashlimit` makes of rates: a time between packets, or a cost of 16 bytes.
 */
import { isInteger, requireFields } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { periodOf, rateOf, requireRate, secondsOf, type PacketRate } from '../rates.js'

/** Packets in a unit of time. */
export interface HashlimitPackets extends PacketRate {
  /** How many packets may come at once; default: 5. */
  readonly burst?: number
}

/** Bytes in a second. */
export interface HashlimitBytes {
  /** Bytes a second. The kernel counts in units of 16 bytes, and knows few of the great numbers. */
  readonly bytes: number
  /** How many bytes may come at once, at least as many as in a second; default: no more than those. */
  readonly burst?: number
}

/** Up to so many packets or bytes. */
export type HashlimitRate = HashlimitPackets | HashlimitBytes

/** What a revision has. */
export interface HashlimitScale {
  /** Ticks in a second. */
  readonly ticks: number
  /** Greatest burst of packets. */
  readonly maxBurst: number
  /** Greatest number that the fields of rate and burst have; bytes beyond 2^53 are not written. */
  readonly maxBytes: number
}

/** Rate and burst as the structure has them, and after how many milliseconds an entry is forgotten unless the options say it. */
export interface HashlimitCost {
  readonly isBytes: boolean
  readonly average: number
  readonly burst: number
  readonly expireMs: number
}

/** Packets that may come at once unless the options say it. */
const DEFAULT_BURST = 5

/** XT_HASHLIMIT_BYTE_SHIFT. */
const UNIT_BYTES = 16
const MAX_COST = 0xffff_ffff
/** Greatest number of units that the kernel counts with. */
const MAX_UNITS = 0xffff_fffe

/** When entries of bytes are forgotten, without a burst and with one. */
export const BYTES_EXPIRE_MS = 15_000
export const BYTES_BURST_EXPIRE_MS = 60_000

/** The cost of so many bytes a second. */
export function costOf(bytes: number): number {
  return Math.floor(MAX_COST / (Math.floor(bytes / UNIT_BYTES) + 1))
}

/** The bytes a second of a cost. */
export function bytesOf(cost: number): number {
  return (Math.floor(MAX_COST / cost) - 1) * UNIT_BYTES
}

/** Whether the rate is one of bytes. */
export function isByteRate(rate: HashlimitRate): rate is HashlimitBytes {
  return 'bytes' in rate
}

function bytesCost(path: string, { bytes, burst }: HashlimitBytes, { maxBytes }: HashlimitScale): HashlimitCost {
  const max = Math.min(maxBytes, MAX_UNITS * UNIT_BYTES)
  if (!isInteger(bytes, 1, max)) throw new ValidationError(`${path}.bytes`, bytes, `an integer from 1 to ${max}`)
  const average = costOf(bytes)
  if (burst === undefined) return { isBytes: true, average, burst: 0, expireMs: BYTES_EXPIRE_MS }
  const unit = bytesOf(average)
  const greatest = Math.min(maxBytes, unit * MAX_COST)
  if (unit === 0 || !isInteger(burst, unit, greatest))
    throw new ValidationError(
      `${path}.burst`,
      burst,
      unit === 0 ? 'nothing beside less than 16 bytes' : `an integer from ${unit} to ${greatest}`
    )
  return { isBytes: true, average, burst: Math.ceil(burst / unit), expireMs: BYTES_BURST_EXPIRE_MS }
}

/** Rate and burst of options. @throws {ValidationError} */
export function costOfRate(path: string, rate: HashlimitRate, scale: HashlimitScale): HashlimitCost {
  requireFields(path, rate, 'an object with packets and per, or with bytes')
  if (isByteRate(rate)) return bytesCost(path, rate, scale)
  const packets = requireRate(path, rate, scale.ticks)
  const { burst = DEFAULT_BURST } = rate
  if (!isInteger(burst, 1, scale.maxBurst)) throw new ValidationError(`${path}.burst`, burst, `an integer from 1 to ${scale.maxBurst}`)
  return { isBytes: false, average: periodOf(packets, scale.ticks), burst, expireMs: secondsOf(packets.per) * 1000 }
}

/** The rate of what a structure has; undefined where no rate makes that. */
export function rateOfCost(
  { isBytes, average, burst }: Omit<HashlimitCost, 'expireMs'>,
  { ticks }: HashlimitScale
): HashlimitRate | undefined {
  if (average === 0) return undefined
  if (isBytes) {
    const bytes = bytesOf(average)
    return { bytes, ...(burst === 0 ? {} : { burst: burst * bytes }) }
  }
  const packets = rateOf(average, ticks)
  return packets && { ...packets, ...(burst === DEFAULT_BURST ? {} : { burst }) }
}

/** Units in which bytes are written, the greatest first. */
const BYTE_UNITS = [
  ['mb', 1024 * 1024],
  ['kb', 1024],
  ['b', 1]
] as const

/** Bytes a second as iptables-save prints them: in the greatest unit in which they are exact. */
export function printByteRate(average: number): string {
  const bytes = bytesOf(average)
  const [name, size] = BYTE_UNITS.find(([, unit]) => unit === 1 || (bytes >= unit && costOf(bytes - (bytes % unit)) === average))!
  return `${Math.floor(bytes / size)}${name}/s`
}

/** A burst of bytes as iptables-save prints it: whole units of the greatest that there is one of, although that may say less. */
export function printByteBurst(bytes: number): string {
  const [name, size] = BYTE_UNITS.find(([, unit]) => bytes >= unit) ?? ['b', 1]
  return `${Math.floor(bytes / size)}${name}`
}

/** Reads `512kb`, `3mb`, `7b`. */
export function readBytes(word: string): number | undefined {
  const [, digits, unit] = /^([1-9][0-9]{0,15})(m|k|)b?$/.exec(word) ?? []
  if (digits === undefined) return undefined
  const bytes = Number(digits) * (unit === 'm' ? 1024 * 1024 : unit === 'k' ? 1024 : 1)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
