/** A cluster of 10,000 Services with four endpoints each, on a real API: correct to the last one, and what each step costs, which is printed and not judged. */
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { median } from '../../bench/frame/statistics.js'
import { untilCommitted, untilQuiet } from '../../bench/proxy/kernel.js'
import {
  addressesOf,
  endpointPort,
  partsOf,
  serviceAddress,
  serviceObject,
  sliceObject,
  spareAddress
} from '../../bench/proxy/large-cluster.js'
import { memoryOf, processorMsOf } from '../../bench/proxy/process.js'
import { Nftables } from '../../src/index.js'
import { NODE_OBJECT } from '../support/kubernetes-services.js'
import { useCluster } from '../support/kubernetes/cluster.js'
import { startNodeProxy, type NodeProxy } from '../support/kubernetes/node-proxy.js'

const SIZE = { services: 10_000, endpoints: 4 }
/** Services whose objects are made at the same time. */
const AT_ONCE = 500
const CHANGES = 30
const CHANGED_AT_ONCE = 100
/** The table may say anew what the process knows of itself. */
const ADOPTION_COMMITS = 2
const SYNC_MS = 240_000
/** No commit for this long: the kernel has all. */
const QUIET_MS = 2000
const IDLE_MS = 10_000
const SETTLE_MS = 40_000

const cluster = useCluster([NODE_OBJECT])
let kernel: Nftables
beforeAll(async () => {
  kernel = await Nftables.open({ netns: cluster.network.node.path })
  for (const numbers of partsOf(SIZE, AT_ONCE))
    await cluster.plane.writer.createAll(numbers.flatMap((number) => [serviceObject(number), sliceObject(SIZE, number)]))
}, 600_000)
afterAll(() => kernel.close())

/** All endpoints of all Services at the API, as nft lists the slots of the map that they are chosen from. */
const wantedSlots = (changed: ReadonlyMap<number, string>): string[] =>
  Array.from({ length: SIZE.services }, (_, number) =>
    addressesOf(SIZE, number, changed.get(number)).map((address) => `${serviceAddress(number)} -> ${address} . ${endpointPort}`)
  ).flat()

async function slotsOfKernel(): Promise<string[]> {
  const table = await cluster.network.node.run('nft', ['list', 'table', 'ip', 'netplane'], { timeoutMs: 120_000 })
  const elements = table.matchAll(/\b(10\.96\.\d+\.\d+) \. tcp \. 80 \. \d+ : (\S+ \. 8080)/g)
  return Array.from(elements, ([, service, endpoint]) => `${service} -> ${endpoint}`)
}

/** Compares as texts: the difference of lists this long takes a runner of tests minutes to print. */
async function expectSlots(changed: ReadonlyMap<number, string>): Promise<void> {
  const kernelHas = new Set(await slotsOfKernel())
  const wanted = wantedSlots(changed)
  expect(wanted.filter((slot) => !kernelHas.has(slot)).slice(0, 5)).toEqual([])
  expect(kernelHas.size).toBe(wanted.length)
}

const describeMemory = async (pid: number): Promise<string> => {
  const { residentMiB, peakMiB } = await memoryOf(pid)
  return `memory: ${Math.round(residentMiB)} MiB, at most ${Math.round(peakMiB)} MiB`
}
const milliseconds = (time: number): string => `${time.toFixed(1)} ms`

async function startProxy(): Promise<{ readonly proxy: NodeProxy; readonly startMs: number }> {
  const began = performance.now()
  const proxy = await startNodeProxy(cluster.network, cluster.plane)
  // The log has a line of a sync only where something was written.
  await proxy.untilSynced(SYNC_MS)
  return { proxy, startMs: performance.now() - began }
}

const other = (number: number): string => spareAddress(SIZE, number)
const move = (number: number): Promise<unknown> => {
  const slice = sliceObject(SIZE, number, other(number))
  const { endpoints } = slice
  return cluster.plane.writer.patch(slice, { endpoints })
}

it('programs 10,000 Services, follows their slices, and is adopted', { timeout: 900_000 }, async () => {
  const first = await startProxy()
  const { pid } = first.proxy
  const figures = [`start to programmed: ${milliseconds(first.startMs)}; ${await describeMemory(pid)}`]
  const changed = new Map<number, string>()
  await expectSlots(changed)

  // V8 collects and compiles for some seconds after so much work, and the proxy gives memory back after some more.
  await setTimeout(SETTLE_MS)
  const idleMs = await processorMsOf(pid)
  await setTimeout(IDLE_MS)
  figures.push(`idle: ${((((await processorMsOf(pid)) - idleMs) / IDLE_MS) * 100).toFixed(1)} % of a core; ${await describeMemory(pid)}`)

  const single: number[] = []
  for (let number = 0; number < CHANGES; number++) {
    changed.set(number, other(number))
    single.push(await untilCommitted(kernel, () => move(number), { timeoutMs: SYNC_MS }))
    // The rest of what belongs to the change, which is not waited for above.
    await setTimeout(100)
  }
  figures.push(`one slice: median ${milliseconds(median(single))}, at most ${milliseconds(Math.max(...single))}`)
  await expectSlots(changed)

  const many = Array.from({ length: CHANGED_AT_ONCE }, (_, index) => 1000 + index)
  for (const number of many) changed.set(number, other(number))
  const { writtenMs, committedMs } = await untilQuiet(kernel, () => Promise.all(many.map(move)), { quietMs: QUIET_MS, timeoutMs: SYNC_MS })
  figures.push(
    `${many.length} slices: the API took them in ${milliseconds(writtenMs)}, the kernel had them after ${milliseconds(committedMs)}`
  )
  await expectSlots(changed)

  await first.proxy.stop('SIGKILL')
  const generation = await kernel.readGeneration()
  const second = await startProxy()
  figures.push(`adopted after kill -9: ${milliseconds(second.startMs)}; ${await describeMemory(second.proxy.pid)}`)
  // What is right already is not written again.
  expect((await kernel.readGeneration()).id - generation.id).toBeLessThanOrEqual(ADOPTION_COMMITS)
  await expectSlots(changed)
  console.log(figures.join('\n'))
})
