import { ValidationError, type PlaneCounters } from 'netplane'
import { json, plain, refusal, type Pages, type Question } from '../pages.js'
import { LiveStates } from './live.js'
import { CONTENT_SECURITY_POLICY, PAGE } from './page.js'
import { MAX_ROWS, overviewOf, rowsOf, type RowQuery, type UiSources } from './state.js'

/** The kernel is asked again after this time, however many browsers ask. */
const COUNTERS_MS = 1000
const MAX_FIND = 253

/** A number of a query. @throws {ValidationError} */
function numberOf(query: URLSearchParams, name: string, otherwise: number, min: number, max: number): number {
  const word = query.get(name)
  if (word === null) return otherwise
  const number = /^[0-9]{1,9}$/.test(word) ? Number(word) : -1
  if (number < min || number > max) throw new ValidationError(name, word, `an integer from ${min} to ${max}`)
  return number
}

/** @throws {ValidationError} */
function queryOf({ query }: Question): RowQuery {
  const find = query.get('find') ?? ''
  if (find.length > MAX_FIND) throw new ValidationError('find', `${find.slice(0, 20)}…`, `up to ${MAX_FIND} characters`)
  return { from: numberOf(query, 'from', 0, 0, 999_999_999), count: numberOf(query, 'count', 50, 1, MAX_ROWS), find }
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
    '/ui': ({ method }) =>
      method === 'GET' || method === 'HEAD'
        ? {
            status: 200,
            contentType: 'text/html; charset=utf-8',
            text: PAGE,
            headers: { 'content-security-policy': CONTENT_SECURITY_POLICY }
          }
        : plain('GET and HEAD are answered\n', 405, { allow: 'GET, HEAD' }),
    '/ui/events': ({ method, gone }) => {
      if (method !== 'GET') return plain('GET is answered\n', 405, { allow: 'GET' })
      if (!live.hasRoom) return plain('too many browsers watch\n', 503)
      return {
        status: 200,
        contentType: 'text/event-stream',
        headers: { 'cache-control': 'no-store' },
        stream: (write) => live.add(write, gone)
      }
    },
    '/ui/services': async (question) => {
      if (question.method !== 'GET') return plain('GET is answered\n', 405, { allow: 'GET' })
      let query: RowQuery
      try {
        query = queryOf(question)
      } catch (error) {
        return refusal(error as ValidationError)
      }
      return json(rowsOf(sources, query, await counters.get()), 200, { 'cache-control': 'no-store' })
    }
  }
}
