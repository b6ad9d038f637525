/**
 * A thread that carries connections: the program of a worker of Node.
 */
import { parentPort } from 'node:worker_threads'
import { loadAddon } from '../../../../native/index.js'
import type { ToThread } from './messages.js'
import { ThreadPairs } from './pairs.js'

const port = parentPort!
const addon = loadAddon()
const pairs = new ThreadPairs(
  (descriptor) => addon.duplicateDescriptor(descriptor),
  (message) => port.postMessage(message)
)
port.on('message', (message: ToThread) => pairs.take(message))
port.postMessage({ type: 'ready' })
