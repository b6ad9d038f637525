/** Milliseconds of the units of Go's `time.ParseDuration`. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000]
])

const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y

/** Go's `time.Duration` counts nanoseconds in 63 bits. */
const MAX_MS = 2 ** 63 / 1e6

/**
 * Milliseconds of a duration as Go writes it: `1h30m`, `250ms`, `-1.5s`, `0`. Undefined: it is none.
 *
 * Source: https://pkg.go.dev/time#ParseDuration
 */
export function parseDuration(text: string): number | undefined {
  const [, sign = '', rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? []
  if (rest === '0') return 0
  let total = 0
  let end = 0
  while (end < rest.length) {
    PART.lastIndex = end
    const part = PART.exec(rest)
    if (part === null) return undefined
    total += Number(part[1]) * UNITS.get(part[2]!)!
    end = PART.lastIndex
  }
  if (end === 0 || total >= MAX_MS) return undefined
  return sign === '-' ? -total : total
}

/** As Go's `Duration.String` writes it, so that files compare: `1h0m0s`, `1.5s`, `250ms`, `0s`. */
export function formatDuration(ms: number): string {
  const sign = ms < 0 ? '-' : ''
  const size = Math.abs(ms)
  if (size === 0) return '0s'
  if (size < 1e-3) return `${sign}${trim(size * 1e6)}ns`
  if (size < 1) return `${sign}${trim(size * 1e3)}µs`
  if (size < 1000) return `${sign}${trim(size)}ms`
  const hours = Math.floor(size / 3_600_000)
  const minutes = Math.floor((size % 3_600_000) / 60_000)
  const seconds = trim((size % 60_000) / 1000)
  const shown = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : ''
  return `${sign}${shown}${seconds}s`
}

/** Without what the arithmetic of floating point leaves behind the ninth digit. */
function trim(value: number): string {
  return String(Number(value.toFixed(9)))
}
