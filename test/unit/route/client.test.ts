import { describe, expect, it, vi } from 'vitest'
import { TransactionError } from '../../../src/core/errors.js'
import { type NativeKernel, fakeOf } from '../../../src/core/open.js'
import type { NativeAddressChange, NativeAddressReport, NativeFailure, NativeOutcome } from '../../../src/native/index.js'
import { Route } from '../../../src/route/client.js'
import { describeRow } from '../../../src/route/columns.js'
import type { RouteEvent } from '../../../src/route/watch.js'
import { FakeRouteKernel } from '../../../src/testing/route/kernel.js'

type Answer = NativeOutcome<NativeAddressReport>

/** Ten thousand addresses: five jobs of at most 2048 rows. */
const many = Array.from({ length: 10_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`)
const noErrors = { rows: 0 }

function reportOf(change: NativeAddressChange, more: Partial<NativeAddressReport> = {}): Answer {
  const { rows } = change.columns
  return { value: { linkIndex: 1, errors: noErrors, sent: rows, unknownFrom: rows, systemCalls: 2, ...more } }
}

function errorsOf(rows: readonly number[], errno: number): NativeAddressReport['errors'] {
  const zeros = new Uint32Array(rows.length)
  return {
    rows: rows.length,
    index: Uint32Array.from(rows),
    errno: new Uint32Array(rows.length).fill(errno),
    message: zeros,
    messageTable: ['no'],
    field: zeros,
    fieldTable: ['']
  }
}

/** A client whose changes of addresses are answered by a script; the rest is the fake kernel's. */
async function openScripted(
  ...script: ((change: NativeAddressChange) => Answer)[]
): Promise<{ route: Route; changes: NativeAddressChange[] }> {
  const changes: NativeAddressChange[] = []
  const kernel = new FakeRouteKernel()
  const addon = fakeOf('route', {
    openRoute: async () => {
      const outcome = await kernel.openRoute()
      if (outcome.failure !== undefined) return outcome
      const changeAddresses = (change: NativeAddressChange): Promise<Answer> => {
        const answer = script[changes.length] ?? reportOf
        changes.push(change)
        return Promise.resolve(answer(change))
      }
      return { value: Object.assign(outcome.value, { changeAddresses }) }
    },
    monitorRoute: (options, callback) => kernel.monitorRoute(options, callback)
  })
  return { route: await Route.open({ kernel: addon }), changes }
}

const lost: NativeFailure = { errno: 105, operation: 'recvmmsg', message: 'replies were lost', outcomeUnknown: true }
const caught = (promise: Promise<unknown>): Promise<TransactionError> =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error as TransactionError
  )

async function typeOfNext(events: AsyncIterator<RouteEvent, undefined>): Promise<string | undefined> {
  return (await events.next()).value?.type
}

describe('Route.addAddresses', () => {
  it('goes in pieces, by the index that the name had at first', async () => {
    const { route, changes } = await openScripted()
    expect(await route.addAddresses('lo', many)).toEqual({
      applied: 10_000,
      unchanged: 0,
      refused: [],
      unknown: 0,
      notSent: 0,
      outcomes: many.map(() => 'applied'),
      systemCalls: 10
    })
    expect(changes.map(({ link, columns }) => [link, columns.rows])).toEqual([
      ['lo', 2048],
      [1, 2048],
      [1, 2048],
      [1, 2048],
      [1, 1808]
    ])
    expect(describeRow(changes[4]!.columns, 0)).toBe('10.0.32.0/32')
  })

  it('stops at the signal and says what had been applied', async () => {
    const controller = new AbortController()
    const { route, changes } = await openScripted(reportOf, (change) => {
      controller.abort(new Error('enough'))
      return reportOf(change)
    })
    const error = await caught(route.addAddresses('lo', many, { signal: controller.signal }))
    expect(error).toBeInstanceOf(TransactionError)
    expect(error.cause).toBe(controller.signal.reason)
    expect(error.applied).toHaveLength(4096)
    expect(error.applied.at(-1)).toBe('10.0.15.255/32 on link lo')
    expect(error.message).toContain('4096 applied, 5904 not tried')
    expect(changes).toHaveLength(2)
  })

  it('reports with `isolate` why it stopped, and does not reject', async () => {
    const controller = new AbortController()
    const { route } = await openScripted((change) => {
      controller.abort(new Error('enough'))
      return reportOf(change, { errors: errorsOf([1], 22) })
    })
    const report = await route.addAddresses('lo', many, { signal: controller.signal, onError: 'isolate' })
    expect(report).toMatchObject({ applied: 2047, unknown: 0, notSent: 7952, stopped: controller.signal.reason as Error })
    expect(report.refused.map(({ index }) => index)).toEqual([1])
    expect(report.outcomes.slice(0, 3)).toEqual(['applied', 'refused', 'applied'])
  })

  it('sends nothing when the signal has aborted before', async () => {
    const { route, changes } = await openScripted()
    await expect(route.addAddresses('lo', many, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
    expect(changes).toEqual([])
  })

  it('stops at the deadline and says what had been applied', async () => {
    const { route, changes } = await openScripted((change) => {
      const end = performance.now() + 60
      while (performance.now() < end) {
        // A kernel that takes longer than there is time.
      }
      return reportOf(change)
    })
    const error = await caught(route.addAddresses('lo', many, { deadlineMs: 50 }))
    expect(error.applied).toHaveLength(2048)
    expect(error.cause).toMatchObject({ code: 'ETIMEDOUT' })
    expect(changes).toHaveLength(1)
  })

  it('calls what it cannot know unknown', async () => {
    const { route } = await openScripted((change) => reportOf(change, { sent: 2000, unknownFrom: 1500, stopped: lost }))
    const error = await caught(route.addAddresses('lo', many))
    expect(error.applied).toHaveLength(1500)
    expect(error.unknown).toHaveLength(500)
    expect(error.unknown[0]).toBe('10.0.5.220/32 on link lo')
    expect(error.message).toContain('8000 not tried')
    expect(error.cause).toMatchObject({ code: 'ENOBUFS', outcomeUnknown: true })
  })

  it('accounts for what was applied before the link vanished', async () => {
    const failure = { errno: 19, operation: 'RTM_GETLINK', message: '', outcomeUnknown: false }
    const { route } = await openScripted(reportOf, () => ({ failure }))
    const error = await caught(route.addAddresses('lo', many))
    expect(error.applied).toHaveLength(2048)
    expect(error.cause).toMatchObject({ code: 'ENODEV' })
  })

  it('undoes in atomic mode what is known to be applied, last first, and leaves the unknown', async () => {
    const { route, changes } = await openScripted((change) =>
      reportOf(change, { errors: errorsOf([1], 22), sent: 4, unknownFrom: 3, stopped: lost })
    )
    const error = await caught(
      route.addAddresses('lo', ['10.0.0.1', '10.0.0.2', { address: '10.0.0.3', peer: '10.0.0.9' }, '10.0.0.4'], { onError: 'atomic' })
    )
    expect(changes[1]!.verb).toBe('delete')
    expect([0, 1].map((row) => describeRow(changes[1]!.columns, row))).toEqual(['10.0.0.3/32', '10.0.0.1/32'])
    expect(changes[1]!.columns.peerOffsets).toEqual(Uint32Array.of(0, 4, 4))
    expect(error).toMatchObject({
      applied: [],
      undone: ['10.0.0.1/32 on link lo', '10.0.0.3/32 on link lo'],
      unknown: ['10.0.0.4/32 on link lo']
    })
    expect(error.errors.map(({ code }) => code)).toEqual(['EINVAL'])
  })

  it('says what could not be undone', async () => {
    const { route } = await openScripted(
      (change) => reportOf(change, { errors: errorsOf([0], 17) }),
      (change) => reportOf(change, { errors: errorsOf([0, 1], 22), sent: 3, unknownFrom: 2, stopped: lost })
    )
    const error = await caught(route.addAddresses('lo', ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'], { onError: 'atomic' }))
    expect(error.undone).toEqual([])
    expect(error.applied).toEqual(['10.0.0.2/32 on link lo', '10.0.0.3/32 on link lo', '10.0.0.4/32 on link lo'])
    expect(error.errors.map(({ code }) => code)).toEqual(['EEXIST', 'EINVAL', 'EINVAL', 'ENOBUFS'])
  })

  it('takes an address that another process removed meanwhile for undone', async () => {
    const { route } = await openScripted(
      (change) => reportOf(change, { errors: errorsOf([0], 17) }),
      (change) => reportOf(change, { errors: errorsOf([0], 99) })
    )
    expect(await caught(route.addAddresses('lo', ['10.0.0.1', '10.0.0.2'], { onError: 'atomic' }))).toMatchObject({
      applied: [],
      undone: ['10.0.0.2/32 on link lo']
    })
  })

  it('makes one error of a missing privilege', async () => {
    const { route, changes } = await openScripted((change) =>
      reportOf(change, { errors: errorsOf([...Array(change.columns.rows).keys()], 1) })
    )
    const error = await caught(route.addAddresses('lo', many, { onError: 'isolate' }))
    expect(error).toMatchObject({ name: 'NetlinkError', code: 'EPERM', errno: -1, subject: '10000 addresses on link lo' })
    expect(error.message).toContain('CAP_NET_ADMIN')
    expect(changes).toHaveLength(1)
  })

  it.each([
    ['onError', { onError: 'ignore' }],
    ['deadlineMs', { deadlineMs: 0 }]
  ])('refuses a bad %s', async (_, options) => {
    const { route, changes } = await openScripted()
    await expect(route.addAddresses('lo', ['10.0.0.1'], options as object)).rejects.toMatchObject({ code: 'ERR_NETPLANE_VALIDATION' })
    await expect(route.removeAddresses('lo', ['10.0.0.1'], { onError: 'atomic' } as object)).rejects.toMatchObject({
      path: 'options.onError'
    })
    expect(changes).toEqual([])
  })
})

describe('Route', () => {
  it('says so when it may not change anything', async () => {
    const route = await new FakeRouteKernel({ privileged: false }).open()
    expect(await route.listLinks()).toHaveLength(1)
    for (const call of [
      () => route.addDummy('d0'),
      () => route.updateLink('lo', { up: true }),
      () => route.removeLink('lo'),
      () => route.addAddresses('lo', ['10.0.0.1']),
      () => route.removeAddresses('lo', ['10.0.0.1', '10.0.0.2'], { onError: 'isolate' })
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'EPERM', hint: expect.stringContaining('CAP_NET_ADMIN') as string })
    }
  })

  it('refuses a change that changes nothing', async () => {
    const route = await new FakeRouteKernel().open()
    await expect(route.updateLink('lo', {})).rejects.toMatchObject({ path: 'settings' })
  })

  it('fails as the native side fails', async () => {
    const failure = { errno: 2, operation: 'open', message: '', outcomeUnknown: false }
    const addon = fakeOf('route', { openRoute: () => Promise.resolve({ failure }), monitorRoute: () => Promise.resolve({ failure }) })
    await expect(Route.open({ netns: 'blue', kernel: addon })).rejects.toMatchObject({
      code: 'ENOENT',
      operation: 'route.open',
      subject: 'network namespace /run/netns/blue'
    })
    const kernel = new FakeRouteKernel()
    const route = await Route.open({ kernel: fakeOf('route', { openRoute: () => kernel.openRoute(), monitorRoute: addon.monitorRoute }) })
    await expect(route.watch()).rejects.toMatchObject({ code: 'ENOENT', operation: 'route.watch' })
    await route.close()
  })
})

describe('Route.monitor', () => {
  it('hands over a loss in its place', async () => {
    const kernel = new FakeRouteKernel()
    await using route = await kernel.open()
    const events = await route.watch()
    await route.addAddresses('lo', ['10.0.0.1'])
    kernel.loseEvents()
    await route.removeAddresses('lo', ['10.0.0.1'])
    const types = [await typeOfNext(events), await typeOfNext(events), await typeOfNext(events)]
    expect(types).toEqual(['new', 'lost', 'delete'])
  })

  it('stops reading when the consumer is slow: what is missed is said', async () => {
    const kernel = new FakeRouteKernel()
    await using route = await kernel.open()
    const events = await route.watch({ queueLimit: 4 })
    await route.addAddresses('lo', many.slice(0, 10))
    const seen: (string | undefined)[] = []
    for (let index = 0; index < 5; index += 1) seen.push(await typeOfNext(events))
    expect(seen).toEqual([...Array<string>(4).fill('new'), 'lost'])
  })

  it('closes the native side once, whoever ends it', async () => {
    const kernel = new FakeRouteKernel()
    const close = vi.fn()
    const monitor = { portId: 1, pause: () => undefined, resume: () => undefined, ref: () => undefined, unref: () => undefined, close }
    const addon = fakeOf('route', { openRoute: () => kernel.openRoute(), monitorRoute: () => Promise.resolve({ value: monitor }) })
    const route = await Route.open({ kernel: addon })
    const events = await route.watch()
    await events.return()
    await route.close()
    expect(close).toHaveBeenCalledTimes(1)
  })

  it('ends what was opened while the client was closed', async () => {
    const route = await new FakeRouteKernel().open()
    const opening = route.watch()
    await route.close()
    expect(await (await opening).next()).toEqual({ value: undefined, done: true })
  })

  it('closes what was opened while the signal aborted', async () => {
    const kernel = new FakeRouteKernel()
    const close = vi.fn()
    const controller = new AbortController()
    const monitor = { portId: 1, pause: () => undefined, resume: () => undefined, ref: () => undefined, unref: () => undefined, close }
    const monitorRoute: NativeKernel<'route'>['monitorRoute'] = () => {
      controller.abort(new Error('late'))
      return Promise.resolve({ value: monitor })
    }
    const route = await Route.open({ kernel: fakeOf('route', { openRoute: () => kernel.openRoute(), monitorRoute }) })
    const events = await route.watch({ signal: controller.signal })
    await expect(events.next()).rejects.toThrow('late')
    expect(close).toHaveBeenCalledTimes(1)
    await route.close()
  })

  it.each([
    [{ links: false, addresses: false }, 'options'],
    [{ links: 1 }, 'options.links'],
    [{ queueLimit: 0 }, 'options.queueLimit'],
    [{ receiveBufferBytes: 1 }, 'receiveBufferBytes']
  ])('refuses %j', async (options, path) => {
    await using route = await new FakeRouteKernel().open()
    await expect(route.watch(options as object)).rejects.toMatchObject({ path })
  })
})
