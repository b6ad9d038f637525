import type { Service } from 'netplane'
import type { Netplane } from '../frame/netplane.js'
import type { Subject } from '../frame/subject.js'
import { dottedQuad } from './expressions.js'

/** How many services there are, and endpoints of each. */
export interface PlaneSize {
  readonly services: number
  readonly endpoints: number
}

/** Services of a plane. */
export interface PlaneOptions extends PlaneSize {
  readonly mode: 'nftables' | 'ipvs' | 'iptables'
}

/** What changes in one service, among all the others. */
export type PlaneChange = 'swap' | 'add-endpoint' | 'remove-endpoint' | 'add-service' | 'remove-service' | 'first-size'

export interface PlaneUpdateOptions extends PlaneOptions {
  readonly change: PlaneChange
}

/** 10.96.0.0 */
const firstService = 0x0a60_0000
/** 10.128.0.0 */
const firstEndpoint = 0x0a80_0000
const servicePort = 80
const endpointPort = 8080

/** One service; the endpoints of all are different. */
export function planeService(index: number, endpoints: number, offset = 0): Service {
  return {
    name: `default/service-${index}:http`,
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: dottedQuad(firstService + index), port: servicePort }],
    endpoints: Array.from({ length: endpoints }, (_, slot) => ({
      address: dottedQuad(firstEndpoint + index * endpoints + slot + offset),
      port: endpointPort
    }))
  }
}

/** All services, by name. */
export function planeServices({ services, endpoints }: PlaneSize): Map<string, Service> {
  return new Map(
    Array.from({ length: services }, (_, index) => planeService(index, endpoints)).map((service) => [service.name, service] as const)
  )
}

/** The first sync of a plane: all services into an empty namespace. */
export const planeSync: Subject<PlaneOptions> = async ({ openPlane }, netns, { mode, ...options }) => {
  const plane = await openPlane({ mode, netns, auditMs: 0 })
  const services = planeServices(options)
  return {
    work: async () => {
      await plane.sync(services)
    },
    close: () => plane.close()
  }
}

/** A plane that is left alone, but for its own audits. @returns Its share of one processor, in per cent. */
export async function planeAtRest(
  { openPlane }: Netplane,
  netns: string,
  { mode, ...options }: PlaneOptions,
  seconds: number
): Promise<number> {
  const plane = await openPlane({ mode, netns })
  try {
    await plane.sync(planeServices(options))
    const startedAt = performance.now()
    const before = process.cpuUsage()
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 10 / (performance.now() - startedAt)
  } finally {
    await plane.close()
  }
}

/** The service in the middle, before and after each kind of change. */
function changed({ services, endpoints, change }: PlaneUpdateOptions): { readonly set?: Service[]; readonly delete?: string[] } {
  const index = services >> 1
  const sizes = { 'add-endpoint': endpoints + 1, 'remove-endpoint': endpoints - 1, 'first-size': 70 } as const
  if (change === 'remove-service') return { delete: [planeService(index, endpoints).name] }
  if (change === 'add-service') return { set: [planeService(services, endpoints)] }
  if (change !== 'swap') return { set: [planeService(index, sizes[change])] }
  const service = planeService(index, endpoints)
  return {
    set: [
      {
        ...service,
        endpoints: service.endpoints.map((endpoint, slot) => (slot === 0 ? { ...endpoint, port: endpointPort + 1 } : endpoint))
      }
    ]
  }
}

/** `update` of one service among many. Other services of the sizes in question exist, but for the size that is used first. */
export const planeUpdate: Subject<PlaneUpdateOptions> = async ({ openPlane }, netns, options) => {
  const plane = await openPlane({ mode: options.mode, netns, auditMs: 0 })
  const services = planeServices(options)
  for (const [index, size] of [options.endpoints - 1, options.endpoints + 1].entries()) {
    const service = planeService(index, size)
    services.set(service.name, service)
  }
  await plane.sync(services)
  // A plane lives long: what its first updates cost until their code is compiled is not the question. The last leaves the service as it was.
  for (let warm = 1; warm <= 40; warm += 1) await plane.update({ set: [planeService(2, options.endpoints, warm % 2)] })
  return {
    work: async () => {
      await plane.update(changed(options))
    },
    close: () => plane.close()
  }
}

/** The first sync of the virtual services alone that the plane of mode `ipvs` makes of the same. */
export const planeVirtualServices: Subject<PlaneOptions> = async ({ Ipvs }, netns, options) => {
  const ipvs = await Ipvs.open({ netns })
  const virtual = [...planeServices(options).values()].map(({ frontends, endpoints }) => ({
    protocol: 'tcp' as const,
    address: (frontends[0] as { readonly address: string }).address,
    port: servicePort,
    scheduler: 'wrr',
    realServers: endpoints.map(({ address, port }) => ({ address, port, weight: 1 }))
  }))
  return {
    work: async () => {
      await ipvs.sync(virtual)
    },
    close: () => ipvs.close()
  }
}

/** What the plane declares for a set that is to hold so many elements. */
const declaredSize = (elements: number): string => (elements < 1024 ? '' : `size ${2 ** Math.ceil(Math.log2(elements * 2)) * 0.75};`)

/** Slots of the class in which services with so many endpoints are. */
export const classSize = (endpoints: number): number => (endpoints <= 4 ? endpoints : 2 ** Math.ceil(Math.log2(endpoints)))

/** Among how many slots of a class one is chosen, try after try: again where a slot is empty, and at last among the first half. */
export function choicesAmong(slots: number): number[] {
  return slots <= 4 ? [slots] : [...Array<number>(10).fill(slots), slots / 2]
}

function choices(slots: number): string {
  return choicesAmong(slots)
    .map((among) => `dnat ip to ip daddr . meta l4proto . th dport . numgen random mod ${among} map @endpoints-random-${slots};`)
    .join(' ')
}

/** The same services in the plane's own layout, with the sizes that it declares, for `nft -f`. */
export function planeScript({ services, endpoints }: PlaneSize): string {
  const size = classSize(endpoints)
  const frontends = Array.from(
    { length: services },
    (_, index) => `${dottedQuad(firstService + index)} . tcp . ${servicePort} comment "default/service-${index}:http"`
  )
  const vips = Array.from({ length: services }, (_, index) => dottedQuad(firstService + index))
  const slots = Array.from({ length: services * endpoints }, (_, position) => {
    const service = dottedQuad(firstService + Math.floor(position / endpoints))
    return `${service} . tcp . ${servicePort} . ${position % endpoints} : ${dottedQuad(firstEndpoint + position)} . ${endpointPort}`
  })
  return `table ip netplane {
  set cluster-ips { type ipv4_addr; ${declaredSize(services)} elements = { ${vips.join(',\n')} }; }
  set random-${size} { type ipv4_addr . inet_proto . inet_service; ${declaredSize(services)} elements = { ${frontends.join(',\n')} }; }
  map endpoints-random-${size} {
    ${declaredSize(services * endpoints)}
    typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport
    elements = { ${slots.join(',\n')} }
  }
  chain lb-random-${size} { ${choices(size)} }
  chain services { ip daddr . meta l4proto . th dport @random-${size} goto lb-random-${size}; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; ip daddr @cluster-ips jump services; }
  chain nat-output { type nat hook output priority -100; ip daddr @cluster-ips jump services; }
}
`
}

/**
 * The same services as kube-proxy's nftables mode lays them out (Kubernetes 1.33 and later): one verdict map of all service addresses, a chain per service, and in it an anonymous map of
 * its endpoints.
 */
export function kubeProxyScript({ services, endpoints }: PlaneSize): string {
  const chains = Array.from({ length: services }, (_, index) => {
    const targets = Array.from(
      { length: endpoints },
      (__, slot) => `${slot} : ${dottedQuad(firstEndpoint + index * endpoints + slot)} . ${endpointPort}`
    )
    return `  chain service-${index} { meta l4proto tcp dnat ip addr . port to numgen random mod ${endpoints} map { ${targets.join(', ')} }; }`
  })
  const elements = Array.from(
    { length: services },
    (_, index) => `${dottedQuad(firstService + index)} . tcp . ${servicePort} : goto service-${index}`
  )
  return `table ip kube-proxy {
${chains.join('\n')}
  map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = { ${elements.join(',\n')} }; }
  chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
}
`
}
