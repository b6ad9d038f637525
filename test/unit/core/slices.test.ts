import { setImmediate } from 'node:timers'
import { expect, it } from 'vitest'
import { Slices } from '../../../src/core/slices.js'

/** Counts turns of the event loop. */
class Turns {
  number = 0
  #isOver = false

  constructor() {
    const next = (): void => {
      this.number++
      if (!this.#isOver) setImmediate(next)
    }
    setImmediate(next)
  }

  stop(): void {
    this.#isOver = true
  }
}

function work(milliseconds: number): void {
  for (const until = performance.now() + milliseconds; performance.now() < until;);
}

it('those who work at the same time take turns, and none waits for ever', async () => {
  const turns = new Turns()
  const worked = async (): Promise<number[]> => {
    const slices = new Slices(4)
    const own: number[] = []
    for (let slice = 0; slice < 20; slice++) {
      await slices.turn()
      own.push(turns.number)
      work(4)
      expect(slices.isOver).toBe(true)
    }
    return own
  }
  const all = (await Promise.all([worked(), worked(), worked()])).flat()
  turns.stop()
  expect(new Set(all).size).toBe(all.length)
})

it('those who come faster than one a turn keep nobody waiting for ever', async () => {
  const turns = new Turns()
  const done = new AbortController()
  const long = (async () => {
    const slices = new Slices(1)
    for (let slice = 0; slice < 20; slice++) await slices.turn()
    done.abort()
  })()
  const short: Promise<void>[] = []
  // Three more wait each time: where one alone went on in a turn, there would be two more of them from turn to turn.
  while (!done.signal.aborted && turns.number < 2_000) {
    for (let each = 0; each < 3; each++) short.push(new Slices(1).turn())
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(turns.number).toBeLessThan(2_000)
  await Promise.all([long, ...short])
  turns.stop()
})

it('what begins in the slice of somebody else has what is left of it', async () => {
  const first = new Slices(4)
  await first.turn()
  work(3)
  const second = new Slices(4)
  work(1.1)
  expect([first.isOver, second.isOver]).toEqual([true, true])
})

it('visits every item in its order, and lets the event loop turn in between', async () => {
  const turns = new Turns()
  const seen: [number, number][] = []
  await new Slices(1).each(
    Array.from({ length: 1000 }, (_, index) => index),
    (item, index) => {
      if (item % 64 === 0) work(1.1)
      seen.push([item, index])
    }
  )
  turns.stop()
  expect(seen).toEqual(Array.from({ length: 1000 }, (_, index) => [index, index]))
  expect(turns.number).toBeGreaterThan(5)
})
