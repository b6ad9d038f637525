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

it('takes changes alone to the plane after the first sync, and the whole again after a failure', async () => {
  const calls: unknown[] = []
  let fails = false
  const service = (name: string): Service => ({ name }) as unknown as Service
  const plane = {
    sync: (services: ReadonlyMap<string, Service>) => {
      calls.push(['sync', [...services.keys()]])
      return Promise.resolve({} as SyncReport)
    },
    update: ({ set, delete: gone }: { set: Service[]; delete: string[] }) => {
      calls.push(['update', set.map(({ name }) => name), gone])
      return fails ? Promise.reject(new Error('no')) : Promise.resolve({} as SyncReport)
    },
    status: () => ({ quarantined: [{ service: 'q' }] })
  }
  const keeper = new Keeper(plane as unknown as Plane, { synced: () => undefined, failed: () => undefined })
  const desired = new Map(['a', 'b', 'q'].map((name) => [name, service(name)]))
  const last = async (count = 1): Promise<unknown> => {
    await vi.waitFor(() => expect(calls).toHaveLength(count))
    await new Promise((resolve) => setTimeout(resolve, 5))
    return calls.splice(0)
  }
  // Changes before the first sync do not make it a part.
  keeper.want(desired, ['a'])
  expect(await last()).toEqual([['sync', ['a', 'b', 'q']]])
  desired.delete('b')
  keeper.want(desired, ['b'])
  expect(await last()).toEqual([['update', ['q'], ['b']]])
  fails = true
  keeper.want(desired, ['a'])
  expect(await last(2)).toEqual([
    ['update', ['a', 'q'], []],
    ['sync', ['a', 'q']]
  ])
  await keeper.stop()
})

it('waits longer than one timer can between two syncs', async () => {
  const sync = vi.fn(() => Promise.resolve({} as SyncReport))
  const pace = { minSyncMs: 30 * 86_400_000, maxRetryMs: 30_000 }
  const keeper = new Keeper({ sync } as unknown as Plane, { synced: () => undefined, failed: () => undefined }, pace)
  keeper.want(new Map())
  await vi.waitFor(() => expect(sync).toHaveBeenCalledOnce())
  keeper.want(new Map())
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(sync).toHaveBeenCalledOnce()
  await keeper.stop()
})
