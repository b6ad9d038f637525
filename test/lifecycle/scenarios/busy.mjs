// A thread that starts jobs and then does not come back to its loop holds no place on the pool: other threads' jobs go on, even those that the busy
// thread waits for.
import assert from 'node:assert/strict'
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { commit, deadlineMs, open, setBatch } from './support.mjs'

const rows = 20_000
const [STARTED, ANSWERED] = [0, 1]

if (isMainThread) {
  const shared = new Int32Array(new SharedArrayBuffer(8))
  const socket = await open()
  const worker = new Worker(new URL(import.meta.url), { workerData: shared })
  while (Atomics.load(shared, STARTED) === 0) Atomics.wait(shared, STARTED, 0, 10_000)
  for (let call = 0; call < 10; call += 1) assert.equal((await socket.generation(deadlineMs)).failure, undefined)
  Atomics.store(shared, ANSWERED, 1)
  Atomics.notify(shared, ANSWERED)
  const status = await new Promise((resolve) => worker.once('exit', resolve))
  assert.equal(status, 0, 'the worker waited in vain for the main thread')
  socket.close()
  console.log('ok')
} else {
  const opened = await Promise.all(Array.from({ length: 5 }, () => open()))
  const batches = opened.map((socket, index) => setBatch(socket, `busy-${index}`, rows))
  // Two run at once, three wait for a place, which this thread does not take.
  const jobs = batches.map((batch) => commit(batch, { dryRun: true }))
  Atomics.store(workerData, STARTED, 1)
  Atomics.notify(workerData, STARTED)
  assert.notEqual(Atomics.wait(workerData, ANSWERED, 0, 15_000), 'timed-out')
  await Promise.all(jobs)
  for (const socket of opened) socket.close()
}
