import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ClosedError, NetplaneError } from '../../../src/core/errors.js'
import { JobQueue } from '../../../src/core/job-queue.js'
import type { RequestTrace } from '../../../src/core/tracing.js'
import { rejection } from '../../support/rejection.js'

function pending<T>(): { readonly job: () => Promise<T>; readonly finish: (value: T) => void; readonly hasBegun: () => boolean } {
  let finish: (value: T) => void = () => undefined
  let begun = false
  const promise = new Promise<T>((resolve) => (finish = resolve))
  const job = (): Promise<T> => {
    begun = true
    return promise
  }
  return { job, finish: (value) => finish(value), hasBegun: () => begun }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('job queue', () => {
  it('keeps no result once it has been handed over', async () => {
    const queue = new JobQueue('the client', 1000)
    const result = new WeakRef(await queue.run('test', {}, () => Promise.resolve({ listed: 'much' })))
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    await new Promise((resolve) => setTimeout(resolve, 10))
    collectGarbage()
    expect(result.deref()).toBeUndefined()
  })

  it('runs jobs one at a time, in call order', async () => {
    const queue = new JobQueue('the client', 1000)
    const order: string[] = []
    const first = pending<string>()
    const results = [
      queue.run('a', {}, first.job),
      queue.run('b', {}, () => Promise.resolve(void order.push('b'))),
      queue.run('c', {}, () => Promise.resolve(void order.push('c')))
    ]
    await turn()
    expect(order).toEqual([])
    first.finish('done')
    await Promise.all(results)
    expect(await results[0]).toBe('done')
    expect(order).toEqual(['b', 'c'])
  })

  it('goes on after a job that rejects, and after one that throws', async () => {
    const queue = new JobQueue('the client', 1000)
    const failing = queue.run('a', {}, () => Promise.reject(new Error('a')))
    const throwing = queue.run('b', {}, () => {
      throw new Error('b')
    })
    const last = queue.run('c', {}, () => Promise.resolve('c'))
    expect((await rejection(failing)).message).toBe('a')
    expect((await rejection(throwing)).message).toBe('b')
    expect(await last).toBe('c')
  })

  it('says at the deadline that the outcome is unknown, and refuses work until the job has returned', async () => {
    const queue = new JobQueue('the client', 1000)
    const slow = pending<undefined>()
    const error = await rejection<NetplaneError>(queue.run('slow', { deadlineMs: 10 }, slow.job))
    expect(error).toBeInstanceOf(NetplaneError)
    expect(error.code).toBe('ERR_NETPLANE_DEADLINE')
    expect(error.message).toContain('outcome is unknown')
    const busy = await rejection<NetplaneError>(queue.run('next', {}, () => Promise.resolve()))
    expect(busy.code).toBe('ERR_NETPLANE_BUSY')
    expect(busy.message).toContain('slow')
    slow.finish(undefined)
    await turn()
    expect(await queue.run('next', {}, () => Promise.resolve('works'))).toBe('works')
  })

  it('does not let a job wait for others longer than its deadline, and then does not begin it', async () => {
    const queue = new JobQueue('the client', 10_000)
    const slow = pending<undefined>()
    const first = queue.run('slow', {}, slow.job)
    const waiting = pending<undefined>()
    const error = await rejection<NetplaneError>(queue.run('waiting', { deadlineMs: 20 }, waiting.job))
    expect(error.code).toBe('ERR_NETPLANE_BUSY')
    expect(error.message).toContain('was not sent')
    const last = queue.run('last', {}, () => Promise.resolve('last'))
    await turn()
    slow.finish(undefined)
    await first
    expect(await last).toBe('last')
    expect(waiting.hasBegun()).toBe(false)
  })

  it('cancels at once what has not begun, and never what has', async () => {
    const queue = new JobQueue('the client', 1000)
    const running = pending<string>()
    const controller = new AbortController()
    const reason = new Error('enough')
    const first = queue.run('first', { signal: controller.signal }, running.job)
    const waiting = pending<undefined>()
    const second = queue.run('second', { signal: controller.signal }, waiting.job)
    await turn()
    controller.abort(reason)
    expect(await rejection(second)).toBe(reason)
    expect(await rejection(queue.run('third', { signal: controller.signal }, waiting.job))).toBe(reason)
    running.finish('committed')
    expect(await first).toBe('committed')
    expect(waiting.hasBegun()).toBe(false)
    expect(await queue.run('fourth', {}, () => Promise.resolve(4))).toBe(4)
  })

  it('waits for its jobs when it closes, once, and refuses later ones', async () => {
    const queue = new JobQueue('the client', 1000)
    const running = pending<string>()
    const job = queue.run('a', {}, running.job)
    let released = 0
    const release = (amount: number) => async (): Promise<void> => {
      await turn()
      released += amount
    }
    const closings = [queue.close(release(1)), queue.close(release(10))]
    const error = await rejection(queue.run('b', {}, () => Promise.resolve()))
    expect(error).toBeInstanceOf(ClosedError)
    expect(error.message).toBe('the client is closed')
    await turn()
    expect(released).toBe(0)
    running.finish('a')
    await Promise.all(closings)
    expect(released).toBe(1)
    expect(await job).toBe('a')
  })

  it('tells those who trace how long each job took and waited, and what it threw', async () => {
    const traces: RequestTrace[] = []
    const listen = (trace: unknown): void => void traces.push(trace as RequestTrace)
    subscribe('netplane:request', listen)
    onTestFinished(() => void unsubscribe('netplane:request', listen))
    const queue = new JobQueue('the client', 1000)
    await queue.run('fine', {}, () => Promise.resolve())
    const error = await rejection(queue.run('wrong', {}, () => Promise.reject(new Error('x'))))
    expect(traces.map(({ operation }) => operation)).toEqual(['fine', 'wrong'])
    expect(traces[0]!.durationMs).toBeGreaterThanOrEqual(0)
    expect(traces[0]).not.toHaveProperty('error')
    expect(traces[1]!.error).toBe(error)
  })
})
