/**
 * Moments and times of day as text, always in UTC: as the kernel counts them.
 */
import { ValidationError } from '../core/errors.js'

const MS_NS = 1_000_000n

/** Nanoseconds since 1970 of a moment. @throws {ValidationError} */
export function momentNs(path: string, text: string): bigint {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms) || ms < 0) throw new ValidationError(path, text, 'a moment such as 2026-01-31T10:00:00Z, or nanoseconds since 1970')
  return BigInt(ms) * MS_NS
}

const UNIT_SECONDS = [3600, 60, 1]

/** Seconds since midnight of a time of day. @throws {ValidationError} */
export function secondsOfDay(path: string, text: string): number {
  if (!/^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/.test(text))
    throw new ValidationError(path, text, 'a time of day in UTC such as 10:00 or 10:00:30, or seconds since midnight')
  return text.split(':').reduce((sum, part, index) => sum + Number(part) * UNIT_SECONDS[index]!, 0)
}
