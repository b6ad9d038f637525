import type { IncomingMessage, ServerResponse } from 'node:http'
import { ValidationError } from 'netplane'

interface AnswerHead {
  readonly status: number
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What a page answers with a text. */
export interface Answer extends AnswerHead {
  readonly text: string
}

/** What a page answers piece by piece, until who asked is gone. A piece is left out where the last one has not been taken yet. */
export interface StreamedAnswer extends AnswerHead {
  readonly stream: (write: (text: string) => void) => void
}

/** What a page is asked. */
export interface Question {
  readonly method: string
  readonly query: URLSearchParams
  /** What was sent with it; undefined: it is longer than any page takes. */
  readonly body: () => Promise<string | undefined>
  /** Aborted when nobody waits for the answer any more. */
  readonly gone: AbortSignal
}

/** Answers a question. What it throws is answered, too: with 400 where the question is wrong (a ValidationError), else with 500. */
export type Page = (question: Question) => Answer | StreamedAnswer | Promise<Answer>

/** Pages by their paths. */
export type Pages = Readonly<Record<string, Page>>

const PLAIN = 'text/plain; charset=utf-8'
const NOT_FOUND = '404 page not found\n'
const MAX_BODY = 1024

/** An answer of plain text. */
export function plain(text: string, status = 200, headers: Answer['headers'] = {}): Answer {
  return { status, contentType: PLAIN, text, headers }
}

/** An answer of JSON. */
export function json(value: unknown, status = 200, headers: Answer['headers'] = {}): Answer {
  return { status, contentType: 'application/json', text: JSON.stringify(value), headers }
}

/** A page for some methods, which tells those who ask by others. */
export function forMethods(methods: readonly string[], page: Page): Page {
  const text = `${methods.join(' and ')} ${methods.length === 1 ? 'is' : 'are'} answered\n`
  return (question) => (methods.includes(question.method) ? page(question) : plain(text, 405, { allow: methods.join(', ') }))
}

/** The status of a probe. @param countsNode Whether it asks if load balancers may send new connections to this node, too. */
export function probeStatus(
  { isHealthy, isEligible }: { readonly isHealthy: boolean; readonly isEligible: boolean },
  countsNode: boolean
): number {
  return isHealthy && (isEligible || !countsNode) ? 200 : 503
}

/** `/readyz`: 200 once the kernel has held all services since the start, whatever has become of them. */
export function readyPages(isReady: () => boolean): Pages {
  return { '/readyz': forMethods(['GET', 'HEAD'], () => (isReady() ? plain('ok\n') : plain('not synced yet\n', 503))) }
}

/** A number of a query. @throws {ValidationError} It is none, is not within the bounds, or is there more than once. */
export function integerOf(
  { query }: Question,
  name: string,
  bounds: { readonly otherwise: number; readonly min: number; readonly max: number }
): number {
  const { otherwise, min, max } = bounds
  const words = query.getAll(name)
  if (words.length === 0) return otherwise
  const number = words.length === 1 && /^[0-9]{1,9}$/.test(words[0]!) ? Number(words[0]) : NaN
  if (!(number >= min && number <= max)) throw new ValidationError(name, words.join(), `an integer from ${min} to ${max}, once`)
  return number
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    // All of it is taken in any case: who leaves this loop cuts the connection, and the answer with it.
    size += chunk.length
    if (size <= MAX_BODY) chunks.push(chunk)
  }
  return size > MAX_BODY ? undefined : Buffer.concat(chunks).toString()
}

function questionOf(request: IncomingMessage, response: ServerResponse, query: string): Question {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return { method: request.method ?? '', query: new URLSearchParams(query), body: () => readBody(request), gone: gone.signal }
}

async function answerOf(page: Page, asked: Question): Promise<Answer | StreamedAnswer> {
  try {
    return await page(asked)
  } catch (error) {
    if (!(error instanceof ValidationError)) return plain(String(error), 500)
    const { code, path, value, allowed, message } = error
    return json({ code, path, value, allowed, message }, 400)
  }
}

/** Answers a request with the page that it names. Never rejects. @param notFound What there is to say where there is none of this name. */
export async function answerFrom(pages: Pages, request: IncomingMessage, response: ServerResponse, notFound = NOT_FOUND): Promise<void> {
  const [path = '', query = ''] = request.url?.split('?') ?? []
  const asked = questionOf(request, response, query)
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined
  const answer = page === undefined ? plain(notFound, 404) : await answerOf(page, asked)
  const head = { ...answer.headers, 'content-type': answer.contentType, 'x-content-type-options': 'nosniff' }
  if ('stream' in answer) {
    response.writeHead(answer.status, head)
    answer.stream((text) => {
      if (!response.writableNeedDrain) response.write(text)
    })
    return
  }
  response.writeHead(answer.status, { ...head, 'content-length': Buffer.byteLength(answer.text) })
  response.end(asked.method === 'HEAD' ? undefined : answer.text)
}
