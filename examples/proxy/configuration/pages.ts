import type { IncomingMessage, ServerResponse } from 'node:http'

/** What a page answers. */
export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly text: string
  readonly headers?: Readonly<Record<string, string>>
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

/** Pages by their paths. */
export type Pages = Readonly<Record<string, (question: Question) => Answer | Promise<Answer>>>

const PLAIN = 'text/plain; charset=utf-8'
const NOT_FOUND: Answer = { status: 404, contentType: PLAIN, text: '404 page not found\n' }
const MAX_BODY = 1024

/** An answer of plain text. */
export function plain(text: string, status = 200, headers: Answer['headers'] = {}): Answer {
  return { status, contentType: PLAIN, text, headers }
}

/** An answer of JSON. */
export function json(value: unknown, status = 200, headers: Answer['headers'] = {}): Answer {
  return { status, contentType: 'application/json', text: JSON.stringify(value), headers }
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

/** Answers a request with the page that it names. */
export async function answerFrom(pages: Pages, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = '', query = ''] = request.url?.split('?') ?? []
  const asked = questionOf(request, response, query)
  const { status, contentType, text, headers } = Object.hasOwn(pages, path) ? await pages[path]!(asked) : NOT_FOUND
  response.writeHead(status, {
    ...headers,
    'content-type': contentType,
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(text)
  })
  response.end(asked.method === 'HEAD' ? undefined : text)
}
