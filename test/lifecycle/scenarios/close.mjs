// Closing: during a job, twice, before any use; and what a closed socket answers.
import assert from 'node:assert/strict'
import { commit, deadlineMs, monitor, open, setBatch, sockets, untilSockets } from './support.mjs'

const before = sockets()
const socket = await open()
await commit(setBatch(socket, 'closing', 50_000))

const listing = socket.list({ family: 'ip', elements: true, deadlineMs })
assert.deepEqual((await socket.generation(deadlineMs)).failure.errno, 16, 'EBUSY: a job is in flight')
const batch = socket.beginBatch()
assert.equal(socket.listHere({ tables: true, deadlineMs }).failure.errno, 16, 'nor may one run here')
assert.equal(socket.beginBatch().commitHere({ deadlineMs }).failure.errno, 16)
socket.close()
socket.close()
assert.equal(sockets(), before + 1, 'the job still has the descriptor')
const { failure, value } = await listing
assert.equal(failure, undefined, 'the job in flight ends as if nothing had been closed')
assert.equal(
  value.takeElements(0, 1)[0].chunks.reduce((rows, chunk) => rows + chunk.rows, 0),
  50_000
)
await untilSockets(before)

for (const job of [socket.generation(deadlineMs), socket.list({ tables: true, deadlineMs }), batch.commit({ deadlineMs })]) {
  assert.equal((await job).failure.errno, 9, 'EBADF')
}
for (const { failure } of [socket.listHere({ tables: true, deadlineMs }), batch.commitHere({ deadlineMs })])
  assert.equal(failure.errno, 9, 'EBADF')
socket.close()

const idle = await open()
idle.close()
const watching = await monitor([])
watching.close()
watching.close()
watching.pause()
watching.resume()
watching.ref()
watching.unref()
await untilSockets(before)

let calls = 0
let early
const opening = monitor([], {})
const inside = await monitor({
  push: () => {
    calls += 1
    early.close()
  }
})
early = inside
const other = await open()
await commit(setBatch(other, 'closing', 10))
;(await opening).close()
await commit(setBatch(other, 'closing', 10))
assert.equal(calls, 1, 'nothing is handed over after close()')
other.close()
await untilSockets(before)
console.log('ok')
