// Ends with jobs pending: by process.exit(), in workers by process.exit() and by their own end.
import assert from 'node:assert/strict'
import process from 'node:process'
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { monitor, open, setBatch, sockets, untilSockets } from './support.mjs'

async function leavePending(table) {
  const opened = await Promise.all(Array.from({ length: 6 }, () => open()))
  for (const [index, socket] of opened.entries()) setBatch(socket, `${table}-${index}`, 5_000).commit({ deadlineMs: 10_000 })
  await monitor([]).then((watching) => watching.unref())
  for (const socket of opened) setBatch(socket, table, 10).commit({ deadlineMs: 10_000 })
  open()
}

if (isMainThread) {
  const before = sockets()
  for (const way of ['exit', 'end', 'throw', 'exit']) {
    const worker = new Worker(new URL(import.meta.url), { workerData: way })
    const errors = []
    worker.on('error', (error) => errors.push(error.message))
    const status = await new Promise((resolve) => worker.once('exit', resolve))
    assert.deepEqual([status, errors], way === 'throw' ? [1, ['on purpose']] : [way === 'exit' ? 3 : 0, []])
  }
  await untilSockets(before)
  await leavePending('main')
  console.log('ok')
  process.exit(0)
} else {
  await leavePending(workerData)
  if (workerData === 'exit') process.exit(3)
  if (workerData === 'throw') throw new Error('on purpose')
}
