// At most two jobs of the process are on libuv's pool: files stay readable beside commits that wait for the kernel. What waits for a place keeps its loop
// alive, and is woken whichever environment frees the place.
import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { commit, deadlineMs, open, setBatch } from './support.mjs'

const rows = 60_000
const openMany = (count) => Promise.all(Array.from({ length: count }, () => open()))

if (isMainThread) {
  const opened = await openMany(8)
  let finished = 0
  const batches = opened.map((socket, index) => setBatch(socket, `place-${index}`, rows))
  const jobs = batches.map((batch) => commit(batch, { dryRun: true }).then(() => (finished += 1)))
  await stat('/proc/self/stat')
  assert.ok(finished <= 2, `a file waited for ${finished} jobs`)
  await Promise.all(jobs)
  assert.equal(finished, 8)

  const busy = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL(import.meta.url), { workerData: busy })
  worker.unref()
  while (Atomics.load(busy, 0) === 0) Atomics.wait(busy, 0, 0, 10_000)
  // Nothing but this waiting job keeps the main loop alive: were it not kept, the process would end with status 13.
  const outcome = await opened[0].generation(deadlineMs)
  assert.equal(outcome.failure, undefined)
  await worker.terminate()
  for (const socket of opened) socket.close()
  console.log('ok')
} else {
  const opened = await openMany(4)
  const batches = opened.map((socket, index) => setBatch(socket, `worker-${index}`, rows))
  const jobs = batches.map((batch) => commit(batch, { dryRun: true }))
  Atomics.store(workerData, 0, 1)
  Atomics.notify(workerData, 0)
  await Promise.all(jobs)
}
