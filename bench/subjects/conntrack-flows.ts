import { setTimeout as sleep } from 'node:timers/promises'
import type { Netplane } from '../frame/netplane.js'

/** A client of connection tracking. */
export type Conntrack = Awaited<ReturnType<Netplane['Conntrack']['open']>>

/** A flow to create. */
export type FlowInput = Parameters<Conntrack['add']>[0]

/** Services, every other one of TCP, each with so many endpoints: 80 pairs that share all flows evenly. */
const services = 20
const endpointsOfService = 4
const port = 53

/** Seconds; longer than any run. */
const timeoutSeconds = 3600

const serviceAddress = (service: number): string => `10.96.0.${service + 1}`
const endpointAddress = (service: number, endpoint: number): string => `10.1.${service}.${endpoint + 1}`
const clientAddress = (index: number): string => `10.${128 + ((index >>> 16) & 127)}.${(index >>> 8) & 255}.${index & 255}`

/** Flow number `index` of a node that balances: a client, a service's address, and the endpoint that answers. */
function flow(index: number): FlowInput {
  const service = index % services
  const endpoint = Math.floor(index / services) % endpointsOfService
  const client = { address: clientAddress(index >>> 2), port: 32_768 + (index % 16_384) }
  const isTcp = service % 2 === 0
  return {
    protocol: isTcp ? 'tcp' : 'udp',
    original: { source: client.address, destination: serviceAddress(service), sourcePort: client.port, destinationPort: port },
    reply: { source: endpointAddress(service, endpoint), destination: client.address, sourcePort: port, destinationPort: client.port },
    timeoutSeconds,
    status: ['seen-reply', 'assured'],
    ...(isTcp && { state: 'established' as const })
  }
}

/** Flows `first` … `first + count - 1`. */
export const flows = (first: number, count: number): FlowInput[] => Array.from({ length: count }, (_, index) => flow(first + index))

const flowsAtOnce = 50_000
/** After many were made: the kernel is done with what that left behind. */
const restMs = 300

/** Makes them, some at a time, so that the objects for a million are never there at once. */
export async function createAll(conntrack: Conntrack, count: number): Promise<void> {
  for (let first = 0; first < count; first += flowsAtOnce) await conntrack.addFlows(flows(first, Math.min(flowsAtOnce, count - first)))
  await sleep(restMs)
}

/** The service whose endpoint goes, and that endpoint. */
const stale = { service: 1, endpoint: 3 }
const remaining = Array.from({ length: endpointsOfService }, (_, endpoint) => endpoint).filter((endpoint) => endpoint !== stale.endpoint)

/** One pair of service and endpoint in 80. */
export const staleFlows = (count: number): number => count / (services * endpointsOfService)

/** What a proxy asks for when an endpoint of a service is gone: the kernel can apply all but the last condition. */
export const staleFilter = {
  family: 'ip',
  protocol: 'udp',
  originalDestination: serviceAddress(stale.service),
  originalDestinationPort: port,
  replySourceNotIn: remaining.map((endpoint) => ({ address: endpointAddress(stale.service, endpoint), port }))
} as const

/** The same flows by conditions that the kernel cannot apply: every flow is read and matched natively. */
export const nativeFilter = {
  originalDestination: `${serviceAddress(stale.service)}/31`,
  replySourceIn: [{ address: endpointAddress(stale.service, stale.endpoint), port }]
} as const

/** Of the flows that come and go: those of one service in 20. */
export const churnFilter = { originalDestination: serviceAddress(stale.service), originalDestinationPort: port } as const

/** Whether {@link churnFilter} takes it. */
export const isChurnMatch = ({ original }: FlowInput): boolean => original.destination === churnFilter.originalDestination

/** Throws where no new namespace may hold so many flows: the limit of the initial one is that of all (nf_conntrack_max). */
export async function requireTableSize({ Conntrack }: Netplane, count: number): Promise<void> {
  const conntrack = await Conntrack.open()
  try {
    const { maxEntries } = await conntrack.readUsage()
    if (maxEntries < count)
      throw new TypeError(
        `a namespace may hold ${maxEntries} flows, not ${count}: on a machine that may be changed so, net.netfilter.nf_conntrack_max=${count + 1000} (initial network namespace)`
      )
  } finally {
    await conntrack.close()
  }
}

/** The same flows, for the program `conntrack`. */
export const staleArguments: readonly string[] = [
  ...['-p', 'udp', '--orig-dst', serviceAddress(stale.service), '--orig-port-dst', String(port)],
  ...['--reply-src', endpointAddress(stale.service, stale.endpoint)]
]
