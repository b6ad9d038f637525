// Two copies of the addon in one process, in one environment and in a worker; an object of one is refused by the other, and they share the two places on
// libuv's pool.
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { tableNames } from './operations.mjs'
import { addon, addonPath, commit, deadlineMs, open, setBatch, sockets, untilSockets, valueOf } from './support.mjs'

const require = createRequire(import.meta.url)

if (isMainThread) {
  const before = sockets()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-copy-'))
  const copyPath = path.join(folder, 'copy.node')
  copyFileSync(addonPath, copyPath)
  const copy = require(copyPath)
  assert.notEqual(copy.openNftables, addon.openNftables)
  const [one, two] = [await open(addon), await open(copy)]
  assert.notEqual(one.portId, two.portId)
  const steps = Array.from({ length: 20 }, (_, step) => step)
  const many = async (socket, table) => {
    for (const step of steps) await commit(setBatch(socket, table, step))
  }
  await Promise.all([many(one, 'first'), many(two, 'second')])

  assert.throws(() => one.generation.call(two, deadlineMs), TypeError)
  assert.throws(() => one.generation.call(one.beginBatch(), deadlineMs), TypeError)
  assert.throws(() => one.generation.call({}, deadlineMs), TypeError)
  assert.throws(() => one.generation.call(undefined, deadlineMs), TypeError)
  assert.throws(() => new one.constructor().close(), TypeError)

  // Jobs of both copies fill no more than two of the pool's four threads: a file need not wait for any of them.
  const more = await Promise.all([addon, copy, addon, copy].map((from) => open(from)))
  let finished = 0
  const batches = more.map((socket, index) => setBatch(socket, `place-${index}`, 60_000))
  const jobs = batches.map((batch) => commit(batch, { dryRun: true }).then(() => (finished += 1)))
  await stat('/proc/self/stat')
  assert.equal(finished, 0, 'a file waited for a job')
  await Promise.all(jobs)
  for (const socket of more) socket.close()

  const worker = new Worker(new URL(import.meta.url), { workerData: copyPath })
  assert.deepEqual(await new Promise((resolve) => worker.once('message', resolve)), ['first', 'second'])
  assert.equal(await new Promise((resolve) => worker.once('exit', resolve)), 0)
  one.close()
  two.close()
  await untilSockets(before)
  rmSync(folder, { recursive: true })
  console.log('ok')
} else {
  const [one, two] = [await open(addon), await open(require(workerData))]
  const list = async (socket) => valueOf(await socket.list({ family: 'ip', tables: true, deadlineMs })).take('tables', 0, 10)
  const [tables, same] = await Promise.all([list(one), list(two)])
  assert.deepEqual(tables, same)
  parentPort.postMessage(tableNames(tables).sort())
}
