import { expect, it, onTestFinished, vi } from 'vitest'
import type { Plane, Service, SyncReport } from 'netplane'
import { Keeper } from '../../../../examples/proxy/keeper.js'

it('counts from the oldest change that the kernel does not have, however many come after it', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  let end: { readonly well: () => void; readonly badly: () => void } | undefined
  const sync = (): Promise<SyncReport> =>
    new Promise((resolve, reject) => (end = { well: () => resolve({} as SyncReport), badly: () => reject(new Error('no')) }))
  const keeper = new Keeper({ sync } as unknown as Plane, { synced: () => undefined, failed: () => undefined })
  const wait = (milliseconds: number): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds)
  const want = (): void => keeper.want(new Map<string, Service>())
  want()
  await wait(40)
  expect(keeper.lagMs).toBe(40)
  // Changes without end: there is always one that waits, but none waits for long.
  for (let round = 0; round < 10; round++) {
    want()
    await wait(5)
    want()
    end!.well()
    await wait(20)
    expect(keeper.lagMs).toBe(25)
  }
  end!.well()
  await wait(0)
  expect(keeper.lagMs).toBe(0)
  // What fails waits on, and newer changes with it.
  want()
  await wait(5)
  end!.badly()
  await wait(0)
  want()
  await wait(100)
  expect(keeper.lagMs).toBe(105)
  await keeper.stop()
})
