// Workers terminated at random moments with jobs and monitors in flight: nothing crashes, hangs or leaks, and the process goes on.
import assert from 'node:assert/strict'
import process from 'node:process'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { addon, commit, deadlineMs, deleteTable, monitor, open, setBatch, sleep, sockets, untilSockets } from './support.mjs'

const workers = Number(process.argv[2] ?? 100)
const atOnce = 6
/** On a slow machine more of them, which live longer, until each kind of work was met. */
const mostRounds = 6
const counted = { opened: 0, committed: 1, listed: 2, events: 3 }

/** A small generator of pseudo-random numbers (mulberry32), so that a run can be repeated. */
function random(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function work({ counts, number }) {
  const count = (what) => Atomics.add(counts, counted[what], 1)
  const changes = async (table) => {
    const socket = await open()
    count('opened')
    parentPort.postMessage('busy')
    for (;;) {
      await commit(setBatch(socket, table, 300))
      await deleteTable(socket, table)
      count('committed')
    }
  }
  const lists = async () => {
    for (;;) {
      const socket = await open()
      // The table comes and goes meanwhile: not found is an answer too.
      const { value } = await socket.list({ family: 'ip', tables: true, sets: true, elements: true, deadlineMs })
      if (value) for (const kind of ['tables', 'sets']) value.take(kind, 0, 1000)
      if (value) value.takeElements(0, 1000)
      socket.close()
      count('listed')
    }
  }
  const watches = async () => {
    for (;;) {
      const watching = await monitor({ push: () => count('events') })
      await sleep(20)
      watching.close()
    }
  }
  const generations = async () => {
    const socket = await open()
    const watch = socket.watchGeneration(() => watch.arm(0, 1))
    watch.arm(0, 1)
    await sleep(deadlineMs)
  }
  await Promise.all([
    generations(),
    changes(`one-${number}`),
    changes(`two-${number}`),
    lists(),
    watches(),
    addon.openRoute({ deadlineMs })
  ])
}

if (isMainThread) {
  const before = sockets()
  const seed = Number(process.env.NETPLANE_SEED ?? Date.now() % 1e6)
  const next = random(seed)
  const counts = new Int32Array(new SharedArrayBuffer(16))
  const run = async (number) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { counts, number } })
    const errors = []
    worker.on('error', (error) => errors.push(error))
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    const busy = new Promise((resolve) => worker.once('message', resolve))
    // One in four is ended while it starts, the others at work.
    if (number % 4 !== 0) await Promise.race([busy, ended])
    await sleep(next() * 40 * roundOf(number))
    await worker.terminate()
    await ended
    assert.deepEqual(errors, [], `seed ${seed}`)
  }
  const started = performance.now()
  const roundOf = (number) => Math.ceil(number / workers)
  const hasMetAll = () => Object.values(counted).every((index) => counts[index] > 0)
  let number = 0
  const isEnough = () => number >= workers && (hasMetAll() || number >= workers * mostRounds)
  const lane = async () => {
    while (!isEnough()) await run((number += 1))
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  const seconds = (performance.now() - started) / 1000
  console.log(
    `seed ${seed}, ${seconds.toFixed(1)} s: ${Object.entries(counted)
      .map(([name, index]) => `${counts[index]} ${name}`)
      .join(', ')}`
  )
  assert.ok(hasMetAll(), 'workers were ended before they did anything: this proves nothing')
  await untilSockets(before)
  const socket = await open()
  assert.equal((await socket.generation(deadlineMs)).failure, undefined)
  socket.close()
  console.log('ok')
} else {
  await work(workerData)
}
