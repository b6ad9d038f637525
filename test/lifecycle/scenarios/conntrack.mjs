// Workers terminated with a watch, an iteration, a listing and a cut in flight: nothing crashes, hangs or leaks, and the process goes on.
import assert from 'node:assert/strict'
import process from 'node:process'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { Conntrack } from '../../../dist/index.js'
import { sleep, sockets, untilSockets } from './support.mjs'

const rounds = Number(process.argv[2] ?? 8)
const counted = { cut: 0, iterated: 1, events: 2, listed: 3 }
const flows = (first, count) =>
  Array.from({ length: count }, (_, number) => ({
    protocol: 'udp',
    original: { source: '10.0.0.1', destination: '10.0.0.2', sourcePort: first + number, destinationPort: 53 },
    timeoutSeconds: 600
  }))

async function work({ counts, number }) {
  const idle = new Set(Object.keys(counted))
  const count = (what, by = 1) => {
    Atomics.add(counts, counted[what], by)
    // At work in every way.
    if (by > 0 && idle.delete(what) && idle.size === 0) parentPort.postMessage('busy')
  }
  const conntrack = await Conntrack.open()
  const cuts = async () => {
    const other = await Conntrack.open()
    const first = 1024 + number * 400
    for (;;) {
      await other.addFlows(flows(first, 400), { ensure: true })
      const filter = { protocol: 'udp', originalSourcePort: { first, last: first + 399 } }
      count('cut', (await other.removeWhere(filter)).deleted)
    }
  }
  const iterates = async () => {
    for (;;) for await (const flow of conntrack.iterate({ rows: 16 })) count('iterated', flow.protocol === 'udp' ? 1 : 0)
  }
  const watches = async () => {
    for await (const event of await conntrack.watch()) if (event.type !== 'start') count('events')
  }
  const lists = async () => {
    for (;;) count('listed', (await conntrack.list()).length)
  }
  await Promise.all([cuts(), iterates(), watches(), lists()])
}

if (isMainThread) {
  const before = sockets()
  const counts = new Int32Array(new SharedArrayBuffer(16))
  const keeper = await Conntrack.open()
  await keeper.addFlows(flows(60_000, 2000))
  for (let number = 0; number < rounds; number += 1) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { counts, number } })
    const errors = []
    worker.on('error', (error) => errors.push(error))
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    const busy = new Promise((resolve) => worker.once('message', resolve))
    // One in five is ended while it starts, the others at work.
    if (number % 5 !== 4) await Promise.race([busy, ended])
    await sleep((number * 7) % 40)
    await worker.terminate()
    await ended
    assert.deepEqual(errors, [])
  }
  console.log(
    Object.entries(counted)
      .map(([name, index]) => `${counts[index]} ${name}`)
      .join(', ')
  )
  for (const index of Object.values(counted))
    assert.ok(counts[index] > 0, 'workers were ended before they did anything: this proves nothing')
  assert.equal(await keeper.count({ filter: { originalSourcePort: { first: 60_000, last: 61_999 } } }), 2000)
  await keeper.close()
  await untilSockets(before)
  console.log('ok')
} else {
  await work(workerData)
}
