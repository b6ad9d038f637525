import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Agent, ProxyAgent, request, type Dispatcher } from 'undici'
import type { ApiAccess, Identity } from '../access/types.js'
import { ApiError, describeAnswer, describeText, located, LostError, parseRetryAfter } from './errors.js'
import { ACCEPTED, encodingOf, type Encoding } from './encoding/choose.js'
import type { EventReader } from './encoding/types.js'
import type { ApiResource } from './resources.js'
import { describeCertificate } from './program-certificate.js'
import { CLIENT_DEFAULTS, RateLimit, type ApiClientOptions } from './rate.js'
import type { RequestCount, RequestMeasure, SourceListener } from '../types.js'

/** JSON.parse takes texts of half a gigabyte. */
const MAX_LIST_BYTES = 256 * 1024 * 1024
const MAX_ERROR_BYTES = 64 * 1024
const KEEPALIVE_MS = 30_000
/** What is unpacked at a time. */
const UNPACKED_BYTES = 64 * 1024

type Query = Readonly<Record<string, string | undefined>>

/** The bytes of an answer, as they come. */
export interface ApiStream extends AsyncIterable<Buffer> {
  destroy(): unknown
}

/** An answer of objects. */
interface Answer {
  readonly stream: ApiStream
  readonly encoding: Encoding
}

/** The bytes of a watch, and what reads them. */
export interface ApiWatch {
  readonly stream: ApiStream
  readonly events: EventReader
}

/** What a connection is made with; a change of it needs new connections. */
interface TlsSettings {
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
}

function dispatcherFor(
  { proxy, server, tlsServerName, insecureSkipTlsVerify }: ApiAccess,
  tls: TlsSettings,
  connectMs: number
): Dispatcher {
  const common = { timeout: connectMs, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS }
  const given = Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined))
  const secure = {
    ...common,
    ...given,
    ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
    rejectUnauthorized: !insecureSkipTlsVerify
  }
  // One connection for each watch, and one for lists.
  if (proxy === undefined) return new Agent({ connect: server.protocol === 'https:' ? secure : common })
  return new ProxyAgent({ uri: proxy.href, requestTls: secure, proxyTls: common })
}

/** The bytes that an answer stands for. Both streams end together: also where one is destroyed or fails. */
function unpack(body: Readable, encoding: string | string[] | undefined): ApiStream {
  if (encoding !== 'gzip') return body
  const unpacked = createGunzip({ chunkSize: UNPACKED_BYTES })
  body.on('error', (error) => unpacked.destroy(error))
  unpacked.on('close', () => body.destroy())
  return body.pipe(unpacked)
}

/** Gives an answer to `take`, piece by piece. @returns Its bytes. @throws LostError It is too long. */
async function readPieces(stream: ApiStream, maxBytes: number, take: (piece: Buffer) => void): Promise<number> {
  let bytes = 0
  for await (const piece of stream) {
    bytes += piece.length
    if (bytes > maxBytes) throw new LostError(`the answer has more than ${maxBytes} bytes`)
    take(piece)
  }
  return bytes
}

/** All of an answer. @throws LostError It is too long. */
async function readAll(stream: ApiStream, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  await readPieces(stream, maxBytes, (piece) => void pieces.push(piece))
  return Buffer.concat(pieces)
}

/** What is asked of a server, and how its answer is read. */
interface Asked {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: string
  readonly query?: Query
  /** An object as text, and how it is written. */
  readonly body?: { readonly type: string; readonly text: string }
  /** The longest time without a byte of the answer. */
  readonly silenceMs: number
  /** Whether the server may pack the answer, which it does with large ones. Default false. */
  readonly mayPack?: boolean
  /** Whether the answer is to go on, so that neither its time nor its size says anything. Default false. */
  readonly isStream?: boolean
}

/** What an answer says before its content. */
interface Refused {
  readonly status: number
  readonly contentType: string
  readonly encoding: Encoding | undefined
  readonly retryAfter: string | string[] | undefined
}

/** Statuses of answers that have what was asked for. */
const SUCCESS: ReadonlySet<number> = new Set([200, 201])

/** Who is told of requests. */
type ClientListener = Pick<SourceListener, 'measured' | 'certified'>

/** Reads from one API server, and writes what is told of its objects. */
export class ApiClient {
  readonly #access: ApiAccess
  readonly #options: ApiClientOptions
  readonly #rate: RateLimit
  readonly #listener: ClientListener
  /** The certificate that a program gave last. */
  #programCertificate: string | undefined
  readonly #counts = new Map<string, RequestCount>()
  #tls: string | undefined
  #dispatcher: Dispatcher | undefined

  constructor(access: ApiAccess, options: ApiClientOptions = CLIENT_DEFAULTS, listener: ClientListener = {}) {
    this.#access = access
    this.#options = options
    this.#listener = listener
    this.#rate = new RateLimit(options)
  }

  /** Requests by their methods, and how they were answered. */
  get requests(): readonly RequestCount[] {
    return [...this.#counts.values()]
  }

  /**
   * A list of objects, read while it comes.
   *
   * @param take Given items, as they come, with the parts alone that a proxy reads: all but those that the result has.
   * @returns The list with its last items as JSON has it, or what else the server has answered in JSON.
   * @throws {ApiError} The server answered with an error, or with something that is neither JSON nor protobuf.
   * @throws The server is not reached, or does not answer in time; whatever `take` throws.
   */
  async list(
    { path, kind }: Pick<ApiResource, 'path' | 'kind'>,
    query: Query,
    signal: AbortSignal,
    take: (items: readonly unknown[]) => void
  ): Promise<unknown> {
    const asked = { method: 'GET', path, query, silenceMs: this.#options.answerMs, mayPack: true } as const
    try {
      return await this.#timed('GET', signal, async () => {
        await this.#take(signal)
        const { stream, encoding } = await this.#ask(asked, signal)
        const list = encoding.list(kind)
        await this.#read('GET', stream, (piece) => take(list.add(piece)))
        return list.end()
      })
    } catch (error) {
      throw located(error, `GET ${path}`)
    }
  }

  /**
   * The events of a list from a version on.
   *
   * @param silenceMs The longest time without a byte: the stream fails then.
   * @throws As {@link ApiClient.list}.
   */
  async watch({ path, kind }: Pick<ApiResource, 'path' | 'kind'>, query: Query, silenceMs: number, signal: AbortSignal): Promise<ApiWatch> {
    await this.#take(signal)
    // What is packed comes only when enough of it is there: events would be late.
    const { stream, encoding } = await this.#ask({ method: 'GET', path, query, silenceMs, isStream: true }, signal)
    return { stream, events: encoding.events(kind) }
  }

  /**
   * Makes an object. Who writes has a rate of its own, so that lists and watches never wait for what is written.
   *
   * @param path Path of the list that the object will be in.
   * @throws As {@link ApiClient.list}.
   */
  async create(path: string, object: object, signal: AbortSignal): Promise<void> {
    await this.#write({ method: 'POST', path, body: { type: 'application/json', text: JSON.stringify(object) } }, signal)
  }

  /**
   * Changes what a merge patch mentions of an object, as {@link ApiClient.create} makes one.
   *
   * @throws As {@link ApiClient.list}.
   */
  async patch(path: string, change: object, signal: AbortSignal): Promise<void> {
    await this.#write({ method: 'PATCH', path, body: { type: 'application/merge-patch+json', text: JSON.stringify(change) } }, signal)
  }

  /** Who writes has waited for a rate of his own before a request of this method. */
  waited(method: Asked['method'], milliseconds: number): void {
    this.#tell('waitSeconds', method, milliseconds / 1000)
  }

  /** The object that a server answers is of no use, but a connection is used again once all of it has been read. */
  async #write(asked: Omit<Asked, 'silenceMs'>, signal: AbortSignal): Promise<void> {
    await this.#timed(asked.method, signal, async () => {
      const { stream } = await this.#ask({ ...asked, silenceMs: this.#options.answerMs }, signal)
      await this.#read(asked.method, stream, () => undefined)
    })
  }

  async #read(method: Asked['method'], stream: ApiStream, take: (piece: Buffer) => void): Promise<void> {
    this.#tell('receivedBytes', method, await readPieces(stream, MAX_LIST_BYTES, take))
  }

  async #take(signal: AbortSignal): Promise<void> {
    this.waited('GET', await this.#rate.take(signal))
  }

  /** Tells how long a request took, its answer included. One that is given up says nothing of the server. */
  async #timed<T>(method: Asked['method'], signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now()
    try {
      return await work()
    } finally {
      if (!signal.aborted) this.#tell('durationSeconds', method, (performance.now() - startedAt) / 1000)
    }
  }

  #tell(what: RequestMeasure['what'], verb: Asked['method'], value: number): void {
    this.#listener.measured?.({ what, verb, host: this.#access.server.host, value })
  }

  async #ask(asked: Asked, signal: AbortSignal): Promise<Answer> {
    const { method, path, query = {}, body: sent, silenceMs, mayPack = false, isStream = false } = asked
    const { server, headers } = this.#access
    const identity = await this.#access.identify(signal)
    const url = new URL(server.href.replace(/\/+$/, '') + path)
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value)
    const {
      statusCode,
      headers: given,
      body
    } = await this.#request(url, {
      dispatcher: await this.#connect(identity),
      method,
      headers: {
        ...headers,
        accept: ACCEPTED[this.#options.encoding],
        'accept-encoding': mayPack ? 'gzip' : 'identity',
        'user-agent': this.#options.userAgent,
        ...(sent === undefined ? {} : { 'content-type': sent.type }),
        ...(identity.authorization === undefined ? {} : { authorization: identity.authorization })
      },
      ...(sent === undefined ? {} : { body: sent.text }),
      headersTimeout: this.#options.answerMs,
      bodyTimeout: silenceMs,
      signal
    })
    if (!isStream) this.#tell('sentBytes', method, Buffer.byteLength(sent?.text ?? ''))
    if (statusCode === 401) this.#access.refused()
    const contentType = String(given['content-type'] ?? 'without a type')
    const stream = unpack(body, given['content-encoding'])
    const encoding = encodingOf(contentType)
    if (encoding !== undefined && SUCCESS.has(statusCode)) return { stream, encoding }
    return await this.#refuse(asked, { status: statusCode, contentType, encoding, retryAfter: given['retry-after'] }, stream)
  }

  /** Requests, and counts how it was answered. One that is given up says nothing of the server. */
  async #request(url: URL, options: NonNullable<Parameters<typeof request>[1]>): ReturnType<typeof request> {
    const { host } = this.#access.server
    const method = options.method ?? 'GET'
    const count = (code: string): void => {
      const key = `${method} ${code}`
      this.#counts.set(key, { code, host, method, count: (this.#counts.get(key)?.count ?? 0) + 1 })
    }
    try {
      const answer = await request(url, options)
      count(String(answer.statusCode))
      return answer
    } catch (error) {
      if ((error as Error).name !== 'AbortError') count('<error>')
      throw error
    }
  }

  /** @throws {ApiError} Always. */
  async #refuse(
    { method, path, isStream = false }: Asked,
    { status, contentType, encoding, retryAfter }: Refused,
    body: ApiStream
  ): Promise<never> {
    const said = await readAll(body, MAX_ERROR_BYTES).then(
      (answer) => {
        if (!isStream) this.#tell('receivedBytes', method, answer.length)
        return describeAnswer(answer, encoding)
      },
      (error: unknown) => {
        // The status says enough, whatever became of its words.
        body.destroy()
        return describeText((error as Error).message)
      }
    )
    const { message, ...details } = said
    const retryAfterMs = parseRetryAfter(Array.isArray(retryAfter) ? retryAfter[0] : retryAfter)
    const how = SUCCESS.has(status) ? `the answer is ${contentType}, and neither JSON nor protobuf` : String(status)
    throw new ApiError(`${method} ${path}: ${how}: ${message}`, { status, ...details, retryAfterMs })
  }

  /** Connections that show the newest certificates. Streams of earlier ones go on. */
  async #connect({ cert, key, isFromProgram }: Identity): Promise<Dispatcher> {
    if (isFromProgram && cert !== undefined && cert !== this.#programCertificate) this.#certified(cert)
    const tls: TlsSettings = { ca: await this.#access.readAuthorities(), cert, key }
    const text = JSON.stringify(tls)
    if (this.#dispatcher === undefined || this.#tls !== text) {
      const outdated = this.#dispatcher
      this.#dispatcher = dispatcherFor(this.#access, tls, this.#options.connectMs)
      this.#tls = text
      // It closes when its last stream has ended.
      void outdated?.close().catch(() => undefined)
    }
    return this.#dispatcher
  }

  #certified(pem: string): void {
    const certificate = describeCertificate(pem, this.#programCertificate)
    this.#programCertificate = pem
    if (certificate !== undefined) this.#listener.certified?.(certificate)
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    await this.#dispatcher?.destroy()
  }
}
