/**
 * Services of an API with their EndpointSlices, and what becomes of those that never rest.
 */
import { NODE } from '../../support/kubernetes-services.js'
import type { NewObject } from '../../support/kubernetes/client.js'
import type { Random } from '../../support/random.js'
import type { Kind } from '../../soak/churn.js'

type Family = 'ip' | 'ip6'
type Policy = 'Cluster' | 'Local'

/** The zones in which pods are. */
export const ZONES = ['zone-a', 'zone-b'] as const

/** An endpoint. */
export interface Pod {
  readonly address: Readonly<Record<Family, string>>
  readonly isHere: boolean
  readonly zone: string
  readonly state: keyof typeof CONDITIONS
}

interface WorkloadPort {
  readonly name: string
  readonly protocol: 'TCP' | 'UDP'
  readonly port: number
  /** Where its pods listen. */
  readonly target: number
  readonly nodePort?: number
}

/** A Service and its pods. */
export interface Workload {
  readonly name: string
  readonly clusterIPs: Partial<Readonly<Record<Family, string>>>
  readonly ports: readonly WorkloadPort[]
  readonly pods: readonly Pod[]
  readonly inside: Policy
  readonly outside: Policy
  readonly isSticky: boolean
  /** Whether each pod is meant for its own zone. */
  readonly isHinted: boolean
}

/** How a Service is that asks for nothing in particular. */
export const PLAIN = { inside: 'Cluster', outside: 'Cluster', isSticky: false, isHinted: false } as const

const CONDITIONS = {
  ready: { ready: true, serving: true, terminating: false },
  leaving: { ready: false, serving: true, terminating: true },
  ended: { ready: false, serving: false, terminating: true },
  unready: { ready: false, serving: false, terminating: false }
} as const
const STATES = Object.keys(CONDITIONS) as (keyof typeof CONDITIONS)[]

const PODS = 1000
const MAX_PODS = 5
/** Pods whose numbers leave the same rest are in one slice. */
const SLICES = 2
const FAMILIES = { ip: 'IPv4', ip6: 'IPv6' } as const

/** A pod, of which only the tables of the kernel know. */
function podOf(number: number): Pod {
  const address = { ip: `10.244.${number >> 8}.${number & 255}`, ip6: `fd00:10:244::${number.toString(16)}` }
  return { address, isHere: number % 3 === 0, zone: ZONES[number % 2]!, state: 'ready' }
}
const anyPod = (random: Random): Pod => podOf(1 + random.below(PODS))
const distinct = (pods: readonly Pod[]): Pod[] => [...new Map(pods.map((pod) => [pod.address.ip, pod])).values()]

/** No two have one address or one node port. Every fifth has two families, every tenth a node port. */
function make(random: Random, number: number): Workload {
  const ip = `10.96.${1 + (number >> 8)}.${number & 255}`
  const port = { name: 'http', protocol: number % 4 === 3 ? 'UDP' : 'TCP', port: 80, target: 8080 } as const
  return {
    ...PLAIN,
    name: `churn-${number}`,
    clusterIPs: { ip, ...(number % 5 === 0 ? { ip6: `fd00:10:96::${(4096 + number).toString(16)}` } : {}) },
    ports: [number % 10 === 0 ? { ...port, nodePort: 31_000 + number / 10 } : port],
    pods: distinct(Array.from({ length: random.below(MAX_PODS + 1) }, () => anyPod(random))),
    isHinted: number % 3 === 0
  }
}

const withPods = (workload: Workload, change: (pod: Pod) => Pod): Workload => ({ ...workload, pods: distinct(workload.pods.map(change)) })

export const CHURNING_WORKLOADS: Kind<Workload> = {
  make,
  changes: {
    scale: (random, workload) => ({
      ...workload,
      pods: distinct([...workload.pods.slice(random.below(3)), anyPod(random)]).slice(0, MAX_PODS)
    }),
    roll: (random, workload) => withPods(workload, () => anyPod(random)),
    flap: (random, workload) => withPods(workload, (pod) => ({ ...pod, state: random.chance(50) ? 'ready' : random.pick(STATES) })),
    leave: (_, workload) => withPods(workload, (pod) => ({ ...pod, state: 'leaving' })),
    inside: (random, workload) => ({ ...workload, inside: random.pick(['Local', 'Cluster']) }),
    outside: (random, workload) => ({ ...workload, outside: random.pick(['Local', 'Cluster']) }),
    affinity: (_, workload) => ({ ...workload, isSticky: !workload.isSticky }),
    hints: (_, workload) => ({ ...workload, isHinted: !workload.isHinted }),
    remove: () => undefined
  }
}

/** The Service, with all fields that ever change, so that a merge patch of it says all. */
function serviceOf({ name, clusterIPs, ports, inside, outside, isSticky }: Workload): NewObject {
  const families = Object.keys(clusterIPs) as Family[]
  const isAtNodes = ports.some(({ nodePort }) => nodePort !== undefined)
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' } as NewObject['metadata'],
    spec: {
      type: isAtNodes ? 'NodePort' : 'ClusterIP',
      clusterIP: clusterIPs[families[0]!],
      clusterIPs: Object.values(clusterIPs),
      ipFamilies: families.map((family) => FAMILIES[family]),
      ipFamilyPolicy: families.length > 1 ? 'RequireDualStack' : 'SingleStack',
      ports: ports.map(({ target, ...port }) => ({ ...port, targetPort: target })),
      internalTrafficPolicy: inside,
      ...(isAtNodes ? { externalTrafficPolicy: outside } : {}),
      ...(isSticky
        ? { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }
        : { sessionAffinity: 'None', sessionAffinityConfig: null })
    }
  }
}

function sliceOf({ name, ports, isHinted }: Workload, pods: readonly Pod[], family: Family, number: number): NewObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${family}-${number}`,
      namespace: 'shop',
      labels: { 'kubernetes.io/service-name': name }
    } as NewObject['metadata'],
    addressType: FAMILIES[family],
    ports: ports.map((port) => ({ name: port.name, port: port.target, protocol: port.protocol })),
    endpoints: pods.map(({ address, isHere, zone, state }) => ({
      addresses: [address[family]],
      conditions: CONDITIONS[state],
      nodeName: isHere ? NODE.name : 'node-b',
      zone,
      ...(isHinted ? { hints: { forZones: [{ name: zone }] } } : {})
    }))
  }
}

const sliceNumberOf = ({ address }: Pod): number => Number(/\d+$/.exec(address.ip)) % SLICES

/** All objects of a workload; a slice without endpoints is not there. */
export function objectsOf(workload: Workload): NewObject[] {
  const slices = (Object.keys(workload.clusterIPs) as Family[]).flatMap((family) =>
    Array.from({ length: SLICES }, (_, number) => {
      const pods = workload.pods.filter((pod) => sliceNumberOf(pod) === number)
      return pods.length > 0 ? [sliceOf(workload, pods, family, number)] : []
    }).flat()
  )
  return [serviceOf(workload), ...slices]
}
