import { parsePrefix } from 'netplane'
import { drainProblem } from './draining.js'
import { SETTINGS, weightsProblem } from './settings.js'
import type { ServicePort, ServiceSpec } from './types.js'

/** A check of one value: undefined where it has the shape, otherwise what is wrong. `path` names the value in the object. */
type Check = (path: string, value: unknown) => string | undefined

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typed(type: 'string' | 'number' | 'boolean'): Check {
  return (path, value) => (typeof value === type ? undefined : `${path} is no ${type}`)
}

/** In Kubernetes a field that is null is a field that is absent. */
function optional(check: Check): Check {
  return (path, value) => (value === undefined || value === null ? undefined : check(path, value))
}

/** Whether a value has the shape: nearly all have, and paths are put together for the others alone. */
const isSound = (check: Check, value: unknown): boolean => check('', value) === undefined

function listOf(check: Check): Check {
  return (path, value) => {
    if (!Array.isArray(value)) return `${path} is no list`
    for (let index = 0; index < value.length; index++) if (!isSound(check, value[index])) return check(`${path}[${index}]`, value[index])
    return undefined
  }
}

function objectWith(fields: Readonly<Record<string, Check>>): Check {
  const checks = Object.entries(fields).map(([field, check]) => ({ field, check }))
  return (path, value) => {
    if (!isObject(value)) return `${path} is no object`
    // Objects are checked by the ten thousand.
    for (const { field, check } of checks)
      if (!isSound(check, value[field])) return check(path === '' ? field : `${path}.${field}`, value[field])
    return undefined
  }
}

const text = typed('string')
const OPTIONAL_TEXT = optional(text)
const OPTIONAL_TEXTS = optional(listOf(text))
const OPTIONAL_FLAG = optional(typed('boolean'))
const OPTIONAL_NUMBER = optional(typed('number'))

/** The labels that a proxy reads. */
export const LABELS = {
  /** Which service an EndpointSlice belongs to. */
  service: 'kubernetes.io/service-name',
  /** Present on services that another proxy has been told to handle, as kube-proxy has it. */
  proxy: 'service.kubernetes.io/service-proxy-name',
  headless: 'service.kubernetes.io/headless',
  /** Where a node is. */
  zone: 'topology.kubernetes.io/zone'
} as const

/** The annotation that says when the change began that a slice tells of. */
export const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time'

const textsAt = (names: readonly string[]): Readonly<Record<string, Check>> =>
  Object.fromEntries(names.map((name) => [name, OPTIONAL_TEXT]))

const NAMED: Readonly<Record<string, Check>> = {
  name: (path, value) => (typeof value === 'string' && value !== '' ? undefined : `${path} is no name`),
  namespace: OPTIONAL_TEXT,
  labels: optional(objectWith(textsAt(Object.values(LABELS))))
}

const METADATA = objectWith(NAMED)

/** A text of which something more is asked. */
const textWith = (problem: (path: string, value: string) => string | undefined): Check =>
  optional((path, value) => text(path, value) ?? problem(path, value as string))

const CHECKED_SETTINGS = { ...textsAt(Object.values(SETTINGS)), [SETTINGS.drainDeadline]: textWith(drainProblem) }

const SERVICE_METADATA = objectWith({
  ...NAMED,
  labels: optional(objectWith({ ...textsAt(Object.values(LABELS)), ...CHECKED_SETTINGS })),
  annotations: optional(objectWith({ ...CHECKED_SETTINGS, [SETTINGS.weights]: textWith(weightsProblem) }))
})

const SERVICE_SPEC = objectWith({
  type: OPTIONAL_TEXT,
  clusterIP: OPTIONAL_TEXT,
  clusterIPs: OPTIONAL_TEXTS,
  externalIPs: OPTIONAL_TEXTS,
  loadBalancerSourceRanges: OPTIONAL_TEXTS,
  externalTrafficPolicy: OPTIONAL_TEXT,
  internalTrafficPolicy: OPTIONAL_TEXT,
  healthCheckNodePort: OPTIONAL_NUMBER,
  sessionAffinity: OPTIONAL_TEXT,
  sessionAffinityConfig: optional(objectWith({ clientIP: optional(objectWith({ timeoutSeconds: OPTIONAL_NUMBER })) })),
  ports: optional(listOf(objectWith({ name: OPTIONAL_TEXT, protocol: OPTIONAL_TEXT, port: typed('number'), nodePort: OPTIONAL_NUMBER })))
})

const SERVICE_STATUS = objectWith({
  loadBalancer: optional(objectWith({ ingress: optional(listOf(objectWith({ ip: OPTIONAL_TEXT, ipMode: OPTIONAL_TEXT }))) }))
})

/** Of the service, of whose cluster addresses one says that it has none. */
export function isHeadless({ clusterIP, clusterIPs }: Pick<ServiceSpec, 'clusterIP' | 'clusterIPs'>): boolean {
  return clusterIP === 'None' || clusterIPs?.includes('None') === true
}

/** What tells a port of a service from the others: its name, or its number where it has none. */
export function portNameOf({ name, port }: ServicePort): string {
  return name === undefined || name === null || name === '' ? String(port) : name
}

/** The API asks for a name of its own for each of several ports. Without, one of two ports 53 would be lost. */
function repeatedPort(path: string, ports: readonly ServicePort[]): string | undefined {
  const names = ports.map(portNameOf)
  const index = names.findIndex((name, at) => names.indexOf(name) < at)
  return index === -1
    ? undefined
    : `${path}[${index}] needs a name of its own: ${path}[${names.indexOf(names[index]!)}] is ${names[index]!}, too`
}

/** Only a headless service and an ExternalName may do without ports. A file that is being written may end before them. */
const SERVICE = objectWith({
  metadata: SERVICE_METADATA,
  spec: (path, value) => {
    const problem = SERVICE_SPEC(path, value)
    if (problem !== undefined) return problem
    const { type, ports, ...addresses } = value as ServiceSpec
    const needsPorts = type !== 'ExternalName' && !isHeadless(addresses)
    if (ports === undefined || ports === null) return needsPorts ? `${path}.ports is missing` : undefined
    return repeatedPort(`${path}.ports`, ports)
  },
  status: optional(SERVICE_STATUS)
})

const NAMES = optional(listOf(objectWith({ name: text })))

const ENDPOINT = objectWith({
  addresses: OPTIONAL_TEXTS,
  conditions: optional(objectWith({ ready: OPTIONAL_FLAG, serving: OPTIONAL_FLAG, terminating: OPTIONAL_FLAG })),
  nodeName: OPTIONAL_TEXT,
  zone: OPTIONAL_TEXT,
  hints: optional(objectWith({ forZones: NAMES, forNodes: NAMES })),
  weight: OPTIONAL_NUMBER
})

const ENDPOINT_SLICE = objectWith({
  metadata: METADATA,
  addressType: OPTIONAL_TEXT,
  ports: optional(listOf(objectWith({ name: OPTIONAL_TEXT, protocol: OPTIONAL_TEXT, port: OPTIONAL_NUMBER }))),
  // The API lists a slice without endpoints as null. A file that is being written may end before them.
  endpoints: (path, value) => (value === undefined ? `${path} is missing` : optional(listOf(ENDPOINT))(path, value))
})

const NODE = objectWith({
  metadata: METADATA,
  status: optional(objectWith({ addresses: optional(listOf(objectWith({ type: OPTIONAL_TEXT, address: OPTIONAL_TEXT }))) }))
})

const PREFIX: Check = (path, value) =>
  text(path, value) ?? (parsePrefix(value as string) === undefined ? `${path} is no prefix such as 10.96.0.0/12` : undefined)

const SERVICE_CIDR = objectWith({ metadata: METADATA, spec: optional(objectWith({ cidrs: optional(listOf(PREFIX)) })) })

/** The kinds that a proxy reads, and the shape that each must have. Fields that no proxy reads may be anything. */
const SHAPES: ReadonlyMap<unknown, Check> = new Map([
  ['Service', SERVICE],
  ['EndpointSlice', ENDPOINT_SLICE],
  ['Node', NODE],
  ['ServiceCIDR', SERVICE_CIDR]
])

/** Objects that were checked: a translation reads them again and again. */
const sound = new WeakSet<object>()

/** The groups of the API in which these kinds are not those of somebody else: Knative has a Service, too, and Longhorn a Node. */
const GROUPS: ReadonlyMap<unknown, string> = new Map([
  ['EndpointSlice', 'discovery.k8s.io'],
  ['ServiceCIDR', 'networking.k8s.io']
])

/** True for what a proxy reads. An object without `apiVersion` is taken by its kind, and so is one whose `apiVersion` ends before its group does. */
export function isKnown({ kind, apiVersion }: { readonly kind?: unknown; readonly apiVersion?: unknown }): boolean {
  if (!SHAPES.has(kind)) return false
  return typeof apiVersion !== 'string' || !apiVersion.includes('/') || apiVersion.split('/')[0] === GROUPS.get(kind)
}

/** Lists of what a proxy reads, as the API and `kubectl` give them. */
export const KNOWN_LISTS: ReadonlySet<unknown> = new Set(['List', ...[...SHAPES.keys()].map((kind) => `${String(kind)}List`)])

const KINDS: readonly string[] = [...SHAPES.keys(), ...KNOWN_LISTS].map(String)

/** True for what is no kind that a proxy reads, but would become one by further letters (`Serv`). */
export function isBeginningOfKind(kind: string): boolean {
  return !KINDS.includes(kind) && KINDS.some((known) => known.startsWith(kind))
}

/** What is wrong with the shape of an object of these kinds (`spec.externalIPs is no list`); undefined where nothing is. */
export function shapeProblem(object: unknown): string | undefined {
  if (!isObject(object)) return 'it is no object'
  if (sound.has(object)) return undefined
  const problem = SHAPES.get(object['kind'])?.('', object)
  if (problem === undefined) sound.add(object)
  return problem
}
