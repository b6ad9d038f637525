// Services of the whole model: mixed kinds, drift, and the most that is reasonable of one thing.
import type { Frontend, Service } from 'netplane'
import type { Netplane } from '../frame/netplane.js'
import type { Session, Subject } from '../frame/subject.js'
import { dottedQuad } from './expressions.js'
import { planeService, planeServices, type PlaneSize } from './plane.js'
import { addressList } from './route-addresses.js'

/** 203.0.0.0 */
const firstOutside = 0xcb00_0000
const firstNodePort = 20_000

/** What a tenth of the services has beside its address of the cluster, by the last digit of its number. */
const FURTHER: readonly ((index: number) => readonly Frontend[])[] = [
  (index) => [{ kind: 'external', address: dottedQuad(firstOutside + index), port: 80 }],
  (index) => [{ kind: 'loadBalancer', address: dottedQuad(firstOutside + index), port: 80, trafficPolicy: 'local' }],
  (index) => [{ kind: 'loadBalancer', address: dottedQuad(firstOutside + index), port: 80, sourceRanges: { allow: ['198.51.100.0/24'] } }],
  (index) => [{ kind: 'node', port: firstNodePort + (index % 40_000) }],
  (index) => [{ kind: 'node', port: firstNodePort + (index % 40_000), trafficPolicy: 'local' }]
]

/** Kinds by tenths, a tenth with affinity, a fifth with policy `local` at one frontend; a tenth of the endpoints on this node. */
function mixed(index: number, endpoints: number): Service {
  const service = planeService(index, endpoints)
  return {
    ...service,
    frontends: [...service.frontends, ...(FURTHER[index % 10]?.(index) ?? [])],
    endpoints: service.endpoints.map((endpoint, slot) => (slot === 0 ? { ...endpoint, local: true } : endpoint)),
    ...(index % 10 === 9 ? { affinity: { timeoutSeconds: 10_800 } } : {})
  }
}

/** A first sync of services of all kinds. */
export const planeMixed: Subject<PlaneSize> = async ({ openPlane }, netns, { services, endpoints }) => {
  const plane = await openPlane({ mode: 'nftables', netns, auditMs: 0, localSources: ['10.128.0.0/9'] })
  const all = Array.from({ length: services }, (_, index) => mixed(index, endpoints))
  return syncing(plane, new Map(all.map((service) => [service.name, service])))
}

type Plane = Awaited<ReturnType<Netplane['openPlane']>>

function syncing(plane: Plane, services: ReadonlyMap<string, Service>): Session {
  return {
    work: async () => {
      await plane.sync(services)
    },
    close: () => plane.close()
  }
}

/** Another process flushes all rules of our table: from its commit until they are there again. */
export const planeDrift: Subject<PlaneSize> = async ({ Nftables, openPlane }, netns, options) => {
  const plane = await openPlane({ mode: 'nftables', netns, auditMs: 10 })
  await plane.sync(planeServices(options))
  const other = await Nftables.open({ netns })
  return {
    work: async () => {
      const events = plane.watch()
      // A plane does not keep a process alive.
      const alive = setInterval(() => undefined, 1000)
      const tx = other.transaction()
      tx.flush.table({ family: 'ip', name: 'netplane' })
      await tx.commit()
      for await (const { type } of events) if (type === 'repaired') break
      clearInterval(alive)
    },
    close: async () => {
      await other.close()
      await plane.close()
    }
  }
}

/** What there is very much of. */
export interface PlaneLimitOptions {
  readonly limit: 'endpoints' | 'node-ports' | 'node-addresses'
  readonly count: number
}

const nodePort = (port: number): Service => ({
  name: `default/port-${port}:http`,
  protocol: 'tcp',
  frontends: [{ kind: 'node', port, family: 'ip' }],
  endpoints: [{ address: '10.128.0.1', port: 8080 }]
})

const LIMITS: Readonly<Record<PlaneLimitOptions['limit'], (count: number) => Service[]>> = {
  endpoints: (count) => [planeService(0, count)],
  'node-ports': (count) => Array.from({ length: count }, (_, index) => nodePort(index + 1)),
  'node-addresses': () => Array.from({ length: 10 }, (_, index) => nodePort(index + 1))
}

/** A first sync with very much of one thing. */
export const planeLimit: Subject<PlaneLimitOptions> = async ({ openPlane, Route }, netns, { limit, count }) => {
  if (limit === 'node-addresses') {
    await using route = await Route.open({ netns })
    await route.addAddresses('lo', addressList(count))
  }
  const plane = await openPlane({ mode: 'nftables', netns, auditMs: 0 })
  const services = LIMITS[limit](count)
  return syncing(plane, new Map(services.map((service) => [service.name, service])))
}
