import { randomBytes } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it, onTestFinished, vi } from 'vitest'
import { ApiError } from '../../../../../examples/proxy/sources/api/errors.js'
import { EventRecorder, RECORDER_DEFAULTS, type RecorderOptions } from '../../../../../examples/proxy/sources/api/recorder.js'
import type { ObjectNotice } from '../../../../../examples/proxy/sources/types.js'

const FAST: RecorderOptions = {
  ...RECORDER_DEFAULTS,
  qps: -1,
  firstPauseMs: 1000,
  maxPauseMs: 4000,
  backoff: { firstMs: 1, maxMs: 1, resetMs: 1 }
}

interface Sent {
  readonly verb: 'create' | 'patch'
  readonly path: string
  readonly object: Record<string, unknown>
}

/** A recorder whose clock stands, and what it sends. */
function open(options: Partial<RecorderOptions> = {}): {
  readonly recorder: EventRecorder
  readonly sent: Sent[]
  readonly errors: string[]
  /** How the next requests are answered, in their order; all others are taken. */
  readonly answers: (Error | Promise<void>)[]
  readonly wait: (ms: number) => void
  /** Tells something, and waits until nothing is under way. */
  readonly tell: (...notices: readonly ObjectNotice[]) => Promise<void>
} {
  const [sent, errors, answers]: [Sent[], string[], (Error | Promise<void>)[]] = [[], [], []]
  let now = 0
  const take =
    (verb: Sent['verb']) =>
    async (path: string, object: object): Promise<void> => {
      sent.push({ verb, path, object: object as Record<string, unknown> })
      const next = answers.shift()
      if (next instanceof Error) throw next
      await next
    }
  const client = { create: take('create'), patch: take('patch'), waited: () => undefined }
  const failed = (error: Error): unknown => errors.push(error.message)
  const recorder = new EventRecorder(client, 'node-a', failed, { ...FAST, ...options }, () => now)
  onTestFinished(() => recorder.close())
  const tell = async (...notices: readonly ObjectNotice[]): Promise<void> => {
    for (const notice of notices) recorder.record(notice)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  return { recorder, sent, errors, answers, wait: (ms) => (now += ms), tell }
}

function notice(name: string, note = 'Port http is not served.', uid = `uid-${name}`): ObjectNotice {
  const metadata = { name, namespace: 'shop', uid, resourceVersion: '7' }
  return { type: 'Warning', reason: 'FailedToProgramService', action: 'Program', object: { kind: 'Service', metadata }, note }
}

const PATH = '/apis/events.k8s.io/v1/namespaces/shop/events'
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/) as string
const refused = (status: number, details: object = {}): ApiError => new ApiError(`refused with ${status}`, { status, ...details })
const countsOf = (sent: readonly Sent[]): unknown[] =>
  sent.map(({ verb, object }) => [verb, (object['series'] as { count?: number } | undefined)?.count])

it('sends an Event that names the object, who tells it, and why', async () => {
  const { sent, tell } = open()
  await tell(notice('web'))
  expect(sent).toEqual([
    {
      verb: 'create',
      path: PATH,
      object: {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name: expect.stringMatching(/^web\.[0-9a-f]{16}$/) as string, namespace: 'shop' },
        eventTime: TIME,
        reportingController: 'netplane-proxy',
        reportingInstance: 'node-a',
        type: 'Warning',
        reason: 'FailedToProgramService',
        action: 'Program',
        regarding: { apiVersion: 'v1', kind: 'Service', namespace: 'shop', name: 'web', uid: 'uid-web', resourceVersion: '7' },
        note: 'Port http is not served.'
      }
    }
  ])
})

it('tells again and again what is one thing as a series of one Event, more and more rarely', async () => {
  const { recorder, sent, wait, tell } = open()
  await tell(notice('web'))
  for (let second = 0; second < 16; second++) {
    wait(1000)
    await tell(notice('web'))
  }
  // After 1 s, 2 s, 4 s, and no more rarely than that.
  expect(countsOf(sent)).toEqual([
    ['create', undefined],
    ['patch', 2],
    ['patch', 4],
    ['patch', 8],
    ['patch', 12],
    ['patch', 16]
  ])
  const { name } = sent[0]!.object['metadata'] as { name: string }
  expect(sent[1]).toEqual({ verb: 'patch', path: `${PATH}/${name}`, object: { series: { count: 2, lastObservedTime: TIME } } })
  expect(recorder.size).toBe(1)
})

it('takes another cause, another Service of the name and another reason for another thing', async () => {
  const { sent, tell } = open()
  const one = notice('web')
  await tell(one, notice('web', 'Port dns is not served.'), notice('web', one.note, 'uid-later'), { ...one, reason: 'NodePortTaken' })
  expect(sent.map(({ verb }) => verb)).toEqual(['create', 'create', 'create', 'create'])
  expect(new Set(sent.map(({ object }) => (object['metadata'] as { name: string }).name)).size).toBe(4)
})

it('tells of a Node as kubelets do, and of an object without a namespace in the default one', async () => {
  const { sent, tell } = open()
  const node = { kind: 'Node', metadata: { name: 'node-a', uid: 'u', namespace: null } } as const
  await tell({ ...notice('x'), type: 'Normal', reason: 'Starting', object: node })
  await tell({ ...notice('x'), object: { kind: 'EndpointSlice', metadata: { name: 'web-1' } } })
  expect(sent.map(({ path, object }) => [path, object['metadata'], object['regarding']])).toEqual([
    [
      PATH.replace('shop', 'default'),
      { name: expect.any(String) as string, namespace: 'default' },
      { apiVersion: 'v1', kind: 'Node', name: 'node-a', uid: 'node-a' }
    ],
    [
      PATH.replace('shop', 'default'),
      { name: expect.any(String) as string, namespace: 'default' },
      { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', name: 'web-1' }
    ]
  ])
})

it('keeps to the lengths that a server takes, and lets no terminal obey a note', async () => {
  const { sent, tell } = open()
  const name = `${'n'.repeat(235)}.${'m'.repeat(17)}`
  await tell({ ...notice(name), note: `\u001b[2J${'ü'.repeat(1000)}` })
  const { metadata, note } = sent[0]!.object as { metadata: { name: string }; note: string }
  expect(metadata.name).toMatch(/^n{235}\.[0-9a-f]{16}$/)
  expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024)
  expect(Buffer.byteLength(note)).toBeGreaterThan(1020)
  expect(note).toMatch(/^\\u001b\[2Jü+…$/)
  await tell({ ...notice('exact'), note: 'x'.repeat(1024) })
  expect(sent[1]!.object['note']).toBe('x'.repeat(1024))
})

it('remembers what an Event takes of an object and a note, and not all of them', async () => {
  const { recorder, tell } = open({ qps: 0.001, burst: 1, maxEvents: 200 })
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const before = process.memoryUsage().heapUsed
  for (let index = 0; index < 200; index++) {
    const { object, ...rest } = notice(`s${index}`, `Port ${index} is not served: ${randomBytes(100_000).toString('hex')}`)
    const spec = { type: randomBytes(100_000).toString('hex') }
    recorder.record({ ...rest, object: { kind: 'Service', metadata: object.metadata, spec } })
  }
  await tell()
  collect()
  expect(recorder.size).toBe(200)
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(8_000_000)
})

it('remembers so many Events and no more, of one object and of all', async () => {
  const { recorder, sent, tell } = open({ maxEvents: 20, maxPerObject: 3 })
  await tell(...Array.from({ length: 10 }, (_, index) => notice('web', `cause ${index}`)))
  expect(sent).toHaveLength(3)
  await tell(...Array.from({ length: 100 }, (_, index) => notice(`s${index}`)))
  expect([sent.length, recorder.size]).toEqual([20, 20])
})

it('sends no more than so many requests in a second', async () => {
  const { sent, tell } = open({ qps: 0.001, burst: 3 })
  await tell(...Array.from({ length: 10 }, (_, index) => notice(`s${index}`)))
  expect(sent).toHaveLength(3)
})

it('forgets what is over, tells its last count before, and begins anew when it comes again', async () => {
  const { recorder, sent, wait, tell } = open({ sweepMs: 5, finishMs: 10_000 })
  await tell(notice('web'), notice('web'), notice('web'))
  // The first request has what was known when it was sent.
  expect(countsOf(sent)).toEqual([['create', 3]])
  const told = sent.length
  wait(500)
  await tell(notice('web'))
  expect(sent).toHaveLength(told)
  wait(10_001)
  await vi.waitFor(() => expect(countsOf(sent).at(-1)).toEqual(['patch', 4]))
  await vi.waitFor(() => expect(recorder.size).toBe(0))
  await tell(notice('web'))
  expect(countsOf(sent).at(-1)).toEqual(['create', undefined])
})

it('makes an Event anew that the server has forgotten, with its series', async () => {
  const { sent, answers, errors, wait, tell } = open()
  await tell(notice('web'))
  answers.push(refused(404))
  wait(1000)
  await tell(notice('web'))
  expect(countsOf(sent)).toEqual([
    ['create', undefined],
    ['patch', 2],
    ['create', 2]
  ])
  const names = sent.map(({ object }) => (object['metadata'] as { name: string } | undefined)?.name)
  expect(names[2]).not.toBe(names[0])
  expect(errors).toEqual([])
})

it('takes an Event for made that is there already: the answer to its making was lost', async () => {
  const { sent, answers, errors, wait, tell } = open()
  answers.push(new Error('cut'), refused(409))
  await tell(notice('web'))
  expect(countsOf(sent)).toEqual([
    ['create', undefined],
    ['create', undefined]
  ])
  wait(1000)
  await tell(notice('web'))
  expect(countsOf(sent).at(-1)).toEqual(['patch', 2])
  expect(errors).toEqual(['cut'])
})

it('makes an Event later where the server could not count it, which it says with the status of what is there already', async () => {
  const { sent, answers, tell } = open()
  answers.push(refused(409, { reason: 'Conflict' }))
  await tell(notice('web'))
  await vi.waitFor(() => expect(sent.map(({ verb }) => verb)).toEqual(['create', 'create']))
})

it('goes on when the server does, and says once that it did not', async () => {
  const { sent, answers, errors, tell } = open()
  answers.push(new Error('away'), refused(500), refused(429, { retryAfterMs: 1 }), new Error('away'))
  await tell(notice('a'), notice('b'))
  await vi.waitFor(() => expect(sent).toHaveLength(6))
  expect(errors).toEqual(['away'])
  // What was refused first comes after the others.
  expect(sent.map(({ object }) => (object['regarding'] as { name: string }).name).slice(0, 2)).toEqual(['a', 'b'])
  answers.push(new Error('away again'))
  await tell(notice('c'))
  expect(errors).toEqual(['away', 'away again'])
})

it('says once that the right is missing, and asks again after a long while', async () => {
  const { sent, answers, errors, wait, tell } = open({ forbiddenMs: 150, sweepMs: 5 })
  answers.push(refused(403), refused(403))
  await tell(notice('a'), notice('b'))
  await tell(notice('c'))
  expect(sent).toHaveLength(1)
  wait(150)
  await tell()
  expect(sent).toHaveLength(2)
  wait(150)
  await vi.waitFor(() => expect(sent).toHaveLength(5))
  expect(errors).toEqual(['the right to create and patch events of events.k8s.io is missing: refused with 403'])
})

it('asks soon again at first: a server that has just started does not know all rights', async () => {
  const { sent, answers, wait, tell } = open({ firstForbiddenMs: 100, forbiddenMs: 350, sweepMs: 5 })
  answers.push(...Array.from({ length: 4 }, () => refused(403)))
  await tell(notice('a'))
  for (const [index, pauseMs] of [100, 200, 350, 350].entries()) {
    wait(pauseMs - 1)
    await tell()
    expect(sent).toHaveLength(index + 1)
    wait(1)
    await tell()
    expect(sent).toHaveLength(index + 2)
  }
})

it('keeps back no Event of another namespace where the right is missing in one', async () => {
  const { sent, answers, tell } = open()
  const other = notice('b')
  const metadata = { ...other.object.metadata, namespace: 'bank' }
  answers.push(refused(403))
  await tell(notice('a'), { ...other, object: { kind: 'Service', metadata } }, notice('c'))
  expect(sent.map(({ path }) => path)).toEqual([PATH, PATH.replace('shop', 'bank')])
})

it('gives up what would be refused again, and is silent of a namespace that is going', async () => {
  const { sent, answers, errors, wait, tell } = open()
  answers.push(refused(422), refused(403, { isTerminating: true }))
  await tell(notice('a'), notice('b'))
  wait(5000)
  await tell(notice('a'), notice('c'))
  expect(sent.map(({ object }) => (object['regarding'] as { name: string }).name)).toEqual(['a', 'b', 'c'])
  expect(errors).toEqual(['refused with 422'])
})

it('ends while it sends, and while it waits', async () => {
  const sending = open()
  let answer: (() => void) | undefined
  sending.answers.push(new Promise((resolve) => (answer = resolve)))
  await sending.tell(notice('a'), notice('b'))
  const ended = sending.recorder.close()
  answer!()
  await ended
  sending.recorder.record(notice('c'))
  expect(sending.sent).toHaveLength(1)
  const waiting = open()
  waiting.answers.push(refused(429, { retryAfterMs: 60_000 }))
  await waiting.tell(notice('a'))
  const began = performance.now()
  await waiting.recorder.close()
  expect(performance.now() - began).toBeLessThan(5000)
})
