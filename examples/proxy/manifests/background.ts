import { Worker, type ResourceLimits } from 'node:worker_threads'
import type { Format } from './cut.js'
import { parserAtOnce, type PieceParser } from './parse.js'
import type { Piece } from './types.js'

/** Characters of YAML, which take about 0.1 s. JSON is parsed far faster. */
const SMALL = 65_536
/** The longest piece for which the memory of a thread is limited: a document takes some thirty times its length while it is parsed. */
const LIMITED = 4 * SMALL
/** What is parsed is soon garbage. Without limits a thread collects it late, for the sake of speed, and takes several times as much. */
const LIMITS: ResourceLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 20 }

/** What the thread is told to parse; it posts the pieces. */
export interface ParserOrder {
  readonly format: Format
  readonly texts: readonly string[]
}

/**
 * Parses much YAML in a thread: a megabyte takes seconds, in which load balancers would get no answer and take the node for dead.
 *
 * @param program The program of the thread.
 */
export function parserInBackground(program: URL): PieceParser {
  let worker: Worker | undefined
  let isLimited = true
  const open = (): Worker => {
    worker = new Worker(program, isLimited ? { resourceLimits: LIMITS } : {})
    // Who is asked to stop does not wait for it.
    worker.unref()
    return worker
  }
  const ask = (asked: Worker, order: ParserOrder): Promise<readonly Piece[]> =>
    new Promise<readonly Piece[]>((resolve, reject) => {
      const fail = (error: Error): void => {
        if (worker === asked) worker = undefined
        reject(error)
      }
      const ended = (status: number): void => fail(new Error(`the parser ended with status ${status}`))
      asked.once('error', fail).once('exit', ended)
      asked.once('message', (pieces: readonly Piece[]) => {
        asked.off('error', fail).off('exit', ended)
        resolve(pieces)
      })
      asked.postMessage(order)
    })
  /** One order after the other: the thread answers in no other words than its pieces. */
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = async (order: ParserOrder): Promise<readonly Piece[]> => {
    await last.catch(() => undefined)
    if (isLimited && order.texts.some(({ length }) => length > LIMITED)) {
      void worker?.terminate()
      worker = undefined
      isLimited = false
    }
    return await ask(worker ?? open(), order)
  }
  return {
    parse: (format, texts) => {
      const isSmall = worker === undefined && texts.reduce((sum, { length }) => sum + length, 0) < SMALL
      if (isSmall || format === 'json') return parserAtOnce.parse(format, texts)
      const pieces = inTurn({ format, texts })
      last = pieces
      return pieces
    },
    close: () => void worker?.terminate()
  }
}
