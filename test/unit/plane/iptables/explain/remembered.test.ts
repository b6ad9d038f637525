import { describe, expect, it } from 'vitest'
import { jiffiesIn, listsWith, type Jiffies } from '../../../../../src/plane/iptables/explain/remembered.js'

const timers = (seconds: number, perSecond: number): string =>
  `Timer List Version: v0.10\nHRTIMER_MAX_CLOCK_BASES: 8\nnow at ${seconds}000000000 nsecs\n  .idle_jiffies   : 4299448453\njiffies: ${2 ** 32 + (seconds - 300) * perSecond}\n`

describe('the clock of stamps', () => {
  it.each([100, 250, 300, 1000])('ticks %i times a second', (perSecond) => {
    expect(jiffiesIn(timers(18_000, perSecond))).toEqual({ now: 2 ** 32 + 17_700 * perSecond, perSecond })
  })

  it('is not known where it is not shown, or several would fit', () => {
    expect(jiffiesIn('')).toBeUndefined()
    expect(jiffiesIn(timers(300, 250))).toBeUndefined()
  })
})

describe('a client', () => {
  const clock: Jiffies = { now: 100_000, perSecond: 250 }
  const list = [
    'src=192.0.2.7 ttl: 64 last_seen: 92500 oldest_pkt: 1 92500',
    'src=192.0.2.8 ttl: 64 last_seen: 80000 oldest_pkt: 2 70000, 80000',
    'src=2001:0db8:0000:0000:0000:0000:0000:0001 ttl: 64 last_seen: 99750 oldest_pkt: 1 99750',
    ''
  ].join('\n')
  const found = async (client: string | undefined, known: Jiffies | undefined = clock): Promise<object> =>
    Object.fromEntries(
      await listsWith(
        client,
        new Map([
          ['a', 60],
          ['none', 60],
          ['ever', undefined]
        ] as const),
        {
          readList: (name) => Promise.resolve(name === 'none' ? undefined : list),
          readClock: () => Promise.resolve(known)
        }
      )
    )

  it('is remembered for the time that is left of a list’s', async () => {
    expect(await found('192.0.2.7')).toEqual({ a: 30_000, ever: undefined })
    expect(await found('2001:db8::1')).toEqual({ a: 59_000, ever: undefined })
  })

  it('is not remembered when the time is over, though it is in the list', async () => {
    expect(await found('192.0.2.8')).toEqual({ ever: undefined })
  })

  it('is remembered where the clock is not known', async () => {
    const lists = await listsWith('192.0.2.8', new Map([['a', 60]]), {
      readList: () => Promise.resolve(list),
      readClock: () => Promise.resolve(undefined)
    })
    expect([...lists]).toEqual([['a', undefined]])
  })

  it('that is not said is in no list', async () => {
    expect(await found(undefined)).toEqual({})
  })
})
