import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { findAccess } from '../../examples/proxy/sources/access/find.js'
import { ApiSource } from '../../examples/proxy/sources/api/source.js'
import type { ObjectChange } from '../../examples/proxy/sources/types.js'
import type { ApiObject, NewObject } from '../support/kubernetes/client.js'
import { startControlPlane } from '../support/kubernetes/cluster.js'
import { TOKENS, type AuditedRequest, type ControlPlane } from '../support/kubernetes/control-plane.js'
import { serviceOf, sliceOf } from '../support/kubernetes-services.js'
import { makeFolder } from '../support/manifests.js'
import { until } from '../support/run.js'

/** Nodes with a proxy each, whose sources run here in one process. */
const NODES = 300
const SERVICES = 50
/** Fewer, where times are looked at: a busy machine asks for many one after the other by itself. */
const FEW = 20
/** Services, EndpointSlices and the own Node. */
const KINDS = 3
const AWAIT_MS = 240_000

const LISTS = ['/api/v1/services', '/apis/discovery.k8s.io/v1/endpointslices'] as const

let plane: ControlPlane
beforeAll(async () => {
  plane = await startControlPlane()
  const numbers = Array.from({ length: SERVICES }, (_, index) => index)
  const nodes = Array.from({ length: NODES }, (_, index) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: `node-${index}` } }))
  const objects = numbers.flatMap((index) => [serviceOf(`s${index}`, index + 1), sliceOf(`s${index}`)] as NewObject[])
  await plane.writer.createAll([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }, ...nodes, ...objects])
})
afterAll(() => plane.stop())

/** The source of one node's proxy, and what it has told. */
class Follower {
  readonly source: ApiSource
  /** Versions of objects by their keys. */
  readonly versions = new Map<string, string>()
  /** When something was told last, of `performance.now()`. */
  toldAt = 0
  /** When the API server was asked in vain, likewise. */
  readonly failedAt: number[] = []

  constructor(source: ApiSource) {
    this.source = source
  }

  async start(): Promise<void> {
    await this.source.start({ told: (changes) => this.#take(changes), failed: () => this.failedAt.push(performance.now()) })
  }

  #take(changes: readonly ObjectChange[]): void {
    if (changes.length > 0) this.toldAt = performance.now()
    for (const { key, object } of changes) {
      if (object === undefined) this.versions.delete(key)
      else this.versions.set(key, (object.metadata as { readonly resourceVersion?: string }).resourceVersion ?? '')
    }
  }
}

async function startFleet(nodes: number): Promise<Follower[]> {
  const token = join(await makeFolder(), 'token')
  await writeFile(token, TOKENS.proxy)
  const access = await findAccess({ kubeconfig: plane.kubeconfig(token), master: undefined })
  const fleet = Array.from({ length: nodes }, (_, index) => {
    const node = `node-${index}`
    // The audit log has the name of who asks.
    return new Follower(new ApiSource(access, node, { client: { userAgent: node } }))
  })
  onTestFinished(async () => {
    await Promise.all(fleet.map(({ source }) => source.close()))
  })
  await Promise.all(fleet.map((follower) => follower.start()))
  return fleet
}

/** The versions of Services and EndpointSlices that the API has. */
async function versionsOfApi(): Promise<string[]> {
  const lists = await Promise.all(LISTS.map((path) => plane.writer.get(path)))
  return lists.flatMap(({ items }) => (items as ApiObject[]).map(({ metadata }) => metadata.resourceVersion!)).sort()
}

/** Waits until each has exactly what the API has, and its own Node; gives the times at which they had it. */
async function awaitAll(fleet: readonly Follower[]): Promise<number[]> {
  const wanted = (await versionsOfApi()).join()
  const hasAll = ({ versions }: Follower): boolean => {
    const own = [...versions].filter(([key]) => !key.startsWith('Node ')).map(([, version]) => version)
    return versions.size === own.length + 1 && own.sort().join() === wanted
  }
  await until(`all ${fleet.length} have what the API has`, () => fleet.every(hasAll), AWAIT_MS)
  return fleet.map(({ toldAt }) => toldAt).sort((a, b) => a - b)
}

/** The most of some times, in milliseconds, within any one second. */
function busiestSecond(all: readonly number[]): number {
  const times = all.toSorted((a, b) => a - b)
  return Math.max(...times.map((time, index) => times.filter((other, after) => after >= index && other < time + 1000).length))
}

const isList = ({ verb }: AuditedRequest): boolean => verb === 'list'

/** Waits for the last lines of the audit log, which come a moment after their answers. */
async function completeLists(): Promise<void> {
  for (let count = -1; ;) {
    const before = count
    count = plane.audit().filter(isList).length
    if (count === before) return
    await setTimeout(500)
  }
}

/** How often each has listed each kind. */
function listsOfEach(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { userAgent, requestURI } of plane.audit().filter(isList)) {
    const key = `${userAgent} ${requestURI.replace(/\?.*/, '')}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`
const slice = sliceOf('s7') as NewObject
const fewer = (servers: readonly ('pod-a' | 'pod-b' | 'far-c')[]): object => ({
  endpoints: (sliceOf('s7', servers) as { readonly endpoints: unknown }).endpoints
})

it(
  `${NODES} proxies follow one API server through its restart: nobody misses a change, and each lists once`,
  { timeout: 600_000 },
  async () => {
    const memory = process.memoryUsage().rss
    const started = performance.now()
    const fleet = await startFleet(NODES)
    const synced = (await awaitAll(fleet)).at(-1)! - started
    const figures = [`first sync of ${NODES}: ${seconds(synced)}`]
    // One list of each kind.
    expect(plane.audit().filter(isList)).toHaveLength(KINDS * NODES)
    expect(
      plane
        .audit()
        .filter(isList)
        .every(({ requestURI }) => requestURI.includes('resourceVersion=0'))
    ).toBe(true)
    figures.push(`memory of each: ${Math.round((process.memoryUsage().rss - memory) / NODES / 1024)} KiB`)

    const changed = performance.now()
    await plane.writer.patch(slice, fewer(['pod-a', 'pod-b']))
    const told = await awaitAll(fleet)
    figures.push(`one change at all: median ${seconds(told[NODES / 2]! - changed)}, last ${seconds(told.at(-1)! - changed)}`)
    expect(plane.audit().filter(isList)).toHaveLength(KINDS * NODES)

    const before = plane.audit().length
    const cpu = process.cpuUsage()
    await plane.stopApi('SIGKILL')
    await until('all have noticed', () => fleet.every(({ source }) => source.status.error !== undefined), AWAIT_MS)
    expect(fleet.every(({ versions }) => versions.size === 2 * SERVICES + 2)).toBe(true)
    await plane.startApi()
    const ready = performance.now()
    // Changes before most of them are back: one more Service, one slice that is changed, one Service that goes.
    await plane.writer.patch(slice, fewer(['far-c']))
    await plane.writer.create(serviceOf('new', 100) as NewObject)
    await plane.writer.delete(serviceOf('s9', 10) as NewObject)
    const back = await awaitAll(fleet)
    await until('all watch again', () => fleet.every(({ source }) => source.status.error === undefined), AWAIT_MS)
    figures.push(`after the restart all had all: median ${seconds(back[NODES / 2]! - ready)}, last ${seconds(back.at(-1)! - ready)}`)
    const { user, system } = process.cpuUsage(cpu)
    figures.push(`processor time of each: ${((user + system) / 1000 / NODES).toFixed(0)} ms`)

    const asked = plane.audit().slice(before)
    const lists = asked.filter(isList)
    const inSecond = busiestSecond(lists.map(({ requestReceivedTimestamp }) => Date.parse(requestReceivedTimestamp)))
    figures.push(`lists: ${lists.length}, at most ${inSecond} in a second; requests: ${asked.length}`)
    console.log(figures.join('\n'))
    // Each lists each kind once more at most, whatever it had seen.
    expect(lists.length).toBeLessThanOrEqual(KINDS * NODES)

    // Watches work: another change reaches all. A watch may be refused some time after it has begun, and its list comes only now.
    await plane.writer.patch(slice, fewer(['pod-b']))
    await awaitAll(fleet)
    await completeLists()
    expect(Math.max(...listsOfEach().values())).toBeLessThanOrEqual(2)
  }
)

it(`${FEW} proxies do not ask again at one moment when their API server is away`, async () => {
  const fleet = await startFleet(FEW)
  await awaitAll(fleet)
  const killed = performance.now()
  await plane.stopApi('SIGKILL')
  // Each asks again after 0.8 s, 1.6 s and 3.2 s, or up to twice of that: a third time after 5.6 s to 11.2 s.
  await setTimeout(killed + 11_500 - performance.now())
  const third = fleet.flatMap(({ failedAt }) => failedAt).filter((time) => time > killed + 5200 && time < killed + 11_500)
  const share = busiestSecond(third) / third.length
  console.log(`asked 5.2 s to 11.5 s after its end: ${third.length}, at most ${Math.round(share * 100)} % in a second`)
  // A third of them, as the last pause is spread over 3.2 s, and more by chance.
  expect(third.length).toBeGreaterThan((KINDS * FEW) / 2)
  expect(share).toBeLessThan(0.7)
  await plane.startApi()
  await awaitAll(fleet)
})
