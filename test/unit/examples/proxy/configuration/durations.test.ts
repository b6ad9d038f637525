import { expect, it } from 'vitest'
import { formatDuration, parseDuration } from '../../../../../examples/proxy/configuration/durations.js'

it('reads and writes durations as Go does', () => {
  const both: readonly [text: string, ms: number, written: string][] = [
    ['0', 0, '0s'],
    ['0s', 0, '0s'],
    ['24h', 86_400_000, '24h0m0s'],
    ['15m', 900_000, '15m0s'],
    ['1h30m', 5_400_000, '1h30m0s'],
    ['90s', 90_000, '1m30s'],
    ['1.5s', 1500, '1.5s'],
    ['250ms', 250, '250ms'],
    ['-2s', -2000, '-2s'],
    ['1500us', 1.5, '1.5ms'],
    ['7ns', 7e-6, '7ns']
  ]
  for (const [text, ms, written] of both) {
    expect(parseDuration(text), text).toBeCloseTo(ms, 9)
    expect(formatDuration(ms), text).toBe(written)
  }
  for (const text of ['', '5', 's', '1h 5m', '5 s', '1d', '+', '1e3s', '999999999999h']) expect(parseDuration(text), text).toBeUndefined()
})
