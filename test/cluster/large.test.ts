/** A cluster of 10,000 Services with four endpoints each, on a real API: correct to the last one, and what each step costs, which is printed and not judged. */
import { readFile } from 'node:fs/promises'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Nftables } from '../../src/index.js'
import { NODE, NODE_OBJECT } from '../support/kubernetes-services.js'
import type { NewObject } from '../support/kubernetes/client.js'
import { useCluster } from '../support/kubernetes/cluster.js'
import { startNodeProxy, type NodeProxy } from '../support/kubernetes/node-proxy.js'

const SERVICES = 10_000
const ENDPOINTS = 4
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
const SETTLE_MS = 15_000

const clusterAddress = (service: number): string => `10.96.${10 + (service >> 8)}.${service & 255}`
const podAddress = (pod: number): string => `10.${128 + (pod >> 16)}.${(pod >> 8) & 255}.${pod & 255}`

const service = (number: number): NewObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `s${number}`, namespace: 'shop' } as NewObject['metadata'],
  spec: { clusterIP: clusterAddress(number), ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }
})

/** Where the endpoints of a Service are. @param first The address of the first one; default: one of its own. */
const addressesOf = (number: number, first = podAddress(number * ENDPOINTS)): string[] => [
  first,
  ...Array.from({ length: ENDPOINTS - 1 }, (_, index) => podAddress(number * ENDPOINTS + index + 1))
]

const slice = (number: number, first?: string): NewObject => {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `s${number}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': `s${number}` } } as NewObject['metadata'],
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: addressesOf(number, first).map((address, index) => ({
      addresses: [address],
      nodeName: index === 0 ? NODE.name : `node-${index}`,
      targetRef: {
        kind: 'Pod',
        namespace: 'shop',
        name: `s${number}-${index}`,
        uid: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
      },
      conditions: { ready: true, serving: true, terminating: false }
    }))
  }
}

const cluster = useCluster([NODE_OBJECT])
let kernel: Nftables
beforeAll(async () => {
  kernel = await Nftables.open({ netns: cluster.network.node.path })
  const { writer } = cluster.plane
  for (let first = 0; first < SERVICES; first += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, SERVICES - first) }, (_, index) => first + index)
    await writer.createAll(numbers.flatMap((number) => [service(number), slice(number)]))
  }
}, 600_000)
afterAll(() => kernel.close())

/** All endpoints of all Services at the API, as nft lists the slots of the map that they are chosen from. */
const wantedSlots = (changed: ReadonlyMap<number, string>): string[] =>
  Array.from({ length: SERVICES }, (_, number) =>
    addressesOf(number, changed.get(number)).map((address) => `${clusterAddress(number)} -> ${address} . 8080`)
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

/** Milliseconds from the request to change objects until the kernel has committed something. */
async function untilCommit(change: () => Promise<unknown>): Promise<number> {
  const before = await kernel.readGeneration()
  const began = performance.now()
  const changing = change()
  while ((await kernel.readGeneration()).id === before.id) {
    if (performance.now() - began > SYNC_MS) throw new Error('no commit followed the change')
    await setImmediate()
  }
  const tookMs = performance.now() - began
  await changing
  return tookMs
}

/** Memory of a process in MiB: now, and at most so far. */
async function memoryOf(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const read = (field: string): number => Math.round(Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)![1]) / 1024)
  return `memory: ${read('VmRSS')} MiB, at most ${read('VmHWM')} MiB`
}

/** Processor time of a process, in milliseconds: in clock ticks of ten milliseconds. */
async function processorMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

const quantile = (times: readonly number[], share: number): number => times.toSorted((a, b) => a - b)[Math.floor(times.length * share)]!
const milliseconds = (time: number): string => `${time.toFixed(1)} ms`

async function startProxy(): Promise<{ readonly proxy: NodeProxy; readonly startMs: number }> {
  const began = performance.now()
  const proxy = await startNodeProxy(cluster.network, cluster.plane)
  // The log has a line of a sync only where something was written.
  await proxy.untilSynced(SYNC_MS)
  return { proxy, startMs: performance.now() - began }
}

/** Makes changes, and says after how long the API had taken them and the kernel had its last commit. */
async function untilQuiet(change: () => Promise<unknown>): Promise<string> {
  const began = performance.now()
  const written: number[] = []
  const changing = change().then(() => written.push(performance.now()))
  let last = await kernel.readGeneration()
  let committed = began
  while (written.length === 0 || performance.now() - committed < QUIET_MS) {
    await setImmediate()
    const now = await kernel.readGeneration()
    if (now.id !== last.id) committed = performance.now()
    last = now
  }
  await changing
  return `the API took them in ${milliseconds(written[0]! - began)}, the kernel had them after ${milliseconds(committed - began)}`
}

const other = (number: number): string => podAddress(SERVICES * ENDPOINTS + number)
const move = (number: number): Promise<unknown> => {
  const { endpoints } = slice(number, other(number))
  return cluster.plane.writer.patch(slice(number), { endpoints })
}

it('programs 10,000 Services, follows their slices, and is adopted', { timeout: 900_000 }, async () => {
  const first = await startProxy()
  const { pid } = first.proxy
  const figures = [`start to programmed: ${milliseconds(first.startMs)}; ${await memoryOf(pid)}`]
  const changed = new Map<number, string>()
  await expectSlots(changed)

  // V8 collects and compiles for some seconds after so much work.
  await setTimeout(SETTLE_MS)
  const idleMs = await processorMs(pid)
  await setTimeout(IDLE_MS)
  figures.push(`idle: ${((((await processorMs(pid)) - idleMs) / IDLE_MS) * 100).toFixed(1)} % of a core; ${await memoryOf(pid)}`)

  const single: number[] = []
  for (let number = 0; number < CHANGES; number++) {
    changed.set(number, other(number))
    single.push(await untilCommit(() => move(number)))
    // The rest of what belongs to the change, which is not waited for above.
    await setTimeout(100)
  }
  figures.push(`one slice: median ${milliseconds(quantile(single, 0.5))}, at most ${milliseconds(Math.max(...single))}`)
  await expectSlots(changed)

  const many = Array.from({ length: CHANGED_AT_ONCE }, (_, index) => 1000 + index)
  for (const number of many) changed.set(number, other(number))
  figures.push(`${many.length} slices: ${await untilQuiet(() => Promise.all(many.map(move)))}`)
  await expectSlots(changed)

  await first.proxy.stop('SIGKILL')
  const generation = await kernel.readGeneration()
  const second = await startProxy()
  figures.push(`adopted after kill -9: ${milliseconds(second.startMs)}; ${await memoryOf(second.proxy.pid)}`)
  // What is right already is not written again.
  expect((await kernel.readGeneration()).id - generation.id).toBeLessThanOrEqual(ADOPTION_COMMITS)
  await expectSlots(changed)
  console.log(figures.join('\n'))
})
