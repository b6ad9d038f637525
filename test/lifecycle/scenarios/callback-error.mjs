// An exception of a monitor's callback is an uncaught exception of the process, and the monitor goes on. Misuse of the entry points is a TypeError.
import assert from 'node:assert/strict'
import process from 'node:process'
import { addon, commit, deadlineMs, open, setBatch, until, valueOf } from './support.mjs'

assert.throws(() => addon.monitorNftables({ deadlineMs }), TypeError)
assert.throws(() => addon.monitorNftables({ deadlineMs }, {}), TypeError)

const caught = []
process.on('uncaughtException', (error) => caught.push(error))
const thrown = [new RangeError('first'), null, undefined, 'text']
let calls = 0
const watching = valueOf(
  await addon.monitorNftables({ deadlineMs }, () => {
    calls += 1
    if (calls <= thrown.length) throw thrown[calls - 1]
  })
)
const socket = await open()
for (let call = 1; call <= thrown.length + 1; call += 1) {
  await commit(setBatch(socket, 'callback', 1))
  await until(`call ${call}`, () => calls === call)
}
assert.deepEqual(caught, thrown)
watching.close()
socket.close()
console.log('ok')
