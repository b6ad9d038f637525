// A monitor keeps the process alive unless unref'ed; what is unref'ed, or waits for nothing, lets it end by itself.
import assert from 'node:assert/strict'
import process from 'node:process'
import { commit, monitor, open, setBatch } from './support.mjs'

const socket = await open()
const first = await monitor([])
await monitor([]).then((second) => second.unref())
let kept = false
setTimeout(() => {
  // An unref'ed timer only gets here when something else kept the loop alive: the first monitor.
  kept = true
  first.unref()
  // Ends now, with both monitors and the socket open.
  setTimeout(() => assert.fail('an unref-ed monitor kept the process alive'), 10_000).unref()
}, 200).unref()
await commit(setBatch(socket, 'unref', 1))
process.on('exit', () => {
  assert.ok(kept, 'the monitor did not keep the process alive')
  console.log('ok')
})
