import { describe, expect, it } from 'vitest'
import { EventStream } from '../../../../src/core/events/stream.js'
import { rejection } from '../../../support/rejection.js'

/** A stream, and what it did to its source. */
function open(options: { limit?: number; signal?: AbortSignal } = {}): { stream: EventStream<number>; done: string[] } {
  const done: string[] = []
  const stream = new EventStream<number>(
    { pause: () => done.push('pause'), resume: () => done.push('resume'), close: () => done.push('close') },
    options
  )
  return { stream, done }
}

describe('event stream', () => {
  it('hands events over in order, those that wait and those that come', async () => {
    const { stream } = open()
    stream.push(1)
    stream.push(2)
    expect(stream.size).toBe(2)
    expect(await stream.next()).toEqual({ value: 1, done: false })
    expect(await stream.next()).toEqual({ value: 2, done: false })
    const waiting = [stream.next(), stream.next()]
    stream.push(3)
    stream.push(4)
    expect(await Promise.all(waiting)).toEqual([
      { value: 3, done: false },
      { value: 4, done: false }
    ])
  })

  it('pauses its source while too many wait, and resumes when half are gone', async () => {
    const { stream, done } = open({ limit: 4 })
    for (const event of [1, 2, 3, 4, 5, 6]) stream.push(event)
    expect(done).toEqual(['pause'])
    for (const expected of [1, 2, 3]) expect((await stream.next()).value).toBe(expected)
    expect(done).toEqual(['pause'])
    expect((await stream.next()).value).toBe(4)
    expect(done).toEqual(['pause', 'resume'])
    for (const event of [7, 8]) stream.push(event)
    expect(done).toEqual(['pause', 'resume', 'pause'])
  })

  it('closes its source when the consumer leaves the loop, once', async () => {
    const { stream, done } = open()
    for (const event of [1, 2, 3]) stream.push(event)
    for await (const event of stream) if (event === 2) break
    expect(done).toEqual(['close'])
    stream.push(4)
    expect(await stream.next()).toEqual({ value: undefined, done: true })
    await stream.return()
    stream.end()
    expect(done).toEqual(['close'])
  })

  it('gives what waits before it ends', async () => {
    const { stream } = open()
    stream.push(1)
    stream.end()
    const seen: number[] = []
    for await (const event of stream) seen.push(event)
    expect(seen).toEqual([1])
  })

  it('ends those who wait', async () => {
    const { stream } = open()
    const waiting = [stream.next(), stream.next()]
    stream.end()
    expect(await Promise.all(waiting)).toEqual([
      { value: undefined, done: true },
      { value: undefined, done: true }
    ])
  })

  it('throws a failure once, after what waits', async () => {
    const { stream, done } = open()
    stream.push(1)
    stream.fail(new Error('gone'))
    expect(done).toEqual(['close'])
    expect((await stream.next()).value).toBe(1)
    expect((await rejection(stream.next())).message).toBe('gone')
    expect(await stream.next()).toEqual({ value: undefined, done: true })
  })

  it('throws a failure to the first who waits', async () => {
    const { stream } = open()
    const [first, second] = [stream.next(), stream.next()]
    stream.fail(new Error('gone'))
    expect((await rejection(first)).message).toBe('gone')
    expect(await second).toEqual({ value: undefined, done: true })
  })

  it('throws the reason of its signal, also of one that had aborted', async () => {
    const controller = new AbortController()
    const { stream, done } = open({ signal: controller.signal })
    const waiting = stream.next()
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await rejection(waiting)).toBe(reason)
    expect(done).toEqual(['close'])
    const late = open({ signal: AbortSignal.abort(reason) })
    expect(late.done).toEqual(['close'])
    expect(await rejection(late.stream.next())).toBe(reason)
  })

  it('is closed by await using', async () => {
    const { stream, done } = open()
    {
      await using held = stream
      held.push(1)
    }
    expect(done).toEqual(['close'])
  })

  it('keeps its order and memory over many events', async () => {
    const { stream } = open({ limit: 1e9 })
    let next = 0
    let expected = 0
    for (let round = 0; round < 200; round += 1) {
      for (let count = 0; count < 50; count += 1) stream.push(next++)
      for (let count = 0; count < 45; count += 1) expect((await stream.next()).value).toBe(expected++)
    }
    expect(stream.size).toBe(1000)
  })
})
