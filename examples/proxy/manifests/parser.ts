/** The program of the thread that parses a large file. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ParserInput } from './background.js'
import { parseManifests } from './parse.js'

const { file, text } = workerData as ParserInput
parentPort!.postMessage(parseManifests(file, text))
