/** The program of the thread that parses much YAML. */
import { parentPort } from 'node:worker_threads'
import type { ParserOrder } from './background.js'
import { parserAtOnce } from './parse.js'

parentPort!.on('message', ({ format, texts }: ParserOrder) => parentPort!.postMessage(parserAtOnce.parse(format, texts)))
