// A monitor that is overrun says so, again and again, and goes on: libuv stops a handle whose socket has an error, which an overrun is.
import assert from 'node:assert/strict'
import { commit, monitor, open, setBatch, until } from './support.mjs'

const events = []
const watching = await monitor(events, { receiveBufferBytes: 8192 })
const socket = await open()
const isTable = (name) => (event) => event.type === 'newtable' && event.value.name === name
const losses = () => events.filter((event) => event === 'lost').length

for (let round = 1; round <= 3; round += 1) {
  const lostBefore = losses()
  if (round !== 2) watching.pause()
  const flood = []
  for (let step = 0; step < 40; step += 1) flood.push(`flood-${round}-${step}`)
  for (const name of flood) await commit(setBatch(socket, name, 400))
  watching.resume()
  if (round !== 2) await until(`loss ${round} to be told`, () => losses() > lostBefore)
  const last = `after-${round}`
  await commit(setBatch(socket, last, 1))
  await until(`the event after loss ${round}`, () => events.some(isTable(last)))
  assert.ok(events.lastIndexOf('lost') < events.findIndex(isTable(last)), 'the loss comes before what follows it')
}
assert.ok(losses() >= 2)
watching.close()
socket.close()
console.log('ok')
