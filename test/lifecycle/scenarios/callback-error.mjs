// An exception of a monitor's callback is an uncaught exception of the process, and the monitor goes on. Misuse of the entry points is a TypeError.
import assert from 'node:assert/strict'
import process from 'node:process'
import { addon, commit, deadlineMs, open, setBatch, until, valueOf } from './support.mjs'

assert.throws(() => addon.monitorNftables({ deadlineMs }), TypeError)
assert.throws(() => addon.monitorNftables({ deadlineMs }, {}), TypeError)

const thrown = [new RangeError('first'), null, undefined, 'text']
const caught = []
let calls = 0

/** What the process would die of; what the scenario itself fails by comes after it has stopped to listen. */
const keep = (error) => caught.push(error)

process.on('uncaughtException', keep)
try {
  const watching = valueOf(
    await addon.monitorNftables({ deadlineMs }, () => {
      calls += 1
      if (calls <= thrown.length) throw thrown[calls - 1]
    })
  )
  const socket = await open()
  // One commit may be told in two calls: the kernel sends its changes first, and its new generation in a datagram of its own.
  for (let call = 1; call <= thrown.length + 1; call += 1) {
    await commit(setBatch(socket, `callback-${call}`, 1))
    await until(`call ${call}`, () => calls >= call)
  }
  watching.close()
  socket.close()
} finally {
  process.off('uncaughtException', keep)
}
assert.deepEqual(caught, thrown)
console.log('ok')
