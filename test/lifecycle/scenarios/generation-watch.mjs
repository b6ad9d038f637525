// A watch of the generation: what it tells and how often, closing in all orders, exceptions, garbage, and that it keeps nothing alive. Run with --expose-gc.
import assert from 'node:assert/strict'
import process from 'node:process'
import { commit, deadlineMs, open, setBatch, sleep, sockets, until, untilSockets, valueOf } from './support.mjs'

const before = sockets()
const socket = await open()
const other = await open()
const generation = () => valueOf(socket.generationHere(deadlineMs)).id
let told = 0
let thrown
const watch = socket.watchGeneration(() => {
  told += 1
  if (thrown !== undefined) throw thrown
})

assert.throws(() => socket.watchGeneration(), TypeError)
for (const values of [[], [1], ['1', 1], [1, 0], [1, -1], [1, Number.NaN], [1n, 1]]) assert.throws(() => watch.arm(...values), TypeError)
await sleep(20)
assert.equal(told, 0, 'it was not armed')

watch.arm(generation(), 1)
await sleep(50)
assert.equal(told, 0, 'nobody committed')
await commit(setBatch(other, 'one', 1))
await until('the commit', () => told === 1)
await commit(setBatch(other, 'two', 1))
await sleep(50)
assert.equal(told, 1, 'it tells once')

watch.arm(generation() - 1, 1)
await until('a commit of before', () => told === 2)
watch.arm(generation() - 1, 1)
watch.disarm()
await sleep(50)
assert.equal(told, 2, 'it was disarmed')

// While a job uses the socket nothing is asked, and afterwards it is.
watch.arm(generation() - 1, 1)
const batch = setBatch(socket, 'busy', 50_000)
await commit(batch)
await until('a look after the job', () => told === 3)

const caught = []
const keep = (error) => caught.push(error)
process.on('uncaughtException', keep)
try {
  thrown = new RangeError('of the callback')
  watch.arm(generation() - 1, 1)
  await until('a callback that throws', () => told === 4)
  await until('its exception', () => caught.length === 1)
} finally {
  process.off('uncaughtException', keep)
}
assert.deepEqual(caught, [thrown])
thrown = undefined

// A socket that is closed is told like a change.
watch.arm(generation(), 1)
socket.close()
await until('the end of the socket', () => told === 5)
watch.close()
watch.close()
watch.arm(1, 1)
watch.disarm()
await sleep(50)
assert.equal(told, 5, 'it is closed')

// One that nobody holds ends with its object, and one that closes itself tells no more.
let last = 0
;(() => other.watchGeneration(() => assert.fail('it was collected')))()
const self = other.watchGeneration(() => {
  last += 1
  self.close()
})
self.arm(0, 1)
await until('the last one', () => last === 1)
globalThis.gc()
await sleep(20)
other.close()
await untilSockets(before)

// Ends by itself, with a watch that is armed.
const idle = await open()
idle.watchGeneration(() => assert.fail('nobody committed')).arm(valueOf(idle.generationHere(deadlineMs)).id, 10)
setTimeout(() => assert.fail('a watch kept the process alive'), 10_000).unref()
process.on('exit', () => console.log('ok'))
