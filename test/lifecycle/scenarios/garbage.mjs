// Sockets, monitors, batches and listings that nobody closes: their descriptors go with the objects. Run with --expose-gc.
import assert from 'node:assert/strict'
import { commit, deadlineMs, monitor, open, setBatch, sleep, sockets, until, valueOf } from './support.mjs'

const before = sockets()
const rounds = 30

async function abandon() {
  const socket = await open()
  await monitor([])
  const batch = setBatch(socket, 'garbage', 100)
  const result = await commit(batch)
  assert.ok(result.generation > 0)
  const listing = valueOf(await socket.list({ family: 'ip', tables: true, sets: true, elements: true, deadlineMs }))
  return listing.takeElements(0, 1)[0].chunks[0].key.length
}

for (let round = 0; round < rounds; round += 1) assert.equal(await abandon(), 400)
assert.ok(sockets() > before, 'nothing has been collected yet, or this proves nothing')
await until('all descriptors closed', async () => {
  globalThis.gc()
  await sleep(1)
  return sockets() === before
})

// What a job needs lives as long as the job, whatever is collected meanwhile.
const job = (await open()).generation(deadlineMs)
globalThis.gc()
assert.equal((await job).failure, undefined)
console.log('ok')
