import { ValidationError, type PlaneCounters } from 'netplane'
import { forMethods, integerOf, json, plain, type Pages, type Question } from '../pages.js'
import { LiveStates } from './live.js'
import { CONTENT_SECURITY_POLICY, PAGE } from './page.js'
import { MAX_ROWS, overviewOf, rowsOf, type RowQuery, type UiSources } from './state.js'

/** The kernel is asked again after this time, however many browsers ask. */
const COUNTERS_MS = 1000
const MAX_FIND = 253
const NO_STORE = { 'cache-control': 'no-store' }

/** @throws {ValidationError} */
function queryOf(question: Question): RowQuery {
  const find = question.query.get('find') ?? ''
  if (find.length > MAX_FIND) throw new ValidationError('find', `${find.slice(0, 20)}…`, `up to ${MAX_FIND} characters`)
  return {
    from: integerOf(question, 'from', { otherwise: 0, min: 0, max: 999_999_999 }),
    count: integerOf(question, 'count', { otherwise: 50, min: 1, max: MAX_ROWS }),
    find
  }
}

/** Counters, read once for all who ask within a second; undefined: the plane does not count, or cannot be read. */
class SharedCounters {
  readonly #read: () => Promise<PlaneCounters>
  #readAt = -Infinity
  #last: Promise<PlaneCounters | undefined> = Promise.resolve(undefined)

  constructor(read: () => Promise<PlaneCounters>) {
    this.#read = read
  }

  get(): Promise<PlaneCounters | undefined> {
    const now = performance.now()
    if (now - this.#readAt > COUNTERS_MS) {
      this.#readAt = now
      this.#last = this.#read().catch(() => undefined)
    }
    return this.#last
  }
}

/** `/ui`, which shows the proxy at work, and what it is made of: `/ui/events` and `/ui/services`. All of it reads, and nothing changes. */
export function uiPages(sources: UiSources): Pages {
  const live = new LiveStates(() => JSON.stringify(overviewOf(sources)))
  const counters = new SharedCounters(sources.counters)
  return {
    '/ui': forMethods(['GET', 'HEAD'], () => ({
      status: 200,
      contentType: 'text/html; charset=utf-8',
      text: PAGE,
      headers: { 'content-security-policy': CONTENT_SECURITY_POLICY }
    })),
    '/ui/events': forMethods(['GET'], ({ gone }) => {
      if (!live.hasRoom) return plain('too many browsers watch\n', 503)
      return { status: 200, contentType: 'text/event-stream', headers: NO_STORE, stream: (write) => live.add(write, gone) }
    }),
    '/ui/services': forMethods(['GET'], async (question) => {
      const query = queryOf(question)
      return json(rowsOf(sources, query, await counters.get()), 200, NO_STORE)
    })
  }
}
