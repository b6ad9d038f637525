import { Worker } from 'node:worker_threads'
import { parseManifests, type ParseManifests } from './parse.js'
import type { Manifests } from './types.js'

/** Characters of YAML, which take about 0.1 s. JSON is parsed far faster. */
const SMALL = 65_536

/** What the program of the thread is given as `workerData`; it posts the manifests. */
export interface ParserInput {
  readonly file: string
  readonly text: string
}

/**
 * Parses large files of YAML in a thread: a megabyte takes seconds, in which load balancers would get no answer and take the node for dead.
 *
 * @param program The program of the thread.
 */
export function parserInBackground(program: URL): ParseManifests {
  return (file, text) => {
    if (text.length < SMALL || file.endsWith('.json')) return parseManifests(file, text)
    const workerData: ParserInput = { file, text }
    return new Promise<Manifests>((resolve, reject) => {
      const worker = new Worker(program, { workerData })
        .once('message', resolve)
        .once('error', reject)
        .once('exit', (status) => reject(new Error(`the parser ended with status ${status}`)))
      // Who is asked to stop does not wait for it.
      worker.unref()
    })
  }
}
