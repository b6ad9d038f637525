/**
 * Threads that carry connections, in the thread of the test: what they do, without a worker of Node.
 */
import { EventEmitter } from 'node:events'
import { loadAddon } from '../../src/native/index.js'
import type { FromThread, ToThread } from '../../src/plane/userspace/relays/threads/messages.js'
import { ThreadPairs } from '../../src/plane/userspace/relays/threads/pairs.js'
import type { ThreadPort } from '../../src/plane/userspace/relays/threads/thread.js'
import type { Relays, RelaySpec } from '../../src/plane/userspace/relays/types.js'

/** A thread that a test can end. */
export interface TestThread extends ThreadPort {
  /** Takes nothing from now on, and tells nothing, as one that has ended. */
  fail(error?: Error): void
}

/** What a test says about a thread. */
export interface TestThreadOptions {
  /** Default: the addon's. */
  readonly duplicate?: (descriptor: number) => number
}

/** Starts one. */
export function startTestThread({ duplicate = (fd) => loadAddon().duplicateDescriptor(fd) }: TestThreadOptions = {}): TestThread {
  const told = new EventEmitter()
  let isOver = false
  const tell = (message: FromThread): void => {
    const copy = structuredClone(message)
    setImmediate(() => {
      if (!isOver) told.emit('message', copy)
    })
  }
  const pairs = new ThreadPairs(duplicate, tell)
  tell({ type: 'ready' })
  const end = (error?: Error): void => {
    if (isOver) return
    isOver = true
    if (error !== undefined) told.emit('error', error)
    told.emit('exit')
  }
  return {
    postMessage: (message: ToThread) => {
      const copy = structuredClone(message)
      setImmediate(() => {
        if (!isOver) pairs.take(copy)
      })
    },
    on: (event: string, listener: (value: never) => void) => told.on(event, listener as (value: unknown) => void),
    terminate: () => {
      end()
      return Promise.resolve()
    },
    // There is none of Node's.
    unref: () => undefined,
    fail: end
  }
}

/** Relays whose threads take connections by the time that one of them listens. @param open Opens them with what starts a thread. */
export function withReadyThreads<T extends { readonly all: Relays }>(start: () => ThreadPort, open: (start: () => ThreadPort) => T): T {
  const ready: Promise<void>[] = []
  const opened = open(() => {
    const thread = start()
    ready.push(new Promise((resolve) => thread.on('message', ({ type }) => type === 'ready' && resolve())))
    return thread
  })
  const { all } = opened
  const listen = async (spec: RelaySpec): Promise<number> => {
    const port = await all.listen(spec)
    await Promise.all(ready)
    return port
  }
  return {
    ...opened,
    all: {
      listen,
      update: (spec) => all.update(spec),
      withdraw: (id) => all.withdraw(id),
      status: () => all.status(),
      close: () => all.close()
    }
  }
}
