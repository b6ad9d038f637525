import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Pace } from '../../../src/nftables/pace.js'

const KIB = 1024
const MIB = 1024 * KIB

describe('a pace of 100 ms', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
  afterEach(() => void vi.useRealTimers())

  /** Lets a transaction be sent, and end so much later. */
  function lasts(pace: Pace, bytes: number, ms: number): void {
    const sentAt = performance.now()
    vi.advanceTimersByTime(ms)
    pace.ended(bytes, sentAt)
  }

  it('begins with one mebibyte', () => {
    expect(new Pace(100).maxBytes).toBe(MIB)
  })

  it('is as large as takes that long', () => {
    const pace = new Pace(100)
    lasts(pace, MIB, 10)
    expect(pace.maxBytes).toBe(10 * MIB)
  })

  it('becomes smaller at once and larger by and by', () => {
    const pace = new Pace(100)
    lasts(pace, MIB, 10)
    lasts(pace, 10 * MIB, 400)
    expect(pace.maxBytes).toBe(2.5 * MIB)
    lasts(pace, 2.5 * MIB, 25)
    expect(pace.maxBytes).toBe(6.25 * MIB)
  })

  it('takes no notice of small transactions', () => {
    const pace = new Pace(100)
    lasts(pace, MIB, 10)
    lasts(pace, 128 * KIB, 500)
    expect(pace.maxBytes).toBe(10 * MIB)
  })

  it('comes back after a transaction that others have held up', () => {
    const pace = new Pace(100)
    lasts(pace, 512 * KIB, 2000)
    expect(pace.maxBytes).toBe(64 * KIB)
    lasts(pace, 64 * KIB, 2)
    expect(pace.maxBytes).toBeGreaterThan(MIB)
  })

  it('does not count the time behind the transaction before', () => {
    const pace = new Pace(100)
    const sentAt = performance.now()
    lasts(pace, MIB, 10)
    vi.advanceTimersByTime(10)
    pace.ended(MIB, sentAt)
    expect(pace.maxBytes).toBe(10 * MIB)
  })
})
